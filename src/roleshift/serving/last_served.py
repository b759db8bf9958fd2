"""What a server served last of an alias, by the registry's word: a restart does not need the registry."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from roleshift.databases import redacted
from roleshift.errors import RoleShiftError
from roleshift.files import read_json, write_json
from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.versions import Version


def copy_folder(project: Project, version: Version) -> Path:
    """Where a version's artifacts lie on this machine once they were brought."""
    return project.work / "served" / version.content_id


class LastServed:
    """The versions by role (main, canary) that the registry named for an alias, beside their copies.

    A record holds for one tracking store, model and alias: numbers and aliases of one store mean nothing
    in another. It is only a pointer; whoever loads a copy checks it against the content id.
    """

    def __init__(self, project: Project, params: Params) -> None:
        name = f"{params.registry.model_name}@{params.serving.alias}.json"
        self._path = project.work / "served" / name
        self._store = redacted(project.tracking_uri)
        self._written: Mapping[str, Version] | None = None

    def write(self, versions: Mapping[str, Version]) -> None:
        """Remember what is served; nothing is written where nothing changed."""
        if versions != self._written:
            roles = {role: asdict(version) for role, version in versions.items()}
            write_json(self._path, {"store": self._store, "roles": roles})
            self._written = dict(versions)

    def read(self) -> dict[str, Version]:
        """What was written last; empty without a record, or with one of another store or release."""
        try:
            record = read_json(self._path)
            if record["store"] != self._store:
                return {}
            return {
                role: Version(**{**found, "aliases": tuple(found["aliases"])})
                for role, found in record["roles"].items()
            }
        except (RoleShiftError, OSError, LookupError, TypeError, AttributeError):
            return {}
