"""The pipeline as a graph, and which stages are stale, as DVC itself says it.

Run as a module it prints what DVC finds as JSON: `python -m roleshift.pipeline_state FOLDER`. DVC hashes
files, holds a lock and takes seconds, so whoever asks does it in a process of its own.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from roleshift.errors import RoleShiftError
from roleshift.params import read_yaml
from roleshift.project import Project
from roleshift.stage import is_running

State = Literal["current", "stale", "absent", "running", "never run", "unknown"]
TIMEOUT_SECONDS = 300
ALWAYS = "always changed"
ABSENT = ("deleted", "not in cache")


@dataclass(frozen=True)
class StageState:
    """A stage of dvc.yaml: its state, what changed (`deps: PATH`, `params: FILE`, `command` ...), and what it needs.

    `absent`: an input or output is not in this checkout. `needs` leaves out what follows from the others.
    """

    name: str
    state: State
    reasons: tuple[str, ...]
    needs: tuple[str, ...]


def declared_stages(root: Path) -> list[StageState]:
    """The stages of dvc.yaml before DVC was asked: those that run now, the others unknown; without edges."""
    project = Project.discover(root)
    return [
        StageState(name, "running" if is_running(project, name) else "unknown", (), ())
        for name in read_yaml(root / "dvc.yaml").get("stages", {})
    ]


def pipeline_state(root: Path) -> list[StageState]:
    """Every stage with what DVC says of it, each after those it needs; takes seconds.

    Raises where DVC cannot tell, with its own first line.
    """
    command = [sys.executable, "-P", "-m", "roleshift.pipeline_state", str(root)]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise RoleShiftError(f"{root}: DVC did not answer within {TIMEOUT_SECONDS} s; try `dvc status`") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1].partition(": ")[2]
        raise RoleShiftError(f"{root}: DVC cannot tell the pipeline's state ({last}); try `dvc status`")
    return _states(Project.discover(root), json.loads(done.stdout.splitlines()[-1]))


def _states(project: Project, found: dict[str, Any]) -> list[StageState]:
    """From DVC's edges, its status (None while its lock is held), and the names of the stages in dvc.lock."""
    states = []
    for name in found["order"]:
        said = (found["status"] or {}).get(name, [])
        reasons = tuple(sorted({reason for entry in said for reason in _reasons(entry)}))
        if is_running(project, name):
            state: State = "running"
        elif name not in found["locked"]:
            state = "never run"
        elif found["status"] is None:
            state = "unknown"
        elif any(_lacks(entry) for entry in said):
            state = "absent"
        else:
            state = "stale" if reasons else "current"
        states.append(StageState(name, state, reasons, tuple(found["needs"][name])))
    return states


def _reasons(entry: Any) -> list[str]:
    """What an entry of DVC's status blames; a stage that always runs is not stale for that."""
    if isinstance(entry, str):
        return [] if entry == ALWAYS else ["command"]
    names = {"changed deps": "deps", "changed outs": "outs"}
    found = []
    for kind, paths in entry.items():
        for path, change in paths.items():
            reason = "params" if isinstance(change, dict) else names.get(kind, kind)
            found.append(f"{reason}: {path}")
    return found


def _lacks(entry: Any) -> bool:
    """Whether DVC misses a file, rather than finding another one."""
    changes = [change for paths in entry.values() for change in paths.values()] if isinstance(entry, dict) else []
    return any(change in ABSENT for change in changes if isinstance(change, str))


def ask_dvc(root: Path) -> dict[str, Any]:
    """Order, edges and status from DVC's own index; `status` is None while another DVC holds the lock."""
    from dvc.lock import LockError
    from dvc.repo import Repo
    from networkx import topological_sort, transitive_reduction

    with Repo(str(root)) as repo:
        # Below the root lie other dvc.yaml: those that were logged with a run, those of runs/.
        graph = repo.index.graph.subgraph(stage for stage in repo.index.stages if stage.addressing == stage.name)
        order = [stage.addressing for stage in reversed(list(topological_sort(graph)))]
        least = transitive_reduction(graph)
        needs = {stage.addressing: sorted(other.addressing for other in least.successors(stage)) for stage in graph}
        try:
            status = repo.status(targets=[stage.addressing for stage in graph])
        except LockError:
            status = None
    lock = root / "dvc.lock"
    locked = list(read_yaml(lock).get("stages", {})) if lock.is_file() else []
    return {"order": order, "needs": needs, "status": status, "locked": locked}


if __name__ == "__main__":
    os.nice(10)  # a page that somebody opens meanwhile goes first
    print(json.dumps(ask_dvc(Path(sys.argv[1])), default=str))
