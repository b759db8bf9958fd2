"""A server that starts again: without the registry it serves what it served before, checked as always."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served_models import add_version

from roleshift.errors import RoleShiftError
from roleshift.files import read_json, write_json
from roleshift.params import merge_params, parse_params, read_yaml
from roleshift.project import Project
from roleshift.registry.tracking import Tracking, tracking_of
from roleshift.serving.versions import ServedVersions

REPOSITORY = Path(__file__).parents[2]
Server = Callable[..., ServedVersions]


def away() -> Tracking:
    raise RoleShiftError("tracking store http://registry: connection refused")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path / "params.yaml")
    return Project(tmp_path, tmp_path)


@pytest.fixture
def server(project: Project) -> Iterator[Server]:
    """A new server of the project after its first look, with or without the registry."""
    started: list[ServedVersions] = []

    def start(registry: Callable[[], Tracking] | None = None, **serving: object) -> ServedVersions:
        over = {"serving": serving, "generation": {"threads": 1}}
        params = parse_params(merge_params(read_yaml(project.root / "params.yaml"), over), "params.yaml")
        started.append(ServedVersions(registry or (lambda: tracking_of(project, params)), params, project))
        started[-1].refresh()
        return started[-1]

    yield start
    for each in started:
        each.close(10)


@pytest.fixture
def served_once(server: Server, project: Project, first_model: Path) -> Tracking:
    """The registry, after a server has served its @challenger."""
    tracking = tracking_of(project, parse_params(read_yaml(project.root / "params.yaml"), "params.yaml"))
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    assert server().alert is None
    return tracking


def copy_of(project: Project, name: str) -> Path:
    (found,) = (project.work / "served").rglob(name)
    return found


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.usefixtures("served_once")
def test_without_the_registry_the_last_copy_serves_and_an_alert_says_so(server: Server, project: Project) -> None:
    again = server(away)
    assert again.main is not None
    assert (again.main.name, again.from_copy) == ("roleshift/1", True)
    assert again.choose("roleshift@challenger") is again.main
    said = "connection refused; roleshift/1 is served from its last verified copy"
    assert said in read_json(project.work / "alerts/serving.json")["alert"]


def test_the_registry_is_followed_again_as_soon_as_it_is_back(
    server: Server, served_once: Tracking, second_model: Path
) -> None:
    again = server(away)
    copy = again.main
    again._open = lambda: served_once
    again.refresh()
    assert (again.from_copy, again.alert, again.switches) == (False, None, 0)
    assert copy is not None
    assert again.main is not None
    assert again.main.batcher is copy.batcher  # what is loaded already is not loaded again
    add_version(served_once, second_model, "challenger", "onnx-fp32")
    again.refresh()
    assert again.main.name == "roleshift/2"
    assert server(away).choose("roleshift/2") is not None  # the next restart knows the new one


@pytest.mark.usefixtures("served_once")
def test_an_altered_copy_is_not_served(server: Server, project: Project) -> None:
    flip(copy_of(project, "model.onnx.data"))
    again = server(away)
    assert again.main is None
    assert "model.onnx.data: differs from the registered content" in str(again.alert)
    assert "no usable copy" in str(again.alert)
    again.refresh()  # nor at the next look, when the copy is gone
    assert again.main is None


@pytest.mark.usefixtures("served_once")
def test_an_altered_copy_is_brought_anew_when_the_registry_is_back(
    server: Server, project: Project, served_once: Tracking
) -> None:
    flip(copy_of(project, "model.onnx.data"))
    again = server(away)
    again._open = lambda: served_once
    again.refresh()
    assert again.main is not None
    assert (again.alert, again.from_copy) == (None, False)


@pytest.mark.usefixtures("served_once")
@pytest.mark.parametrize("change", ["store", "alias", "content", "release"])
def test_a_record_that_is_of_something_else_serves_nothing(server: Server, project: Project, change: str) -> None:
    path = copy_of(project, "roleshift@champion.json")
    record = read_json(path)
    if change == "store":
        record["store"] = "sqlite:////elsewhere/mlflow.db"
    elif change == "content":  # another version's id on this copy's folder
        found = record["roles"]["main"]
        copy = project.work / "served" / found["content_id"]
        found["content_id"] = "0" * len(found["content_id"])
        copy.rename(copy.with_name(found["content_id"]))
    elif change == "release":
        record["roles"]["main"]["unknown"] = 1
    write_json(path, record)
    assert server(away, **({"alias": "other"} if change == "alias" else {})).main is None


def test_a_new_version_that_cannot_be_loaded_leaves_the_last_copy_after_a_restart_too(
    server: Server, project: Project, served_once: Tracking, second_model: Path
) -> None:
    add_version(served_once, second_model, "challenger", "onnx-fp32")
    stored = (project.root / "mlartifacts").rglob("onnx-fp32/model.onnx.data")
    flip(max(stored, key=lambda path: path.stat().st_mtime))
    again = server()
    assert again.main is not None
    assert (again.main.name, again.from_copy) == ("roleshift/1", True)
    assert "version 2 cannot be served" in str(again.alert)
