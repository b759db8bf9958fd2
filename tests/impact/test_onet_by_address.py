"""An O*NET archive from an address: a loopback server that behaves well, and one that does not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_official_sources import KNOWN, PLAIN, archive

from roleshift.errors import RoleShiftError
from roleshift.impact import archives
from roleshift.impact.archives import brought
from roleshift.impact.onet import import_archive

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server on this machine that answers every request by `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:  # the client went away
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def sending(content: bytes, declared: int | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if declared is None else declared))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirecting(to: str, then: Answer | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if then and handler.path.startswith("/there"):
            then(handler)
            return
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def fetch(address: str) -> bytes:
    with brought(address) as path:
        return path.read_bytes()


def test_an_archive_is_imported_from_its_address_also_after_a_redirect(tmp_path: Path) -> None:
    content = archive(tmp_path / "a.zip", PLAIN).read_bytes()
    with serving(redirecting("/there/db_29_3_text.zip", sending(content))) as address:
        with brought(f"{address}/db_29_3_text.zip") as path:
            coverage = import_archive(path, tmp_path / "onet", KNOWN)
        assert not path.exists()
    assert coverage.release == "29.3"
    assert (tmp_path / "onet/coverage.json").is_file()


def test_only_https_is_read_also_where_a_redirect_leads() -> None:
    with pytest.raises(RoleShiftError, match="only https"):
        fetch("http://example.org/db_30_2_text.zip")
    for elsewhere in ("http://example.org/x.zip", "file:///etc/passwd", "ftp://example.org/x.zip"):
        with serving(redirecting(elsewhere)) as address, pytest.raises(RoleShiftError, match="leads to .*only https"):
            fetch(f"{address}/db.zip")
    with serving(redirecting("/again")) as address, pytest.raises(RoleShiftError, match="more than 5 redirects"):
        fetch(f"{address}/db.zip")


def test_too_much_is_refused_before_it_is_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST", 100_000)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(bytes(65536))

    with serving(endless) as address, pytest.raises(RoleShiftError, match="larger than 100,000 bytes"):
        fetch(f"{address}/db.zip")


def test_silence_and_dripping_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        done.wait(10)

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(bytes(70_000))
            time.sleep(0.01)

    monkeypatch.setattr(archives, "TIMEOUT", 0.2)
    with serving(silent) as address, pytest.raises(RoleShiftError, match="cannot be downloaded"):
        fetch(f"{address}/db.zip")
    done.set()
    monkeypatch.setattr(archives, "TIMEOUT", 60.0)
    monkeypatch.setattr(archives, "WHOLE", 0.05)
    with serving(dripping) as address, pytest.raises(RoleShiftError, match="not complete after"):
        fetch(f"{address}/db.zip")


def test_a_broken_answer_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    content = archive(tmp_path / "a.zip", PLAIN).read_bytes()
    with serving(sending(content[:100], len(content))) as address, pytest.raises(RoleShiftError) as cut:
        fetch(f"{address}/db.zip")
    assert "cannot be downloaded" in str(cut.value)

    def missing(handler: BaseHTTPRequestHandler) -> None:
        handler.send_error(404)

    with serving(missing) as address, pytest.raises(RoleShiftError, match="404"):
        fetch(f"{address}/db.zip")
    page = sending(b"<html>please sign in</html>")
    with serving(page) as address, brought(f"{address}/db.zip") as path, pytest.raises(RoleShiftError, match="zip"):
        import_archive(path, tmp_path / "onet", KNOWN)
    assert not (tmp_path / "onet").exists()
