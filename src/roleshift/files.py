"""Hashes and atomic writes: a file is there as a whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from roleshift.errors import RoleShiftError


def sha256_file(path: Path) -> str:
    """The hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The hex sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hash_json(value: Any) -> str:
    """The hex sha256 of a JSON value; the order of keys does not matter."""
    return sha256_text(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def hash_tree(path: Path) -> str:
    """The hex sha256 of a file, or of a folder's file names and contents (links followed)."""
    if path.is_file():
        return sha256_file(path)
    return hash_json({str(p.relative_to(path)): sha256_file(p) for p in list_files(path)})


def list_files(folder: Path) -> list[Path]:
    """Every file below a folder, sorted, without Python's bytecode."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it takes the place of `path` on success.

    On an error the sibling is removed and `path` is as before. Works for files and for folders.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        yield temporary
        if path.is_dir() and not path.is_symlink():
            old = path.with_name(f".{path.name}.{uuid4().hex}.old")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys and two spaces, atomically; NaN is an error."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or malformed file is a one-line error that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RoleShiftError(f"{path}: no such file; run `make repro` to produce it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RoleShiftError(f"{path}: not valid JSON ({error})") from None


def link_or_copy(source: Path, target: Path) -> None:
    """Bring a file or folder to `target` by hard links where the file system can, else by copies."""

    def bring(a: str, b: str) -> None:
        try:
            os.link(a, b)
        except OSError:
            shutil.copy2(a, b)

    if source.is_dir():
        shutil.copytree(source, target, copy_function=bring)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        bring(str(source), str(target))
