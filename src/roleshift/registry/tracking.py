"""The tracking store: opened once, its database migrated by one process at a time.

SQLite lies beside the project, its artifacts in `mlartifacts/` beside it, by an absolute path:
a stage's own folder may be a temporary copy that is deleted. A server decides for itself where
artifacts go.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from roleshift.databases import first_line, redacted, sqlite_path, store_lock
from roleshift.errors import RoleShiftError
from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.moving import FOLDER, refuse_moved

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# MLflow's own defaults retry for minutes; a server that is down is said to be so within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # the commands' own output goes there

from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError


@dataclass(frozen=True)
class Tracking:
    """An open tracking store and the experiment in it."""

    uri: str
    client: MlflowClient
    experiment_id: str


def open_tracking(uri: str, home: Path, experiment: str) -> Tracking:
    """Open the store at `uri`, creating and migrating it on first use, and find the experiment.

    `home` is where artifacts go when `uri` is a database of a server's kind that has no folder of
    its own. Two first uses at once are safe: a file lock for SQLite, MLflow's own unique names
    for the experiment. MLflow's process-wide tracking URI, an environment variable, is left alone.
    """
    with reporting(uri):
        for name in (
            "alembic",
            "mlflow.store.db.utils",
            "mlflow.store.model_registry.abstract_store",
            "mlflow.tracking.fluent",
        ):
            logging.getLogger(name).setLevel(logging.WARNING)
        with store_lock(uri):
            _create_database(uri, home)
            client = MlflowClient(uri)
            found = client.get_experiment_by_name(experiment)
            if found is None:
                found = _create_experiment(client, experiment, artifact_location(uri, home))
        if found.lifecycle_stage == "deleted":
            raise RoleShiftError(
                f"tracking store {redacted(uri)}: the experiment {experiment!r} is deleted there; restore it "
                f"(`mlflow experiments restore --experiment-id {found.experiment_id}`) "
                "or name another in registry.experiment"
            )
        refuse_moved(uri, found.artifact_location)
        return Tracking(uri, client, found.experiment_id)


def tracking_of(project: Project, params: Params, *, create: bool = True) -> Tracking:
    """The tracking store of a project or of a run below it; without `create` a missing SQLite file is an error."""
    database = sqlite_path(project.tracking_uri)
    if not create and database is not None and not database.is_file():
        raise RoleShiftError(f"tracking store {database}: no such file; run `make repro`, or bring it back")
    home = project.root if project.is_run else project.home
    return open_tracking(project.tracking_uri, home, params.registry.experiment)


def _create_database(uri: str, home: Path) -> None:
    """Make a new SQLite store under another name and rename it: a kill leaves no half-made tables."""
    database = sqlite_path(uri)
    if database is None or database.exists():
        return
    # Loading it takes a second, which a server's clients need not wait.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = database.with_name(f"{database.name}.new")
    unfinished.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{unfinished}", artifact_location(uri, home))  # type: ignore[no-untyped-call]
    store.engine.dispose()
    unfinished.rename(database)


def _create_experiment(client: MlflowClient, experiment: str, location: str | None) -> Experiment:
    try:
        client.create_experiment(experiment, artifact_location=location)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another machine was first
            raise
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise RoleShiftError(f"the tracking store does not keep the experiment {experiment!r}; check its rights")
    return found


def is_server(uri: str) -> bool:
    """Whether a URI names an MLflow server."""
    return uri.startswith(("http://", "https://"))


def artifact_location(uri: str, home: Path) -> str | None:
    """Where artifacts go: beside an SQLite file, below `home` for another database, else the server's choice."""
    database = sqlite_path(uri)
    if database is not None:
        return (database.parent / FOLDER).as_uri()
    if is_server(uri):
        return None
    return (home / FOLDER).resolve().as_uri()


def _cause(error: Exception) -> str:
    """Why a request was given up after its retries, in brackets; urllib3 names it at the end of its message."""
    found = str(error).partition("Caused by ")[2].splitlines()
    return f" ({found[0][:150].rstrip(')')})" if found else ""


@contextmanager
def reporting(uri: str) -> Iterator[None]:
    """Turn a failing store into one line that names it, without its password, and says what to do."""
    try:
        yield
    except CommandError as error:
        raise RoleShiftError(
            f"tracking store {redacted(uri)}: its schema is of another MLflow version ({first_line(error)}); "
            "install that version, or back the store up and run `mlflow db upgrade`"
        ) from error
    except ModuleNotFoundError as error:
        raise RoleShiftError(
            f"tracking store {redacted(uri)}: {error.name} is not installed; install the extra `team` (docs/team.md)"
        ) from error
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        remedy = "check that it is up and that you may write to it"
        if "schema" in str(error) and "upgrade" in str(error):
            remedy = "back it up and run `mlflow db upgrade` on it, or use the MLflow version that wrote it"
        raise RoleShiftError(
            f"tracking store {redacted(uri)}: {first_line(error, uri)}{_cause(error)}; {remedy}, "
            "then run again: nothing computed is lost"
        ) from error
