"""Posts transactions to a FHIR server and tries again where that can help.

Puts under fixed ids make a repeated transaction harmless, so a lost answer is simply
asked for again. What the server says in an error is never passed on: it may quote
identifiers.
"""

import email.utils
import http.client
import json
import random
import re
import ssl
import threading
import time
import urllib.parse

_LONGEST_WAIT_SECONDS = 30.0
_RETRIED = {408, 409, 429, 500, 502, 503, 504}


class Refused(Exception):
    """The server understood and will not store this; the same call will fail again."""

    def __init__(self, status: int, code: str | None = None):
        super().__init__(f"status {status}" + (f", {code}" if code else ""))
        self.status = status


class Unavailable(Exception):
    """No usable answer after the last attempt; a later run may succeed."""


class FhirClient:
    """A client with one connection per thread.

    `attempts` is how often one transaction is sent at most; waits start at
    `first_wait_seconds`, double each time and are drawn at random up to that. Once `stop`
    is set there are no more waits: what has failed stays failed.
    """

    def __init__(
        self,
        base_url: str,
        attempts: int = 8,
        timeout_seconds: float = 120,
        first_wait_seconds: float = 0.2,
        stop: threading.Event | None = None,
    ):
        self._stop = stop or threading.Event()
        self.base_url = base_url.rstrip("/")
        parts = urllib.parse.urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("the FHIR address must be an http or https URL without a query")
        self._parts = parts
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._first_wait_seconds = first_wait_seconds
        self._local = threading.local()
        self._lock = threading.Lock()
        self._retries = 0

    @property
    def retries(self) -> int:
        """How often something was sent again so far."""
        return self._retries

    def transact(self, body: bytes, entries: int) -> list[str]:
        """Posts a transaction and returns for each entry created, updated or unchanged.

        Raises Refused or Unavailable.
        """
        problem = "no attempt was made"
        for attempt in range(self._attempts):
            if attempt:
                with self._lock:
                    self._retries += 1
            try:
                status, retry_after, answer = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                self._drop_connection()
                problem, retry_after = f"connection failed ({type(error).__name__})", None
            else:
                if status in (200, 201):
                    return _outcomes(answer, entries)
                if status not in _RETRIED:
                    raise Refused(status, _error_code(answer))
                problem = f"status {status}"
            if attempt + 1 < self._attempts and self._stop.wait(self._wait_seconds(attempt, retry_after)):
                raise Unavailable(f"{problem}; stopped after attempt {attempt + 1}")
        raise Unavailable(f"{problem} at attempt {self._attempts}")

    def _post(self, body: bytes) -> tuple[int, str | None, bytes]:
        connection = self._connection()
        headers = {
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json",
            "Prefer": "return=minimal",
        }
        connection.request("POST", self._parts.path or "/", body, headers)
        response = connection.getresponse()
        answer = response.read()
        return response.status, response.getheader("Retry-After"), answer

    def _connection(self) -> http.client.HTTPConnection:
        if getattr(self._local, "connection", None) is None:
            host, port = self._parts.hostname, self._parts.port
            if self._parts.scheme == "https":
                context = ssl.create_default_context()
                made = http.client.HTTPSConnection(host, port, timeout=self._timeout_seconds, context=context)
            else:
                made = http.client.HTTPConnection(host, port, timeout=self._timeout_seconds)
            self._local.connection = made
        return self._local.connection

    def _drop_connection(self) -> None:
        self._local.connection.close()
        self._local.connection = None

    def _wait_seconds(self, attempt: int, retry_after: str | None) -> float:
        asked = _retry_after_seconds(retry_after)
        drawn = random.uniform(0, min(self._first_wait_seconds * 2**attempt, _LONGEST_WAIT_SECONDS))
        return min(asked + drawn, _LONGEST_WAIT_SECONDS)


def _outcomes(answer: bytes, entries: int) -> list[str]:
    try:
        answered = json.loads(answer)["entry"] if entries else []
        outcomes = [_outcome(entry["response"]) for entry in answered]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unavailable("the answer is no transaction response") from error
    if len(outcomes) != entries:
        raise Unavailable("the answer does not speak of every entry")
    return outcomes


def _outcome(response: dict) -> str:
    status = response["status"][:3]
    if status == "201":
        return "created"
    if status != "200":
        raise ValueError("an entry was not stored")
    unchanged = "SUCCESSFUL_UPDATE_NO_CHANGE" in json.dumps(response.get("outcome", {}))
    return "unchanged" if unchanged else "updated"


def _error_code(answer: bytes) -> str | None:
    found = re.search(rb"HAPI-[0-9]{4}", answer)
    return found[0].decode() if found else None


def _retry_after_seconds(text: str | None) -> float:
    if not text:
        return 0.0
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
