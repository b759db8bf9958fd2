"""What somebody should look at: warnings of the server, the drift watch and the registry."""

from pathlib import Path

import streamlit as st

from components.background import background, say_waiting, when_ready
from components.language import texts
from components.safe import literal
from roleshift.alerts import Alert, alerts_of
from roleshift.errors import RoleShiftError
from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.choices import existing_store
from roleshift.registry.health import alias_alerts, evidence_alerts, hash_alerts
from roleshift.registry.versions import Version

FRESH_SECONDS = 60.0


def _registry_alerts(root: str, params: Params, versions: list[Version]) -> list[Alert]:
    """Of the registry; files are hashed for the versions that an alias names."""
    tracking = existing_store(Project.discover(Path(root)), params)
    if tracking is None:
        return []
    in_use = [version for version in versions if version.aliases]
    return [
        *alias_alerts(tracking, params.registry.model_name),
        *evidence_alerts(tracking, in_use),
        *hash_alerts(tracking, in_use),
    ]


def show_alerts(project: Project, params: Params, versions: list[Version]) -> None:
    """Every warning with its remedy, or a line that says what was checked; the slow checks come afterwards."""
    t = texts("alerts")
    for alert in alerts_of(project):
        _show(alert)
    if not versions:
        return
    state = tuple((version.content_id, version.aliases) for version in versions)
    key = ("registry", str(project.root), project.tracking_uri, state)

    def ask() -> list[Alert] | RoleShiftError | None:
        found: list[Alert] | RoleShiftError | None = background().ask(
            key, lambda: _registry_alerts(str(project.root), params, versions), FRESH_SECONDS
        )
        return found

    def waiting() -> None:
        say_waiting("alerts", t("checking"))

    def draw(found: list[Alert] | RoleShiftError) -> None:
        if isinstance(found, RoleShiftError):
            st.warning(literal(str(found)), icon=":material/warning:")
        elif found:
            for alert in found:
                _show(alert)
        else:
            st.caption(f":green[:material/check_circle:] {t('registry_fine')}")

    when_ready(ask, waiting, draw)


def _show(alert: Alert) -> None:
    t = texts("alerts")
    key = f"kind_{alert.kind}"
    said = t(key, text=literal(alert.text)) if t.knows(key) else literal(alert.text)
    st.error(said, icon=":material/warning:")
