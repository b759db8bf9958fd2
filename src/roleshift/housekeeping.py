"""What no run needs any more: unfinished stage folders, leftovers of killed writes, weights of retired versions."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roleshift.alerts import ALERT_KINDS, alert_file
from roleshift.databases import sqlite_path
from roleshift.files import sha256_file
from roleshift.params import load_params
from roleshift.project import RUN_MARKER, Project
from roleshift.stage import COMPLETE, is_running

if TYPE_CHECKING:
    from roleshift.registry.storage import Weights
    from roleshift.registry.tracking import Tracking

LEFTOVER_PATTERNS = (".*.tmp", ".*.old")


@dataclass(frozen=True)
class Removed:
    """A removed file or folder and the bytes that the disk gained."""

    path: Path
    size: int


@dataclass(frozen=True)
class Unneeded:
    """Something large that can go: a folder of this machine, or weights in the tracking store of a project.

    `size` is what the disk gains: a file of which another hard link stays counts nothing.
    """

    label: str
    reason: str
    size: int
    path: Path | None = None
    weights: "Weights | None" = None
    project: Project | None = None


def freed_by(path: Path) -> int:
    """Bytes that the disk gains when a file or folder goes."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file() and not file.is_symlink():
            stat = file.stat()
            sizes.setdefault((stat.st_dev, stat.st_ino), [stat.st_size, stat.st_nlink])[1] -= 1
    return sum(size for size, other_links in sizes.values() if other_links == 0)


def removable(project: Project, *, downloads: bool = False, generations: bool = False) -> list[Path]:
    """Folders of stages at which no process works, copies of versions, and leftovers.

    Downloads and generated answers only when asked; alerts stay.
    """
    kept = {project.downloads, project.converted, *(alert_file(project, kind).parent for kind in ALERT_KINDS)}
    folders = [path for path in sorted(project.work.glob("*")) if path.is_dir()]
    paths = [path for path in folders if path not in kept and not is_running(project, path.name)]
    paths += _leftovers(project)
    if downloads:
        paths += [p for p in (project.downloads, project.converted) if p.exists()]
    if generations:
        paths += sorted(project.generations.parent.glob(project.generations.name + "*"))
    return paths


def clean(project: Project, *, downloads: bool = False, generations: bool = False) -> list[Removed]:
    """Remove what `removable` lists; returns it with sizes."""
    removed = []
    for path in removable(project, downloads=downloads, generations=generations):
        removed.append(Removed(path, freed_by(path)))
        _remove(path)
    return removed


def unneeded_artifacts(project: Project) -> list[Unneeded]:
    """Variants, checkpoints and converted models that no version, alias or run needs, here and in every run.

    Kept are: what an unfinished stage goes on from, the outputs of each run, and what the registry
    needs (see `roleshift.registry.storage`).
    """
    found: list[Unneeded] = []
    for each in projects(project):
        found += [_folder(project, path, reason) for path, reason in _finished_work(each)]
        found += [_folder(project, path, "left by a killed write") for path in _leftovers(each)]
        found += [_folder(project, path, "base model of no run here") for path in _unused_bases(project, each)]
        found += _stored(each)
    # Projects may share a tracking store and the model's name in it.
    by_label = {entry.label: entry for entry in reversed(found) if entry.size}
    return list(reversed(by_label.values()))


def remove_artifacts(entries: list[Unneeded]) -> list[Unneeded]:
    """Remove what `unneeded_artifacts` listed, unless it came into use meanwhile; returns what went."""
    removed = []
    for entry in entries:
        if entry.path is not None:
            _remove(entry.path)
            removed.append(entry)
        elif entry.weights is not None and entry.project is not None:
            from roleshift.registry.storage import remove_weights

            name = load_params(entry.project.root / "params.yaml").registry.model_name
            tracking = _tracking(entry.project)
            if tracking is not None and remove_weights(tracking, name, [entry.weights]):
                removed.append(entry)
    return removed


def projects(project: Project) -> list[Project]:
    """The main checkout and every run below it."""
    runs = sorted(path.parent for path in (project.home / "runs").glob(f"*/{RUN_MARKER}"))
    return [Project(project.home, project.home), *(Project(root, project.home) for root in runs)]


def _finished_work(project: Project) -> Iterator[tuple[Path, str]]:
    """Stage folders that nothing goes on from, of stages at which no process works."""
    for stage in sorted(path for path in project.work.glob("*") if path.is_dir()):
        if not (project.work / f"{stage.name}.lock").is_file() or is_running(project, stage.name):
            continue
        folders = sorted((path for path in stage.iterdir() if path.is_dir()), key=lambda p: p.stat().st_mtime)
        unfinished = [path for path in folders if not (path / COMPLETE).is_file()]
        for path in folders:
            if path not in unfinished:
                yield path, "its outputs are published"
            elif path != unfinished[-1]:
                yield path, "a later attempt with other inputs came after it"


def _unused_bases(home: Project, project: Project) -> list[Path]:
    """Converted base models whose GGUF file no run has; they belong to all runs, so they are listed once."""
    if project.is_run or not home.converted.is_dir():
        return []
    used = {
        sha256_file(path)
        for each in projects(home)
        for path in (each.root / "data/raw").rglob("*.gguf")
    }  # fmt: skip
    return [path for path in sorted(home.converted.iterdir()) if _is_sha256(path.name) and path.name not in used]


def _stored(project: Project) -> list[Unneeded]:
    from roleshift.registry.storage import unneeded_weights
    from roleshift.registry.versions import list_versions

    tracking = _tracking(project)
    if tracking is None:
        return []
    name = load_params(project.root / "params.yaml").registry.model_name
    in_use = {version.content_id for version in list_versions(tracking, name) if version.aliases}
    folders = [path for path in sorted((project.work / "served").glob("*")) if path.is_dir()]
    copies = [path for path in folders if path.suffix != ".partial"]
    found = [
        _folder(project, path, "copy for serving of a version without an alias")
        for path in copies
        if path.name not in in_use
    ]
    return found + [
        Unneeded(f"{name}: {weights.logged_model}", weights.reason, weights.size, weights=weights, project=project)
        for weights in unneeded_weights(tracking, name)
    ]


def _tracking(project: Project) -> "Tracking | None":
    """A project's tracking store; None where it was never used."""
    from roleshift.registry.tracking import tracking_of

    database = sqlite_path(project.tracking_uri)
    if database is not None and not database.is_file():
        return None
    return tracking_of(project, load_params(project.root / "params.yaml"))


def _folder(project: Project, path: Path, reason: str) -> Unneeded:
    return Unneeded(path.relative_to(project.home).as_posix(), reason, freed_by(path), path=path)


def _leftovers(project: Project) -> list[Path]:
    return [
        path
        for folder in ("data", "models", "evidence", "metrics", "plots", "timings")
        for pattern in LEFTOVER_PATTERNS
        for path in sorted((project.root / folder).rglob(pattern))
    ]


def _is_sha256(name: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", name) is not None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
