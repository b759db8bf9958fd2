"""A server that fails in the middle of `register`: bounded retries, one clear line, and the next run completes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_project import make_project
from members import Team
from proxy import Faults, failing_proxy
from servers import SECRET, password

from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree
from roleshift.registry.identity import acting_user
from roleshift.registry.manifest import read_made
from roleshift.registry.registering import Registered, register
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import list_versions

pytestmark = pytest.mark.team


@pytest.fixture
def faults(team: Team, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """A proxy before the server; MLflow's client waits a second and tries twice."""
    for name, value in {
        "MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password("admin"),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ROLESHIFT_AUDIT_URI", raising=False)
    with failing_proxy(team.server, silence=20) as found:
        yield found


def registered(uri: str, root: Path, name: str) -> tuple[Tracking, Registered]:
    tracking = open_tracking(uri, root, name)
    return tracking, register(tracking, root, name, read_made(root, "smollm2"), experiment=None, move_aliases=True)


@pytest.mark.parametrize(("fault", "said"), [("error", "503"), ("silent", "timed out")])
def test_registering_on_a_failing_server_stops_with_one_line_and_the_next_run_completes(
    faults: Faults, tmp_path: Path, fault: str, said: str
) -> None:
    root = make_project(tmp_path / "project", weights=fault)
    before = hash_tree(root / "evidence"), hash_tree(root / "models")
    name = f"faults-{fault}"
    faults.break_after(40, fault)
    with pytest.raises(RoleShiftError, match=f"{faults.address}.*nothing computed is lost") as caught:
        registered(faults.address, root, name)
    message = str(caught.value)
    assert said in message
    assert len(message.splitlines()) == 1
    assert SECRET not in message
    assert len(faults.requests) <= 40 + 2 * 3  # of two requests in flight, each is tried three times
    assert (hash_tree(root / "evidence"), hash_tree(root / "models")) == before
    faults.break_after(0, "")
    tracking, found = registered(faults.address, root, name)
    assert [(v.number, v.complete, v.aliases) for v in list_versions(tracking, name)] == [
        (1, True, ("baseline",)),
        (2, True, ("challenger",)),
    ]
    assert len(tracking.client.search_runs([tracking.experiment_id])) == 2
    assert tracking.client.get_run(found.pipeline_run).info.status == "FINISHED"


def test_a_server_that_recovers_within_the_retries_is_not_noticed(faults: Faults, tmp_path: Path) -> None:
    tracking = open_tracking(faults.address, tmp_path, "recovers")
    faults.break_after(1, "error", recovers_after=2)
    assert tracking.client.get_experiment(tracking.experiment_id).name == "recovers"
    assert acting_user(faults.address) == "admin"


def test_who_acts_is_whom_the_server_has_authenticated(
    faults: Faults, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    with pytest.raises(RoleShiftError, match="does not accept your credentials; set MLFLOW_TRACKING_USERNAME"):
        acting_user(faults.address)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password("ann"))
    assert acting_user(faults.address) == "ann"
