"""What somebody should look at: the server's, the drift watch's and the registry's warnings in one place."""

from dataclasses import dataclass
from pathlib import Path

from roleshift.files import read_json
from roleshift.project import Project

ALERT_KINDS = ("serving", "drift")
"""Warnings that stand in a file; those of the registry are looked for (`registry.health`)."""


@dataclass(frozen=True)
class Alert:
    """One warning: `kind` is one of ALERT_KINDS, log, alias, evidence or hash; `text` says what is wrong."""

    kind: str
    text: str


def alert_file(project: Project, kind: str) -> Path:
    """The file in which a warning stands."""
    return {
        "serving": project.home / ".work" / "alerts" / "serving.json",
        "drift": project.home / "feedback" / "drift.json",
    }[kind]


def alerts_of(project: Project) -> list[Alert]:
    """The warnings that stand now."""
    found = []
    for kind in ALERT_KINDS:
        path = alert_file(project, kind)
        text = read_json(path).get("alert") if path.is_file() else None
        if text:
            found.append(Alert(kind, str(text)))
    return found
