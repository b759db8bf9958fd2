"""The versions that a server holds: loaded beside the old one, checked, then switched to."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from roleshift.alerts import alert_file
from roleshift.errors import RoleShiftError
from roleshift.files import write_json
from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import Version, list_versions
from roleshift.serving.batching import Batcher
from roleshift.serving.copies import open_version, self_test
from roleshift.serving.last_served import LastServed

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
        self._last = LastServed(project, params)
        self._loading: str | None = None
        self.alert: str | None = None
        self.from_copy = False
        """Whether the main version is what was served before the start, not what the registry says now."""
        self.switches = 0

    @property
    def main(self) -> Served | None:
        """The version behind the served alias."""
        return self._held.get("main")

    @property
    def absent(self) -> str:
        """Why nothing serves yet."""
        loading = f"{self._loading} is being loaded" if self._loading else "no version is loaded yet"
        return self.alert or loading

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
        """Load what the registry names now; whatever fails leaves what serves as it is and raises an alert.

        Where nothing serves yet, it falls back to what was served before the start.
        """
        with self._refreshing:
            try:
                if self._tracking is None:
                    self._tracking = self._open()
                    self._failed.clear()  # what failed without the registry is tried at once with it
                tracking = self._tracking
                versions = list_versions(tracking, self._params.registry.model_name)
            except RoleShiftError as error:
                self._tracking = None  # opened anew at the next look
                self._alarm("; ".join([f"the registry cannot be asked: {error}", *self._fall_back()]))
                return
            wanted = _wanted(versions, self._params)
            if "canary" not in wanted:
                self._replace("canary", None)
            problems = [problem for role, version in wanted.items() if (problem := self._hold(tracking, role, version))]
            if "main" not in wanted:
                alias = self._params.serving.alias
                going = f"; {self.main.name} goes on serving" if self.main else ""
                problems.append(f"no complete version has the alias {alias!r} or {CANARY!r}{going}")
            elif self.main is None or self.main.version.content_id != wanted["main"].content_id:
                problems += self._fall_back()
            else:
                self._confirm()
            self._alarm("; ".join(problems) or None)

    def _fall_back(self) -> list[str]:
        """Where nothing serves, serve the verified copies of what was served last; what to say of it."""
        if self.main is None:
            problems = [p for role, version in self._last.read().items() if (p := self._hold(None, role, version))]
            if self.main is None:
                return [*problems, "there is no usable copy of an earlier version here either"]
            self.from_copy = True
        return [f"{self.main.name} is served from its last verified copy"] if self.from_copy and self.main else []

    def _confirm(self) -> None:
        """The registry named what serves: remember it for a restart without the registry."""
        if self.from_copy and self.main:
            self.from_copy = False
            log.warning("the registry is followed again; it names %s", self.main.name)
        try:
            self._last.write({role: served.version for role, served in self._held.items()})
        except OSError as error:
            log.error("what is served cannot be remembered for a restart: %s", error)

    def _hold(self, tracking: Tracking | None, role: str, version: Version) -> str | None:
        """Serve a version in a role, without a registry from its copy here; why that cannot be."""
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

    def _load(self, tracking: Tracking | None, version: Version) -> Served:
        """Open the version and let it answer once."""
        self._loading = f"{version.name}/{version.number}"
        log.info("%s is brought here if need be, checked and loaded", self._loading)
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
            if self._told:
                log.warning("what was wrong is over: %s", self._told)
        else:
            log.error("%s", problem)
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
