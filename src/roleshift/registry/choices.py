"""The versions that a page can offer; looking at them makes no tracking store."""

from pathlib import Path

from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.tracking import Tracking, open_tracking, sqlite_path
from roleshift.registry.versions import Version, list_versions


def existing_store(project: Project, params: Params) -> Tracking | None:
    """The project's tracking store; None where its SQLite file is not there yet."""
    database = sqlite_path(project.tracking_uri)
    if database is not None and not database.is_file():
        return None
    home: Path = project.root if project.is_run else project.home
    return open_tracking(project.tracking_uri, home, params.registry.experiment)


def registered_versions(project: Project, params: Params) -> list[Version]:
    """The complete versions of the project's model, newest first; none without a store."""
    tracking = existing_store(project, params)
    found = list_versions(tracking, params.registry.model_name) if tracking else []
    return [version for version in reversed(found) if version.complete]
