"""What is wrong in the registry: an alias moved by other means, lost evidence, files that were altered."""

from collections.abc import Iterable

from roleshift.alerts import Alert
from roleshift.errors import RoleShiftError
from roleshift.registry.lineage import verify
from roleshift.registry.promotion import standing
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version

LOCAL = ("file:", "/")


def alias_alerts(tracking: Tracking, name: str) -> list[Alert]:
    """Where the champion's alias and the audit log differ, or the log itself was altered."""
    try:
        drift = standing(tracking, name).drift
    except RoleShiftError as error:
        return [Alert("log", str(error))]
    return [] if drift is None else [Alert("alias", drift)]


def evidence_alerts(tracking: Tracking, versions: Iterable[Version]) -> list[Alert]:
    """Versions whose evidence is not in the store: nothing that is said of them can be followed to its items."""
    found = []
    for version in versions:
        if version.evidence_run is None:
            found.append(Alert("evidence", f"version {version.number} names no evidence"))
            continue
        part = "evidence/baseline" if version.kind == "base" else "evidence/candidate"
        try:
            with reporting(tracking.uri):
                there = {entry.path for entry in tracking.client.list_artifacts(version.evidence_run, part)}
        except RoleShiftError as error:
            found.append(Alert("evidence", f"version {version.number}: {error}"))
            continue
        lacking = [name for name in ("items.parquet", "scores.parquet") if f"{part}/{name}" not in there]
        if lacking:
            found.append(Alert("evidence", f"version {version.number} lacks {part}/{', '.join(lacking)}"))
    return found


def hash_alerts(tracking: Tracking, versions: Iterable[Version]) -> list[Alert]:
    """Versions with a file that is missing or differs from its hash; only artifacts on this machine are read."""
    found = []
    for version in versions:
        try:
            with reporting(tracking.uri):
                location = str(tracking.client.get_logged_model(version.logged_model).artifact_location)
            if location.startswith(LOCAL):
                verify(tracking, version)
        except RoleShiftError as error:
            found.append(Alert("hash", f"version {version.number}: {error}"))
    return found
