"""A tiny FHIR server for tests: it stores transactions and misbehaves on demand."""

import contextlib
import http.server
import json
import threading


class FhirDouble:
    """`script` holds what to do with the next requests; when it is empty, all goes well.

    An item is a status, a (status, headers) pair, or "cut" to close without an answer.
    """

    def __init__(self, script=()):
        self.script = list(script)
        self.stored = {}
        self.versions = 0
        self.bundles = []
        self.refuse_when = lambda bundle: None
        self.lock = threading.Lock()
        self.in_flight = self.most_in_flight = 0
        self.url = ""

    def answer(self, body):
        bundle = json.loads(body)
        with self.lock:
            step = self.script.pop(0) if self.script else None
            if step is not None:
                return step
            refused = self.refuse_when(bundle)
            if refused is not None:
                return refused
            self.bundles.append(bundle)
            return 200, {}, {"resourceType": "Bundle", "type": "transaction-response", "entry": [self._put(e) for e in bundle["entry"]]}

    def _put(self, entry):
        url, resource = entry["request"]["url"], entry["resource"]
        code = "SUCCESSFUL_UPDATE_NO_CHANGE"
        status = "200 OK"
        if self.stored.get(url) != resource:
            created = url not in self.stored
            status = "201 Created" if created else "200 OK"
            code = "SUCCESSFUL_UPDATE_AS_CREATE" if created else "SUCCESSFUL_UPDATE"
            self.stored[url] = resource
            self.versions += 1
        detail = {"details": {"coding": [{"code": code}]}}
        return {"response": {"status": status, "outcome": {"issue": [detail]}}}


@contextlib.contextmanager
def running(double):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with double.lock:
                double.in_flight += 1
                double.most_in_flight = max(double.most_in_flight, double.in_flight)
            answer = double.answer(body)
            with double.lock:
                double.in_flight -= 1
            if answer == "cut":
                self.close_connection = True
                return
            status, headers, content = (answer, {}, None) if isinstance(answer, int) else (*answer, None)[:3]
            sent = json.dumps(content or {}).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}/fhir"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
