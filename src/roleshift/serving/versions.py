"""The versions that a server holds: loaded beside the old one, checked, then switched to."""

import logging
import os
import random
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow.artifacts

from roleshift.alerts import alert_file
from roleshift.errors import RoleShiftError
from roleshift.files import read_json, write_json
from roleshift.generation import Backend, GenerationConfig, Request, open_backend
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import render_prompt
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, list_versions
from roleshift.serving.batching import Batcher
from roleshift.serving.pyfunc import check_artifacts

log = logging.getLogger("roleshift.serving")
CANARY = "challenger"


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


class ServedVersions:
    """The version behind the served alias and, where a share is set, the canary; `refresh` follows the registry."""

    def __init__(self, tracking: Callable[[], Tracking], params: Params, project: Project) -> None:
        self._tracking, self._params, self._project = tracking, params, project
        self._held: dict[str, Served] = {}  # by role: main, canary
        self._failed: dict[str, str] = {}  # content id that could not be loaded: why
        self._refreshing = threading.Lock()
        self._draining: list[threading.Thread] = []
        self.alert: str | None = None
        self.switches = 0

    @property
    def main(self) -> Served | None:
        """The version behind the served alias."""
        return self._held.get("main")

    @property
    def all(self) -> list[Served]:
        """Everything that is loaded, the main one first."""
        return [self._held[role] for role in ("main", "canary") if role in self._held]

    def choose(self, model: str) -> Served | None:
        """The version for a request that names `model`; None where nothing of that name is served.

        The model's name alone leaves the choice to the canary's share; `NAME/NUMBER` and
        `NAME@ALIAS` ask for one.
        """
        held = self._held
        if model == self._params.registry.model_name:
            if "canary" in held and random.random() < self._params.serving.canary:  # noqa: S311
                return held["canary"]
            return held.get("main")
        for served in self.all:
            names = {served.name, *(f"{served.version.name}@{alias}" for alias in served.version.aliases)}
            if model in names:
                return served
        return None

    def refresh(self) -> None:
        """Load what the registry names now; whatever fails leaves what serves as it is and raises an alert."""
        with self._refreshing:
            try:
                tracking = self._tracking()
                versions = list_versions(tracking, self._params.registry.model_name)
            except RoleShiftError as error:
                self._alarm(f"the registry cannot be asked: {error}")
                return
            wanted = _wanted(versions, self._params)
            problems = [problem for role, version in wanted.items() if (problem := self._hold(tracking, role, version))]
            if "canary" not in wanted:
                self._let_go(self._held.pop("canary", None))
            if "main" not in wanted and self.main is None:
                problems.append(f"no version has the alias {self._params.serving.alias!r} or {CANARY!r}")
            self._alarm("; ".join(problems) or None)

    def _hold(self, tracking: Tracking, role: str, version: Version) -> str | None:
        held = self._held.get(role)
        if held is not None and held.version.content_id == version.content_id:
            self._held[role] = Served(version, held.artifact_id, held.batcher)  # its aliases may have changed
            return None
        same = next((served for served in self.all if served.version.content_id == version.content_id), None)
        if same is None and version.content_id in self._failed:
            return self._failed[version.content_id]
        try:
            served = same or self._load(tracking, version)
        except Exception as error:
            problem = f"version {version.number} cannot be served: {error}"
            self._failed[version.content_id] = problem
            log.error(problem)
            return problem
        self._held[role] = served
        self.switches += held is not None
        log.warning("%s is served as %s", served.name, role)
        self._let_go(held)
        return None

    def _load(self, tracking: Tracking, version: Version) -> Served:
        """Open the version and let it answer once."""
        settings = self._params.serving
        backend = open_version(tracking, version, self._project, self._params)
        prompt = render_prompt(backend.tokenizer, [{"role": "user", "content": "Say yes."}])
        answer = backend.generate([Request("self-test", prompt)], GenerationConfig(max_new_tokens=2))[0]
        if answer.output_tokens == 0 and answer.finish_reason != "stop":
            raise RoleShiftError("its self-test gave no token")
        batcher = Batcher(
            backend,
            rows=settings.rows,
            capacity=settings.max_prompt_tokens + settings.max_new_tokens,
            queue=settings.queue,
        )
        return Served(version, backend.artifact_id, batcher)

    def _let_go(self, served: Served | None) -> None:
        """Close a batcher that no role uses any more, after it has finished what it accepted."""
        if served is None or any(other.batcher is served.batcher for other in self.all):
            return
        thread = threading.Thread(target=served.batcher.close, name=f"draining {served.name}", daemon=True)
        self._draining = [each for each in self._draining if each.is_alive()] + [thread]
        thread.start()

    def _alarm(self, problem: str | None) -> None:
        if problem != self.alert:
            self.alert = problem
            path = alert_file(self._project, "serving")
            if problem is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {"alert": problem})

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
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    artifacts = folder / "artifacts"
    manifest = read_json(artifacts / "manifest.json")
    try:
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


def _model_folder(folder: Path, project: Project) -> Path:
    if (folder / "manifest.json").is_file() or (folder / "config.json").is_file():
        return folder
    from roleshift.training.base import base_folder

    return base_folder(folder, project.converted)
