"""Find and download one file of the package index without running anything of it.

`pip download` of a source archive runs the archive's own build code to learn its metadata; pip has
no option that leaves this out. So a source archive is looked up in the index's pages (PEP 503,
PEP 691) at the places that pip is configured for: index-url, extra-index-url, find-links, with its
proxy, certificate and timeout. The hash in params.yaml decides what is accepted.
"""

import ast
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from roleshift.data.sources.network import NetworkError
from roleshift.errors import RoleShiftError

if TYPE_CHECKING:
    import requests

DEFAULT_INDEX = "https://pypi.org/simple"
_ACCEPT = "application/vnd.pypi.simple.v1+html, application/vnd.pypi.simple.v1+json;q=0.9, text/html;q=0.8"
_TRANSIENT = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class PipSettings:
    """What pip is configured for: config files, overridden by environment variables."""

    indexes: tuple[str, ...] = (DEFAULT_INDEX,)
    find_links: tuple[str, ...] = ()
    proxy: str | None = None
    certificate: str | None = None
    timeout: float = 15.0
    trusted_hosts: frozenset[str] = field(default_factory=frozenset)


def pip_settings() -> PipSettings:
    """Ask `pip config list`, so that every file and variable pip reads counts here too."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RoleShiftError(
            f"`pip config list` fails ({result.stderr.strip().splitlines()[-1:]}); mend pip's configuration"
        )
    return parse_pip_settings(result.stdout)


def parse_pip_settings(listing: str) -> PipSettings:
    """Settings from lines such as `global.index-url='https://…'`; `:env:` stands above `download`, then `global`."""
    values: dict[str, str] = {}
    for section in ("global", "download", ":env:"):
        for line in listing.splitlines():
            name, separator, value = line.partition("=")
            if separator and name.startswith(f"{section}."):
                values[name.removeprefix(f"{section}.").lstrip(".").replace("_", "-")] = str(ast.literal_eval(value))
    indexes = [] if values.get("no-index", "0").lower() in ("1", "true", "yes", "on") else [
        values.get("index-url", DEFAULT_INDEX), *values.get("extra-index-url", "").split()
    ]  # fmt: skip
    return PipSettings(
        tuple(index.rstrip("/") for index in indexes),
        tuple(values.get("find-links", "").split()),
        values.get("proxy") or None,
        values.get("cert") or None,
        float(values.get("default-timeout", values.get("timeout", 15))),
        frozenset(values.get("trusted-host", "").split()),
    )


def download_source_archive(name: str, version: str, folder: Path, settings: PipSettings, sha256: str) -> Path:
    """The archive `<name>-<version>.tar.gz` (or .zip), into `folder`; its hash is checked by the caller."""
    session = _session(settings)
    wanted = _file_names(name, version)
    failures: list[NetworkError] = []
    found: list[str] = []
    for page in [*settings.find_links, *(f"{index}/{normalise(name)}/" for index in settings.indexes)]:
        try:
            found += [url for url in _links(page, session, settings) if _file_name(url) in wanted]
        except NetworkError as error:
            failures.append(error)
    if not found:
        if failures:
            raise failures[0]
        raise RoleShiftError(
            f"{name}=={version}: no source archive at {', '.join(settings.indexes + settings.find_links)}"
        )
    url = min(found, key=lambda link: (f"sha256={sha256}" not in link, found.index(link)))
    target = folder / _file_name(url)
    _download(urldefrag(url).url, target, session, settings)
    return target


def normalise(name: str) -> str:
    """A project's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _file_names(name: str, version: str) -> set[str]:
    names = {name, normalise(name), normalise(name).replace("-", "_"), name.replace("-", "_")}
    return {f"{n}-{version}{ending}" for n in names for ending in (".tar.gz", ".zip", ".tar.bz2")}


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def _session(settings: PipSettings) -> "requests.Session":
    import requests

    session = requests.Session()
    if settings.proxy:
        session.proxies = {"http": settings.proxy, "https": settings.proxy}
    # An explicit value beats the environment variables that requests reads by itself.
    if settings.certificate:
        session.verify = settings.certificate
    return session


def _links(page: str, session: "requests.Session", settings: PipSettings) -> list[str]:
    local = _local_path(page)
    if local is not None:
        if local.is_dir() and not (local / "index.html").is_file():
            return [path.as_uri() for path in sorted(local.iterdir()) if path.is_file()]
        file = local / "index.html" if local.is_dir() else local
        return _html_links(file.read_text(encoding="utf-8"), file.as_uri()) if file.is_file() else []
    response = _get(page, session, settings)
    if response is None:
        return []
    if "json" in response.headers.get("content-type", ""):
        return [_json_link(entry, response.url) for entry in response.json()["files"]]
    return _html_links(response.text, response.url)


def _local_path(location: str) -> Path | None:
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme in ("http", "https") else Path(location).expanduser().absolute()


def _json_link(entry: dict[str, object], base: str) -> str:
    hashes = entry.get("hashes")
    digest = hashes.get("sha256", "") if isinstance(hashes, dict) else ""
    return f"{urljoin(base, str(entry['url']))}#sha256={digest}"


def _html_links(text: str, base: str) -> list[str]:
    parser = _Anchors()
    parser.feed(text)
    return [urljoin(base, link) for link in parser.links]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _get(
    url: str, session: "requests.Session", settings: PipSettings, *, stream: bool = False
) -> "requests.Response | None":
    import requests

    verify = False if (urlsplit(url).hostname or "") in settings.trusted_hosts else settings.certificate
    try:
        response = session.get(
            url,
            timeout=settings.timeout,
            headers={"Accept": _ACCEPT} if not stream else {},
            stream=stream,
            verify=verify,
        )
    except requests.RequestException as error:
        raise NetworkError(f"{urlsplit(url).hostname} cannot be reached ({type(error).__name__})") from None
    if response.status_code in _TRANSIENT:
        raise NetworkError(f"{urlsplit(url).hostname} answers {response.status_code}")
    return response if response.ok else None


def _download(url: str, target: Path, session: "requests.Session", settings: PipSettings) -> None:
    import requests

    local = _local_path(url)
    if local is not None:
        target.write_bytes(local.read_bytes())
        return
    response = _get(url, session, settings, stream=True)
    if response is None:
        raise RoleShiftError(f"{target.name}: the index names it, but it cannot be downloaded")
    try:
        with target.open("wb") as sink:
            for chunk in response.iter_content(2**20):
                sink.write(chunk)
    except (requests.RequestException, OSError) as error:
        raise NetworkError(f"{target.name}: the download broke off ({type(error).__name__})") from None
    expected = response.headers.get("content-length")
    if expected is not None and "content-encoding" not in response.headers and target.stat().st_size != int(expected):
        raise NetworkError(f"{target.name}: the download broke off at {target.stat().st_size} of {expected} bytes")
