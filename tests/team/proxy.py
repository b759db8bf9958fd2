"""A proxy before the MLflow server that fails as networks and servers do: errors, silence, refusal."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Faults:
    """What the proxy does: pass on, answer 503, or keep silent; after `healthy` more requests that it passes on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.fault = ""
        self.healthy = 0
        self.recovers_after = 10**9
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def break_after(self, healthy: int, fault: str, recovers_after: int = 10**9) -> None:
        """Let `healthy` requests through, then fail, `recovers_after` times at most."""
        with self._lock:
            self.fault, self.healthy, self.recovers_after, self.requests = fault, healthy, recovers_after, []

    def next_fault(self, request: str) -> str:
        with self._lock:
            self.requests.append(request)
            self.healthy -= 1
            if not self.fault or self.healthy >= 0 or self.recovers_after <= 0:
                return ""
            self.recovers_after -= 1
            return self.fault


@contextmanager
def failing_proxy(server: str, silence: float) -> Iterator[Faults]:
    """A proxy before `server`; a silent answer takes `silence` seconds."""
    target = urlsplit(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faults.next_fault(f"{self.command} {urlsplit(self.path).path}")
            if fault == "silent":
                time.sleep(silence)
                self.close_connection = True
                return
            if fault == "error":
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            content = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    faults = Faults(f"http://127.0.0.1:{proxy.server_address[1]}")
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
