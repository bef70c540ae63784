"""Serves the endpoints on a thread of its own, which never keeps the process alive."""

import collections.abc
import contextlib
import threading

import flask
from werkzeug.serving import WSGIRequestHandler, make_server


class _SilentHandler(WSGIRequestHandler):
    def log_request(self, code="-", size="-"):
        """Says nothing: probes come every few seconds."""


@contextlib.contextmanager
def listening(app: flask.Flask, host: str, port: int) -> collections.abc.Iterator[int]:
    """Serves until the block ends; gives the port, which is chosen when 0 was asked for."""
    server = make_server(host, port, app, threaded=True, request_handler=_SilentHandler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
