"""What no run needs any more: unfinished stage folders and leftovers of killed writes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from roleshift.project import Project

LEFTOVER_PATTERNS = (".*.tmp", ".*.old")


@dataclass(frozen=True)
class Removed:
    """A removed file or folder and its size in bytes."""

    path: Path
    size: int


def size_of(path: Path) -> int:
    """Bytes in a file or folder; hard links count."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.lstat().st_size for p in path.rglob("*") if p.is_file())


def removable(project: Project, *, downloads: bool = False, generations: bool = False) -> list[Path]:
    """Stage folders and leftovers; downloads and generated answers only when asked."""
    kept = {project.downloads, project.converted}
    paths = [p for p in sorted(project.work.glob("*")) if p.is_dir() and p not in kept]
    for folder in ("data", "models", "evidence", "metrics", "plots", "timings"):
        for pattern in LEFTOVER_PATTERNS:
            paths += sorted((project.root / folder).rglob(pattern))
    if downloads:
        paths += [p for p in (project.downloads, project.converted) if p.exists()]
    if generations:
        paths += sorted(project.generations.parent.glob(project.generations.name + "*"))
    return paths


def clean(project: Project, *, downloads: bool = False, generations: bool = False) -> list[Removed]:
    """Remove what `removable` lists; returns it with sizes."""
    removed = []
    for path in removable(project, downloads=downloads, generations=generations):
        removed.append(Removed(path, size_of(path)))
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return removed
