"""Bringing an O*NET archive from a URL: https only, with a limit of size, to a file that goes away again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import requests

from roleshift.errors import RoleShiftError

LARGEST = 300 * 2**20  # bytes; official archives have about 15 MB
TIMEOUT = 60  # seconds without an answer


@contextmanager
def brought(path_or_url: str) -> Iterator[Path]:
    """The file itself, or a downloaded copy under its own name (the release stands in it)."""
    parts = urlsplit(path_or_url)
    if parts.scheme not in ("http", "https"):
        yield Path(path_or_url).expanduser()
        return
    if parts.scheme == "http":
        raise RoleShiftError(f"{path_or_url}: only https addresses are read")
    with TemporaryDirectory() as folder:
        target = Path(folder) / (Path(parts.path).name or "archive.zip")
        try:
            with requests.get(path_or_url, stream=True, timeout=TIMEOUT) as answer, target.open("wb") as out:
                answer.raise_for_status()
                size = 0
                for part in answer.iter_content(2**20):
                    size += len(part)
                    if size > LARGEST:
                        raise RoleShiftError(f"{path_or_url}: larger than {LARGEST // 2**20} MB; this is no archive")
                    out.write(part)
        except requests.RequestException as error:
            raise RoleShiftError(f"{path_or_url}: cannot be downloaded ({error}); give a file instead") from None
        yield target
