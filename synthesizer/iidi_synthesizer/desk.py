"""Where a request for work is left by one thread and taken by another, one at a time."""

import threading

from iidi_synthesizer.population import Population


class Desk:
    """Holds at most one request, from when it is left until it is finished."""

    def __init__(self):
        self._changed = threading.Condition()
        self._request: Population | None = None
        self._taken = False
        self._cancel = threading.Event()
        self._closed = False

    def leave(self, population: Population) -> bool:
        """Leaves a request; says no while another is not finished, or after closing."""
        with self._changed:
            if self._request is not None or self._closed:
                return False
            self._request, self._taken, self._cancel = population, False, threading.Event()
            self._changed.notify_all()
            return True

    def cancel(self) -> bool:
        """Asks the request's work to stop; says no when there is none."""
        with self._changed:
            if self._request is None:
                return False
            self._cancel.set()
            return True

    def take(self) -> tuple[Population, threading.Event] | None:
        """Waits for a request and returns it with its stop event; nothing after closing."""
        with self._changed:
            while not self._closed and (self._request is None or self._taken):
                # Woken now and then, because a signal handler must not take this lock.
                self._changed.wait(timeout=0.2)
            if self._closed:
                return None
            self._taken = True
            return self._request, self._cancel

    def finish(self) -> None:
        """The request that was taken is done with."""
        with self._changed:
            self._request = None

    @property
    def is_closed(self) -> bool:
        """Says whether no more work will be taken."""
        return self._closed

    @property
    def is_occupied(self) -> bool:
        """Says whether a request was left that nobody has finished."""
        return self._request is not None

    def close(self) -> None:
        """Stops the work at hand and takes no more; safe in a signal handler."""
        self._closed = True
        self._cancel.set()
