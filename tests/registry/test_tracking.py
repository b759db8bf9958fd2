import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from roleshift.databases import redacted, sqlite_path
from roleshift.errors import RoleShiftError
from roleshift.registry.tracking import artifact_location, open_tracking

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["roleshift.registry.tracking"])


def _open(uri: str, home: Path) -> None:
    open_tracking(uri, home, "roleshift")


def test_two_first_uses_at_once_share_one_database_and_one_experiment(tmp_path):
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    processes = [_context.Process(target=_open, args=(uri, tmp_path)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    experiments = open_tracking(uri, tmp_path, "roleshift").client.search_experiments()
    assert sorted(e.name for e in experiments) == ["Default", "roleshift"]


def test_artifacts_lie_beside_an_sqlite_file_wherever_the_process_runs(tracking, tmp_path):
    experiment = tracking.client.get_experiment(tracking.experiment_id)
    assert experiment.artifact_location == (tmp_path / "mlartifacts").as_uri()


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("http://tracking:5000", None),
        ("sqlite:////srv/store/mlflow.db", "file:///srv/store/mlartifacts"),
        ("postgresql://u:p@host/db", "file:///home/project/mlartifacts"),
    ],
)
def test_where_artifacts_go(uri, location):
    assert artifact_location(uri, Path("/home/project")) == location


def test_only_sqlite_has_a_path():
    assert sqlite_path("sqlite:////a b/c.db") == Path("/a b/c.db")
    assert sqlite_path("http://host") is None


def test_a_server_that_is_down_is_one_line_that_names_it_without_its_password(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from roleshift.registry.tracking import open_tracking\n"
        f"open_tracking('http://me:secret@127.0.0.1:9', Path({str(tmp_path)!r}), 'x')\n"
    )
    environment = os.environ | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "tracking store http://***@127.0.0.1:9" in last
    assert "nothing computed is lost" in last
    assert "secret" not in last


def test_a_database_of_a_newer_schema_is_refused_with_the_remedy(tmp_path, migrated):
    database = tmp_path / "newer.db"
    database.write_bytes(migrated.read_bytes())
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ffffffffffff'"))
    engine.dispose()
    with pytest.raises(RoleShiftError, match="mlflow db upgrade"):
        open_tracking(f"sqlite:///{database}", tmp_path, "x")


def test_a_deleted_experiment_is_named(tracking, tmp_path):
    tracking.client.delete_experiment(tracking.experiment_id)
    with pytest.raises(RoleShiftError, match="experiment 'roleshift' is deleted"):
        open_tracking(tracking.uri, tmp_path, "roleshift")


def test_passwords_leave_the_uri():
    assert redacted("postgresql://u:p@h/db") == "postgresql://***@h/db"
    assert redacted("postgresql://u:p@ss@h/db") == "postgresql://***@h/db"
    assert redacted("postgresql://h/db?user=u&password=p&sslmode=require") == (
        "postgresql://h/db?user=u&password=***&sslmode=require"
    )


def test_a_first_use_that_was_killed_leaves_no_half_made_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.new").write_bytes(b"half")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracking = open_tracking(uri, tmp_path, "one")
    assert tracking.client.get_experiment_by_name("one") is not None
    assert not (tmp_path / "mlflow.db.new").exists()
