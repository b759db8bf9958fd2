"""The download store: every file by the sha256 of its content, so that nothing partial is ever accepted.

`<folder>/<sha256>/<name>` holds a file; `<folder>/index/<sha256 of a key>.json` says which files a
declared source gave. A file is written under a temporary name, hashed, and renamed; it is hashed
again whenever it is read, so that a file changed behind the store's back counts as absent.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, read_json, replacing, sha256_file, write_json


@dataclass(frozen=True)
class StoredFile:
    """One file of a source: its path inside the source's folder, its content hash, where it lies."""

    name: str
    sha256: str
    path: Path


@dataclass(frozen=True)
class Fetched:
    """What a source gave: its files, and the revision that was really read."""

    files: tuple[StoredFile, ...]
    revision: str


class DownloadStore:
    """Files by content, and which of them belong to a declared source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, sha256: str, name: str) -> Path | None:
        """The stored file, if it is there with the content that it had."""
        path = self.folder / sha256 / Path(name).name
        return path if path.is_file() and sha256_file(path) == sha256 else None

    def add(self, path: Path, name: str, *, move: bool = False) -> StoredFile:
        """Bring a complete file into the store; a local file is copied, never linked.

        A hard link to a user's own file would let a later edit of it change what is stored.
        """
        sha256 = sha256_file(path)
        known = self.find(sha256, name)
        if known is None:
            known = self.folder / sha256 / Path(name).name
            with replacing(known) as temporary:
                if move:
                    path.rename(temporary)
                else:
                    shutil.copyfile(path, temporary)
                    if sha256_file(temporary) != sha256:
                        raise RoleShiftError(f"{path}: changed while it was copied; run it again")
        return StoredFile(name, sha256, known)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the store's own disk for what is unfinished; removed in any case."""
        folder = self.folder / f"partial-{uuid4().hex}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove_partial(self) -> None:
        """Remove what a killed run left; only one fetch works at a time, by the stage's lock."""
        for folder in self.folder.glob("partial-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def recall(self, key: Any) -> Fetched | None:
        """What the source declared by `key` gave, if every file of it is there and unchanged."""
        entry = self._entry(key)
        if not entry.is_file():
            return None
        try:
            record = read_json(entry)
        except RoleShiftError:
            return None
        files = []
        for file in record["files"]:
            path = self.find(file["sha256"], file["name"])
            if path is None:
                return None
            files.append(StoredFile(file["name"], file["sha256"], path))
        return Fetched(tuple(files), record["revision"])

    def remember(self, key: Any, files: list[StoredFile], revision: str) -> Fetched:
        """Note which files the source declared by `key` gave; the last step of a fetch."""
        ordered = sorted(files, key=lambda file: file.name)
        listed = [{"name": file.name, "sha256": file.sha256} for file in ordered]
        write_json(self._entry(key), {"key": key, "files": listed, "revision": revision})
        return Fetched(tuple(ordered), revision)

    def _entry(self, key: Any) -> Path:
        return self.folder / "index" / f"{hash_json(key)}.json"
