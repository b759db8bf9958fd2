"""The versions that a page can offer; looking at them makes no tracking store."""

import polars as pl

from roleshift.databases import sqlite_path
from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.audit import Entry
from roleshift.registry.tracking import Tracking, tracking_of
from roleshift.registry.versions import Version, list_versions


def existing_store(project: Project, params: Params) -> Tracking | None:
    """The project's tracking store; None where its SQLite file is not there yet."""
    database = sqlite_path(project.tracking_uri)
    if database is not None and not database.is_file():
        return None
    return tracking_of(project, params)


def registered_versions(project: Project, params: Params) -> list[Version]:
    """The complete versions of the project's model, newest first; none without a store."""
    tracking = existing_store(project, params)
    found = list_versions(tracking, params.registry.model_name) if tracking else []
    return [version for version in reversed(found) if version.complete]


def history_frame(entries: list[Entry]) -> pl.DataFrame:
    """One row per change of the champion, newest first."""
    shown = ("time", "who", "kind", "version_from", "version_to", "gate", "reason")
    rows = [{name: getattr(entry, name) for name in shown} for entry in reversed(entries)]
    return pl.DataFrame(rows, schema={n: pl.Int64 if n.startswith("version") else pl.String for n in shown})


def versions_frame(versions: list[Version]) -> pl.DataFrame:
    """One row per version: number, aliases (by comma), kind, variant, ids, and when it was made (UTC)."""
    frame = pl.DataFrame(
        {
            "number": [version.number for version in versions],
            "aliases": [", ".join(version.aliases) for version in versions],
            "kind": [version.kind for version in versions],
            "variant": [version.variant for version in versions],
            "model_id": [version.model_id for version in versions],
            "content_id": [version.content_id for version in versions],
            "created": [version.created for version in versions],
        }
    )
    return frame.with_columns(pl.from_epoch("created", time_unit="ms").dt.strftime("%Y-%m-%d %H:%M"))
