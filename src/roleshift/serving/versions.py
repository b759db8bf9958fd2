"""The versions that a server holds: loaded beside the old one, checked, then switched to."""

import logging
import math
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow.artifacts

from roleshift.alerts import alert_file
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, read_json, write_json
from roleshift.generation import Backend, GenerationConfig, Request, open_backend
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import render_prompt
from roleshift.registry.manifest import content_id_of
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, list_versions
from roleshift.serving.batching import Batcher
from roleshift.serving.pyfunc import check_artifacts

log = logging.getLogger("roleshift.serving")
CANARY = "challenger"
RETRY_FIRST, RETRY_MOST = 10.0, 600.0
"""Seconds until a version that could not be loaded is tried again: doubled each time, up to the second."""


@dataclass(frozen=True)
class Served:
    """A version in use."""

    version: Version
    artifact_id: str
    batcher: Batcher

    @property
    def name(self) -> str:
        """What answers are labelled with."""
        return f"{self.version.name}/{self.version.number}"


@dataclass(frozen=True)
class Failure:
    """Why a version could not be loaded, and when it is tried again (time.monotonic)."""

    problem: str
    wait: float
    again: float


class ServedVersions:
    """The version behind the served alias and, where a share is set, the canary; `refresh` follows the registry."""

    def __init__(self, tracking: Callable[[], Tracking], params: Params, project: Project) -> None:
        self._open, self._params, self._project = tracking, params, project
        self._tracking: Tracking | None = None
        # By role: main, canary. Never changed, only replaced: requests read it while it is refreshed.
        self._held: Mapping[str, Served] = {}
        self._failed: dict[str, Failure] = {}  # by content id
        self._refreshing = threading.Lock()
        self._draining: list[threading.Thread] = []
        self._told: str | None = ""  # what the alert file says; unknown at first, so it is written anew
        self.alert: str | None = None
        self.switches = 0

    @property
    def main(self) -> Served | None:
        """The version behind the served alias."""
        return self._held.get("main")

    @property
    def all(self) -> list[Served]:
        """Everything that is loaded, the main one first."""
        held = self._held
        return [held[role] for role in ("main", "canary") if role in held]

    def choose(self, model: str) -> Served | None:
        """The version for a request that names `model`; None where nothing of that name is served.

        The model's name alone leaves the choice to the canary's share; `NAME/NUMBER` and
        `NAME@ALIAS` ask for one.
        """
        held = self._held
        if model == self._params.registry.model_name:
            drawn = "canary" in held and random.random() < self._params.serving.canary  # noqa: S311
            return held["canary"] if drawn else held.get("main")
        for served in held.values():
            names = {served.name, *(f"{served.version.name}@{alias}" for alias in served.version.aliases)}
            if model in names:
                return served
        return None

    def refresh(self) -> None:
        """Load what the registry names now; whatever fails leaves what serves as it is and raises an alert."""
        with self._refreshing:
            try:
                if self._tracking is None:
                    self._tracking = self._open()
                tracking = self._tracking
                versions = list_versions(tracking, self._params.registry.model_name)
            except RoleShiftError as error:
                self._tracking = None  # opened anew at the next look
                self._alarm(f"the registry cannot be asked: {error}")
                return
            wanted = _wanted(versions, self._params)
            problems = [problem for role, version in wanted.items() if (problem := self._hold(tracking, role, version))]
            if "main" not in wanted:
                alias = self._params.serving.alias
                going = f"; {self.main.name} goes on serving" if self.main else ""
                problems.append(f"no complete version has the alias {alias!r} or {CANARY!r}{going}")
            if "canary" not in wanted:
                self._replace("canary", None)
            self._alarm("; ".join(problems) or None)

    def _hold(self, tracking: Tracking, role: str, version: Version) -> str | None:
        """Serve a version in a role; why that cannot be."""
        loaded = next((each for each in self.all if each.version.content_id == version.content_id), None)
        failed = self._failed.get(version.content_id)
        if loaded is None and failed is not None and time.monotonic() < failed.again:
            return failed.problem
        try:
            served = Served(version, loaded.artifact_id, loaded.batcher) if loaded else self._load(tracking, version)
        except Exception as error:
            problem = f"version {version.number} cannot be served: {error}"
            wait = min(RETRY_MOST, 2 * failed.wait) if failed else RETRY_FIRST
            self._failed[version.content_id] = Failure(problem, wait, time.monotonic() + wait)
            log.error("%s; tried again in %.0f s", problem, wait)
            return problem
        self._failed.pop(version.content_id, None)
        before = self._held.get(role)
        self._replace(role, served)
        if before is None or before.version.content_id != version.content_id:
            self.switches += before is not None
            log.warning("%s is served as %s", served.name, role)
        return None

    def _replace(self, role: str, served: Served | None) -> None:
        """Put a version into a role, or nothing; a batcher that no role uses any more finishes what it accepted."""
        before = self._held.get(role)
        held = {name: each for name, each in self._held.items() if name != role}
        self._held = held | {role: served} if served else held
        if before is not None and all(other.batcher is not before.batcher for other in self.all):
            thread = threading.Thread(target=before.batcher.close, name=f"draining {before.name}", daemon=True)
            self._draining = [each for each in self._draining if each.is_alive()] + [thread]
            thread.start()

    def _load(self, tracking: Tracking, version: Version) -> Served:
        """Open the version and let it answer once."""
        settings = self._params.serving
        backend = open_version(tracking, version, self._project, self._params)
        try:
            self_test(backend)
        except Exception:
            backend.close()
            raise
        batcher = Batcher(
            backend, rows=settings.rows, queue=settings.queue, max_prompt_tokens=settings.max_prompt_tokens,
            max_new_tokens=settings.max_new_tokens,
        )  # fmt: skip
        return Served(version, backend.artifact_id, batcher)

    def _alarm(self, problem: str | None) -> None:
        """Raise an alert, or take it back; `alerts_of` reads it for the dashboard."""
        self.alert = problem
        if problem == self._told:
            return
        path = alert_file(self._project, "serving")
        if problem is None:
            path.unlink(missing_ok=True)
        else:
            write_json(path, {"alert": problem, "time": datetime.now(UTC).isoformat(timespec="seconds")})
        self._told = problem

    def close(self, seconds: float) -> None:
        """Finish what runs, for at most `seconds`, and free every model."""
        for served in self.all:
            served.batcher.close(seconds)
        for thread in self._draining:
            thread.join(seconds)


