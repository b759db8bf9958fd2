"""Register or promote in a process that kills itself with SIGKILL just before or just after one write to the store."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITES = (
    "create_experiment", "create_run", "update_run", "log_batch", "log_artifact", "log_dict", "set_terminated",
    "set_tag", "create_registered_model", "create_logged_model", "log_model_artifacts", "finalize_logged_model",
    "create_model_version", "set_logged_model_tags", "set_model_version_tag", "set_registered_model_alias",
    "set_registered_model_tag",
)  # fmt: skip

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["roleshift.registry.registering", "roleshift.serving.pyfunc"])


def register_in_process(root: Path, uri: str, die_at: tuple[str, int, str] | None, writes: Any = None) -> int:
    """Its exit code; `die_at` is a write, which call of it, and "before", "within" or "after"."""
    return _exit_code(_register, root, uri, die_at, writes)


def promote_in_process(uri: str, number: int, die_at: tuple[str, int, str]) -> int:
    """The exit code of a process that promotes a version, with a verdict that passes, from no champion."""
    return _exit_code(_promote, uri, number, die_at)


def _exit_code(target: Callable[..., None], *arguments: Any) -> int:
    process = _context.Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def count_writes(root: Path, uri: str) -> list[tuple[str, int]]:
    with _context.Manager() as manager:
        writes = manager.list()
        assert register_in_process(root, uri, None, writes) == 0
        counts: Counter[str] = Counter()
        found = []
        for name in writes:
            counts[name] += 1
            found.append((name, counts[name]))
        return found


def _watch(die_at: tuple[str, int, str] | None, writes: Any) -> None:
    from mlflow import MlflowClient
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    from roleshift.registry.audit import AuditLog

    counts: Counter[str] = Counter()

    def watched(owner: type, name: str) -> Any:
        original = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            counts[name] += 1
            if writes is not None:
                writes.append(name)
            here = die_at[2] if die_at and (name, counts[name]) == die_at[:2] else None
            if here == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if here == "within":  # half of the artifacts are there
                folder = Path(arguments[2])
                model = Path(arguments[0].get_logged_model(arguments[1]).artifact_location.removeprefix("file://"))
                target = model.joinpath(*arguments[3:])
                for file in sorted(folder.rglob("*"))[::2]:
                    if file.is_file():
                        LocalArtifactRepository(str(target / file.parent.relative_to(folder))).log_artifact(str(file))
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments, **named)
            if here == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in WRITES:
        setattr(MlflowClient, name, watched(MlflowClient, name))
    AuditLog.append = watched(AuditLog, "append")  # type: ignore[method-assign]


def _promote(uri: str, number: int, die_at: tuple[str, int, str]) -> None:
    from roleshift.registry.gate import Rule, Verdict
    from roleshift.registry.promotion import promote
    from roleshift.registry.tracking import open_tracking
    from roleshift.registry.versions import resolve

    tracking = open_tracking(uri, Path(), "roleshift")
    version = resolve(tracking, "roleshift", str(number))
    _watch(die_at, None)
    verdict = Verdict(number, None, (Rule("better", "pass", "by test"),))
    promote(tracking, version, verdict, expected=None, who="ann", reason="for the test")


def _register(root: Path, uri: str, die_at: tuple[str, int, str] | None, writes: Any) -> None:
    from roleshift.registry.manifest import read_made
    from roleshift.registry.registering import register
    from roleshift.registry.tracking import open_tracking

    _watch(die_at, writes)
    tracking = open_tracking(uri, root, "roleshift")
    register(tracking, root, "roleshift", read_made(root, "smollm2"), experiment=None, move_aliases=True)
