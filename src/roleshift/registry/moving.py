"""A tracking store that was moved or copied to another folder: MLflow keeps absolute addresses of artifacts."""

from pathlib import Path

from sqlalchemy import text

from roleshift.databases import connected, sqlite_path, store_lock
from roleshift.errors import RoleShiftError

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""MLflow's columns that hold where artifacts lie."""
FOLDER = "mlartifacts"


def former_folder(uri: str, location: str) -> str | None:
    """Where a store lay before, if an experiment of it still keeps its artifacts there; None where it has not moved.

    Only addresses of the form that this project gives to an SQLite store count: who chose another
    place for an experiment keeps it.
    """
    database = sqlite_path(uri)
    if database is None or not location.startswith("file://") or not location.endswith(f"/{FOLDER}"):
        return None
    here = (database.parent / FOLDER).as_uri()
    return None if location == here else location


def refuse_moved(uri: str, location: str) -> None:
    """Raise where new artifacts would go to the folder that the store was copied from."""
    former = former_folder(uri, location)
    if former is not None:
        raise RoleShiftError(
            f"tracking store {uri}: it was moved or copied here and still keeps its artifacts in {former}; bring that "
            "folder along beside the database, then run `roleshift relocate`"
        )


def relocate(uri: str) -> int:
    """Point a moved store's addresses to the folder beside it; the number of addresses that changed.

    Raises where the store is no SQLite file or its artifacts were not brought along.
    """
    database = sqlite_path(uri)
    if database is None or not database.is_file():
        raise RoleShiftError(f"tracking store {uri}: only an SQLite file beside its artifacts can be relocated")
    here = (database.parent / FOLDER).as_uri()
    changed = 0
    with store_lock(uri), connected(uri) as connection:
        rows = connection.execute(text("SELECT artifact_location FROM experiments"))
        former = sorted({found for (location,) in rows if (found := former_folder(uri, location or ""))})
        if former and not Path(database.parent / FOLDER).is_dir():
            raise RoleShiftError(f"{database.parent / FOLDER}: is not there; copy it from {former[0]} first")
        for place in former:
            for table, column in ADDRESSES:
                statement = text(
                    f"UPDATE {table} SET {column} = :here || substr({column}, :length + 1) "  # noqa: S608
                    f"WHERE {column} = :place OR substr({column}, 1, :length + 1) = :place || '/'"
                )
                values = {"here": here, "length": len(place), "place": place}
                changed += connection.execute(statement, values).rowcount
    return changed
