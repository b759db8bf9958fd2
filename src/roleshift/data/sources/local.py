"""Sources on this machine: a user's file or folder, and Python's own standard library."""

import json
import sys
import sysconfig
from pathlib import Path

from roleshift.data.sources.store import DownloadStore, Fetched
from roleshift.errors import RoleShiftError
from roleshift.feedback.store import FeedbackStore
from roleshift.files import list_files
from roleshift.project import Project

STDLIB_FILE = "stdlib.jsonl"
CORRECTIONS, DELETED = "corrections.jsonl", "deleted.json"
_NOT_DOCUMENTED_CODE = {
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "site-packages",
    "dist-packages",
    "ensurepip",
}
_LEFT_BY_TOOLS = {".git", ".dvc", "__pycache__", ".ipynb_checkpoints"}


def fetch_file(path: Path, declared: str, store: DownloadStore) -> Fetched:
    """A local file, or a folder as it is; read anew each time, so that an edit is seen."""
    if path.is_file():
        return Fetched((store.add(path, path.name),), "local")
    if not path.is_dir():
        raise RoleShiftError(f"{path}: no such file or folder; correct the source's path {declared!r} in params.yaml")
    files = [(file, file.relative_to(path)) for file in list_files(path)]
    kept = [(file, inner.as_posix()) for file, inner in files if not _LEFT_BY_TOOLS & set(inner.parts)]
    if not kept:
        raise RoleShiftError(f"{path}: the folder is empty; correct the source's path {declared!r} in params.yaml")
    return Fetched(tuple(store.add(file, name) for file, name in kept), "local")


def fetch_corrections(project: Project, declared: str, store: DownloadStore) -> Fetched:
    """Exported corrections, and DELETED: which of their texts people have since had deleted."""
    path = project.source_path(declared)
    if not path.is_file():
        raise RoleShiftError(f"{path}: no such file; run `roleshift feedback export` or correct the source's path")
    deleted: list[str] = []
    if (feedback := FeedbackStore.existing(project)) is not None:
        with feedback:
            deleted = sorted(feedback.deleted())
    held = path.read_text(encoding="utf-8")
    with store.scratch() as scratch:
        target = scratch / DELETED
        target.write_text(json.dumps([text_id for text_id in deleted if text_id in held]), encoding="utf-8")
        return Fetched((store.add(path, CORRECTIONS), store.add(target, DELETED, move=True)), "local")


def fetch_stdlib(store: DownloadStore) -> Fetched:
    """The `.py` files of the running Python's standard library as one JSONL of path and text."""
    with store.scratch() as scratch:
        target = scratch / STDLIB_FILE
        target.write_text(stdlib_jsonl(Path(sysconfig.get_path("stdlib"))), encoding="utf-8")
        file = store.add(target, STDLIB_FILE, move=True)
    return Fetched((file,), f"Python {'.'.join(str(part) for part in sys.version_info[:3])}")


def stdlib_jsonl(folder: Path) -> str:
    """One line per module, by path; without tests, installed packages and build settings of this machine."""
    lines = []
    for path in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).as_posix()):
        inner = path.relative_to(folder)
        if (
            _NOT_DOCUMENTED_CODE & set(inner.parts)
            or inner.name.startswith("_sysconfigdata")
            or "config-" in inner.parts[0]
        ):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a handful of modules in old encodings
        lines.append(json.dumps({"path": inner.as_posix(), "text": text}, ensure_ascii=False) + "\n")
    if not lines:
        raise RoleShiftError(f"{folder}: this Python has no library sources; use another Python or remove the source")
    return "".join(lines)