def _wanted(versions: list[Version], params: Params) -> dict[str, Version]:
    """The version for each role, by the aliases as they stand."""
    complete = [version for version in versions if version.complete]
    by_alias = {alias: version for version in complete for alias in version.aliases}
    main = by_alias.get(params.serving.alias) or by_alias.get(CANARY)
    found = {"main": main} if main else {}
    canary = by_alias.get(CANARY)
    if canary and main and params.serving.canary > 0 and canary.content_id != main.content_id:
        found["canary"] = canary
    return found


def self_test(backend: Backend) -> None:
    """Let a model answer and weigh an answer; raises where it gives no token or no number."""
    prompt = render_prompt(backend.tokenizer, [{"role": "user", "content": "Say yes."}])
    answer = backend.generate([Request("self-test", prompt)], GenerationConfig(max_new_tokens=2))[0]
    if answer.output_tokens == 0 and answer.finish_reason != "stop":
        raise RoleShiftError("its self-test gave no token")
    if not math.isfinite(backend.continuation_logprobs(prompt, ["yes"])[0]):
        raise RoleShiftError("its self-test gave a probability that is no number: its weights are broken")


def open_version(tracking: Tracking, version: Version, project: Project, params: Params) -> Backend:
    """Bring a version's artifacts to `.work/served/`, check every hash, open the model."""
    folder = project.work / "served" / version.content_id
    if not (folder / "artifacts/manifest.json").is_file():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with reporting(tracking.uri):
            location = tracking.client.get_logged_model(version.logged_model).artifact_location
            mlflow.artifacts.download_artifacts(
                f"{location}/artifacts", dst_path=str(partial), tracking_uri=tracking.uri
            )
        with suppress(OSError):  # another server was first
            partial.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
    artifacts = folder / "artifacts"
    try:
        manifest = read_json(artifacts / "manifest.json")
        check_manifest(manifest, version)
        check_artifacts(artifacts, manifest)
    except RoleShiftError:
        shutil.rmtree(folder)  # brought anew when asked again
        raise
    generation = params.generation
    return open_backend(
        _model_folder(artifacts / manifest["model"], project),
        threads=generation.threads,
        provider=generation.provider,
        batch_size=params.serving.rows,
    )


def check_manifest(manifest: dict[str, Any], version: Version) -> None:
    """Raise where a manifest's hashes are not those that the registry's own record of the version stands for."""
    model = f"{manifest['model']}/"
    files = {
        name.removeprefix(model): entry["sha256"] for name, entry in manifest["files"].items() if name.startswith(model)
    }
    if content_id_of(version.model_id, hash_json(files)) != version.content_id:
        raise RoleShiftError(
            f"version {version.number}: its manifest differs from the registered content; register it again"
        )


def _model_folder(folder: Path, project: Project) -> Path:
    if (folder / "manifest.json").is_file() or (folder / "config.json").is_file():
        return folder
    from roleshift.training.base import base_folder

    return base_folder(folder, project.converted)
