import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from roleshift.data.sources import network
from roleshift.data.sources.package_index import PipSettings, download_source_archive, parse_pip_settings
from roleshift.data.sources.pypi import fetch_pypi
from roleshift.data.sources.store import DownloadStore
from roleshift.errors import RoleShiftError
from roleshift.params import PypiSource

Point = Callable[[Path], None]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel_source(digest: str, members: tuple[str, ...] = ("corpus_demo/*.txt",)) -> PypiSource:
    return PypiSource(kind="pypi", requirement="corpus-demo==1.0", sha256=digest, members=members, licence="MIT")


def test_a_wheel_is_downloaded_once_and_then_needs_no_index(
    tmp_path: Path, make_wheel: Callable[..., Path], only_local_index: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path / "index", {"corpus_demo/a.txt": b"text"})
    only_local_index(wheel.parent)
    source = wheel_source(sha256(wheel))
    store = DownloadStore(tmp_path / "store")
    fetched = fetch_pypi(source, store)
    assert [(f.name, f.path.read_bytes()) for f in fetched.files] == [("a.txt", b"text")]
    assert fetched.revision == "1.0"
    assert (tmp_path / "store" / source.sha256 / wheel.name).is_file()
    wheel.unlink()
    monkeypatch.setenv("ROLESHIFT_OFFLINE", "1")
    assert fetch_pypi(source, store) == fetched
    # other members come out of the stored archive
    assert (
        fetch_pypi(wheel_source(source.sha256, ("corpus_demo-1.0.dist-info/METADATA",)), store).files[0].name
        == "METADATA"
    )


def test_a_wheel_with_another_hash_is_refused_and_not_kept(
    tmp_path: Path, make_wheel: Callable[..., Path], only_local_index: Point
) -> None:
    wheel = make_wheel(tmp_path / "index", {"corpus_demo/a.txt": b"text"})
    only_local_index(wheel.parent)
    with pytest.raises(RoleShiftError, match=f"sha256 is {sha256(wheel)}, params.yaml says 0000"):
        fetch_pypi(wheel_source("0" * 64), DownloadStore(tmp_path / "store"))
    assert not [p for p in (tmp_path / "store").rglob("*") if p.is_file()]


def test_a_missing_version_is_one_line(tmp_path: Path, only_local_index: Point) -> None:
    only_local_index(tmp_path)
    with pytest.raises(RoleShiftError) as caught:
        fetch_pypi(wheel_source("0" * 64), DownloadStore(tmp_path / "store"))
    assert "corpus-demo==1.0" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_offline_says_how_to_get_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLESHIFT_OFFLINE", "1")
    with pytest.raises(RoleShiftError, match="ROLESHIFT_OFFLINE is set; run `make repro` once with a network"):
        fetch_pypi(wheel_source("0" * 64), DownloadStore(tmp_path / "store"))


def test_a_source_archive_is_read_and_never_built(
    tmp_path: Path, make_sdist: Callable[..., Path], only_local_index: Point
) -> None:
    trap = tmp_path / "trap"
    archive = make_sdist(tmp_path / "index", {"data/a.txt": b"text"}, trap)
    only_local_index(archive.parent)
    source = PypiSource(
        kind="pypi", requirement="Corpus_Demo==1.0", format="sdist", sha256=sha256(archive),
        members=("*/data/a.txt",), licence="MIT",
    )  # fmt: skip
    assert fetch_pypi(source, DownloadStore(tmp_path / "store")).files[0].path.read_bytes() == b"text"
    assert not trap.exists()


def test_a_source_archive_with_another_hash_is_refused(
    tmp_path: Path, make_sdist: Callable[..., Path], only_local_index: Point
) -> None:
    archive = make_sdist(tmp_path / "index", {"a.txt": b"text"}, tmp_path / "trap")
    only_local_index(archive.parent)
    source = PypiSource(
        kind="pypi",
        requirement="corpus-demo==1.0",
        format="sdist",
        sha256="0" * 64,
        members=("*/a.txt",),
        licence="MIT",
    )
    with pytest.raises(RoleShiftError, match="nothing of it was kept"):
        fetch_pypi(source, DownloadStore(tmp_path / "store"))
    assert not [p for p in (tmp_path / "store").rglob("*") if p.is_file()]


class Index:
    """A package index on this machine whose answers a test decides."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive
        self.answers = ["whole"]
        self.pages = "html"
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                how = index.answers.pop(0) if len(index.answers) > 1 else index.answers[0]
                if how == "busy":
                    self.send_error(503)
                elif self.path.endswith(".tar.gz"):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(index.archive)))
                    self.end_headers()
                    self.wfile.write(index.archive[: 10 if how == "cut" else None])
                elif self.path == "/simple/corpus-demo/":
                    self.send_response(200)
                    kind = "text/html" if index.pages == "html" else "application/vnd.pypi.simple.v1+json"
                    self.send_header("Content-Type", kind)
                    self.end_headers()
                    link = "../../files/corpus_demo-1.0.tar.gz"
                    page = (
                        f'<a href="{link}#sha256=00">x</a>'
                        if index.pages == "html"
                        else json.dumps({"files": [{"url": link}]})
                    )
                    self.wfile.write(page.encode())
                else:
                    self.send_error(404)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.settings = PipSettings(indexes=(f"http://127.0.0.1:{self.server.server_port}/simple",))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Index(b"archive" * 1000)
    yield served
    served.server.shutdown()


@pytest.mark.parametrize("pages", ["html", "json"])
def test_index_pages_in_both_forms_lead_to_the_file(tmp_path: Path, index: Index, pages: str) -> None:
    index.pages = pages
    path = download_source_archive("Corpus.Demo", "1.0", tmp_path, index.settings, "00")
    assert path.read_bytes() == index.archive


def test_a_busy_index_and_a_broken_download_are_tried_again(tmp_path: Path, index: Index) -> None:
    index.answers = ["busy", "whole", "cut", "whole", "whole"]
    waits: list[float] = []
    path = network.with_retries(
        "demo",
        lambda: download_source_archive("corpus-demo", "1.0", tmp_path, index.settings, "00"),
        sleep=waits.append,
    )
    assert path.read_bytes() == index.archive
    assert waits == [1.0, 4.0]


def test_no_network_ends_in_one_line_after_the_last_attempt(tmp_path: Path, index: Index) -> None:
    index.answers = ["busy"]
    with pytest.raises(RoleShiftError, match="answers 503; check the network, proxy and mirror") as caught:
        network.with_retries(
            "demo",
            lambda: download_source_archive("corpus-demo", "1.0", tmp_path, index.settings, "00"),
            sleep=lambda seconds: None,
        )
    assert "\n" not in str(caught.value)


def test_pip_settings_follow_pips_own_precedence() -> None:
    settings = parse_pip_settings(
        "global.index-url='https://global.example/simple/'\n"
        "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'\n"
        "download.index-url='https://download.example/simple'\n"
        "install.index-url='https://install.example/simple'\n"
        "global.proxy='http://proxy:8080'\n"
        ":env:.index-url='https://env.example/simple/'\n"
        ":env:.default-timeout='60'\n"
    )
    assert settings.indexes == ("https://env.example/simple", "https://a.example/simple", "https://b.example/simple")
    assert settings.proxy == "http://proxy:8080"
    assert settings.timeout == 60
    assert parse_pip_settings(":env:.no-index='1'\n").indexes == ()
    assert parse_pip_settings("").indexes == ("https://pypi.org/simple",)
