"""How a stage works, so that nothing is lost and nothing is half-written.

DVC deletes a stage's outputs before it runs the stage, and a killed `dvc` leaves its child
running. So a stage works in `.work/<stage>/<hash of its inputs>/`, keeps its checkpoints there,
and publishes complete outputs only. Inputs and outputs are those that dvc.yaml declares.
"""

import errno
import fcntl
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, hash_tree, link_or_copy, list_files, read_json, replacing, write_json
from roleshift.params import Params, load_params, read_yaml
from roleshift.project import Project

COMPLETE = "complete.json"
TEMPLATE = re.compile(r"\$\{([^}]+)\}")
"""DVC's own templates in dvc.yaml, filled from params.yaml."""


@dataclass(frozen=True)
class Stage:
    """A running stage: read `params` and files below `root`, write below `out`.

    `work` survives a kill and is found again by a stage that starts with the same inputs;
    `out` mirrors the project: what dvc.yaml calls `metrics/x.json` is written to
    `out / "metrics/x.json"`.
    """

    name: str
    project: Project
    params: Params
    input_hash: str
    work: Path
    out: Path

    @property
    def root(self) -> Path:
        """The project's folder; inputs are read below it."""
        return self.project.root


def run_stage(name: str, body: Any) -> None:
    """Run `body(stage)` as the DVC stage `name`; exit with one line on an expected failure."""
    try:
        with open_stage(name) as stage:
            if stage is not None:
                body(stage)
    except RoleShiftError as error:
        if os.environ.get("ROLESHIFT_DEBUG"):
            raise
        sys.exit(f"roleshift {name}: {error}")
    except OSError as error:
        if error.errno != errno.ENOSPC or os.environ.get("ROLESHIFT_DEBUG"):
            raise
        where = f" for {error.filename}" if error.filename else ""
        sys.exit(
            f"roleshift {name}: no space left on the disk{where}; free some (`roleshift clean --artifacts`) and run "
            "again: what was finished is kept"
        )


@contextmanager
def open_stage(name: str, start: Path | None = None) -> Iterator[Stage | None]:
    """Lock, prepare the work folder, and publish when the body succeeds.

    Yields None where the same inputs are already complete: the outputs are published again. A
    stage that dvc.yaml declares `always_changed` reads more than its inputs, so it always runs.
    """
    project = Project.discover(start)
    declared = declared_stage(project.root, name)
    params = load_params(project.root / "params.yaml")
    with stage_lock(project, name):
        before = snapshot(project.root, declared.deps)
        input_hash = hash_json({"deps": before.hashes, "params": declared.params})
        work = project.work / name / input_hash[:32]
        if not declared.always and is_complete(work):
            publish(project.root, work, declared.outs)
            yield None
            return
        work.mkdir(parents=True, exist_ok=True)
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        for path in declared.outs:
            (out / path).parent.mkdir(parents=True, exist_ok=True)
        yield Stage(name, project, params, input_hash, work, out)
        refuse_changed_inputs(project.root, name, declared, before)
        for path in declared.outs:
            if not (out / path).exists():
                raise RoleShiftError(f"stage {name} did not write {path}")
        write_json(work / COMPLETE, {path: hash_tree(out / path) for path in declared.outs})
        publish(project.root, work, declared.outs)
        for other in (project.work / name).iterdir():
            if other != work and other.is_dir():
                shutil.rmtree(other)


@dataclass(frozen=True)
class Declared:
    """What dvc.yaml says of a stage: paths, and the values of its params."""

    deps: tuple[str, ...]
    params: dict[str, Any]
    outs: tuple[str, ...]
    always: bool = False


def declared_stage(root: Path, name: str) -> Declared:
    """The stage's entry in dvc.yaml, with the params' values looked up."""
    stages = read_yaml(root / "dvc.yaml").get("stages", {})
    if name not in stages:
        raise RoleShiftError(f"{root / 'dvc.yaml'}: no stage {name!r}")
    entry = stages[name]
    params: dict[str, Any] = {}
    for item in entry.get("params", []):
        groups = item if isinstance(item, dict) else {"params.yaml": [item]}
        for file, keys in groups.items():
            values = read_json(root / file) if file.endswith(".json") else read_yaml(root / file)
            for key in keys:
                params[f"{file}:{key}"] = _look_up(values, key, file)
    outs = [
        path if isinstance(path, str) else next(iter(path))
        for kind in ("outs", "metrics", "plots")
        for path in entry.get(kind, [])
    ]
    settings = read_yaml(root / "params.yaml")
    deps = [
        TEMPLATE.sub(lambda match: str(_look_up(settings, match[1], "params.yaml")), dep)
        for dep in entry.get("deps", [])
    ]
    return Declared(tuple(deps), params, tuple(outs), bool(entry.get("always_changed", False)))


def _look_up(values: Any, key: str, file: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            raise RoleShiftError(f"{file}: the key {key!r} is missing")
        values = values[part]
    return values


@dataclass(frozen=True)
class Snapshot:
    """Content hashes of the inputs, and the files' identities to notice a change cheaply."""

    hashes: dict[str, str]
    identities: dict[str, tuple[int, int, int]]


def snapshot(root: Path, deps: tuple[str, ...]) -> Snapshot:
    """Hash every dependency."""
    hashes = {}
    identities = {}
    for dep in deps:
        path = root / dep
        if not path.exists():
            raise RoleShiftError(f"{path}: a dependency of this stage is missing; run `make repro`")
        hashes[dep] = hash_tree(path)
        identities.update(_identities(path))
    return Snapshot(hashes, identities)


def _identities(path: Path) -> dict[str, tuple[int, int, int]]:
    files = [path] if path.is_file() else list_files(path)
    return {str(p): (s.st_mtime_ns, s.st_size, s.st_ino) for p in files for s in [p.stat()]}


def refuse_changed_inputs(root: Path, name: str, declared: Declared, before: Snapshot) -> None:
    """DVC records a dependency's hash after the command: refuse what it would record wrongly."""
    again = declared_stage(root, name)
    if again.params != declared.params:
        changed = next(key for key in again.params if again.params[key] != declared.params.get(key))
        raise RoleShiftError(f"{changed} changed while the stage ran; run it again")
    for dep in declared.deps:
        now = _identities(root / dep)
        then = {
            p: i for p, i in before.identities.items() if p == str(root / dep) or p.startswith(f"{root / dep}{os.sep}")
        }
        if now != then and hash_tree(root / dep) != before.hashes[dep]:
            raise RoleShiftError(f"{dep} changed while the stage ran; run it again")


@contextmanager
def stage_lock(project: Project, name: str) -> Iterator[None]:
    """Let one process at a time work at a stage; a second one says so and waits."""
    folder = project.work / name
    folder.mkdir(parents=True, exist_ok=True)
    with (project.work / f"{name}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(f"{name}: process {lock.read().strip()} works at this stage; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_running(project: Project, name: str) -> bool:
    """Whether a process works at the stage now: it holds the stage's lock."""
    path = project.work / f"{name}.lock"
    if not path.is_file():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_complete(work: Path) -> bool:
    """Whether a work folder holds complete outputs that still have the hashes they had."""
    try:
        hashes = json.loads((work / COMPLETE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return False
    return all((work / "out" / p).exists() and hash_tree(work / "out" / p) == h for p, h in hashes.items())


def publish(root: Path, work: Path, outs: tuple[str, ...]) -> None:
    """Bring the complete outputs to their places, each by a rename."""
    for path in outs:
        with replacing(root / path) as temporary:
            link_or_copy(work / "out" / path, temporary)
