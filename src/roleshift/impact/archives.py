"""Bringing an O*NET archive from a URL, with limits, to a file that goes away again.

Only https is read (http from this machine itself), also after a redirect; size, the time without an
answer and the time in all are limited.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin, urlsplit

import requests

from roleshift.errors import RoleShiftError

LARGEST = 300 * 2**20  # bytes; official archives have about 15 MB
TIMEOUT = 60.0  # seconds without an answer
WHOLE = 1800.0  # seconds in all
REDIRECTS = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@contextmanager
def brought(path_or_url: str) -> Iterator[Path]:
    """The file itself, or a downloaded copy under its own name (the release stands in it)."""
    parts = urlsplit(path_or_url)
    if parts.scheme not in ("http", "https"):
        yield Path(path_or_url).expanduser()
        return
    with TemporaryDirectory() as folder:
        name = Path(parts.path).name
        target = Path(folder) / (name if name.endswith(".zip") else "archive.zip")
        try:
            _download(path_or_url, target)
        except requests.RequestException as error:
            raise RoleShiftError(f"{path_or_url}: cannot be downloaded ({error}); give a file instead") from None
        yield target


def _download(url: str, target: Path) -> None:
    begun = time.monotonic()
    with requests.Session() as session:
        answer = _answer(session, url)
        with answer, target.open("wb") as out:
            answer.raise_for_status()
            size = 0
            for part in answer.iter_content(2**16):
                size += len(part)
                if size > LARGEST:
                    raise RoleShiftError(f"{url}: larger than {LARGEST:,} bytes; this is no official archive")
                if time.monotonic() - begun > WHOLE:
                    raise RoleShiftError(f"{url}: not complete after {WHOLE:g} s; download it and give the file")
                out.write(part)


def _answer(session: requests.Session, url: str) -> requests.Response:
    """The answer at the end of the redirects; every address on the way is checked."""
    place = url
    for _ in range(REDIRECTS + 1):
        parts = urlsplit(place)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            led = "" if place == url else f" leads to {place};"
            raise RoleShiftError(f"{url}:{led} only https addresses are read")
        answer = session.get(place, stream=True, timeout=TIMEOUT, allow_redirects=False)
        if not answer.is_redirect:
            return answer
        answer.close()
        place = urljoin(place, answer.headers["location"])
    raise RoleShiftError(f"{url}: more than {REDIRECTS} redirects; give the final address or a file")
