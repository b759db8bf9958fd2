"""Weights in the store: those of retired versions can go, and a rollback works afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_project import make_project

from roleshift.housekeeping import remove_artifacts, unneeded_artifacts
from roleshift.project import Project
from roleshift.registry import promotion, storage
from roleshift.registry.gate import Rule, Verdict
from roleshift.registry.registering import Registered
from roleshift.registry.storage import remove_weights, unneeded_weights
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import resolve

NAME = "roleshift"


@pytest.fixture
def versions(registering: Callable[..., Registered], root: Path) -> list[int]:
    """Version 1 is the base; 2 to 6 are tuned models, 6 the challenger."""
    numbers = [registering().base.number]
    for weights in ("tuned", "second", "third", "fourth", "fifth"):
        make_project(root, weights=weights)
        numbers.append(registering().tuned.number)
    return numbers


def promote(tracking: Tracking, number: int, expected: int | None) -> None:
    verdict = Verdict(number, expected, (Rule("better", "pass", "by test"),))
    version = resolve(tracking, NAME, str(number))
    promotion.promote(tracking, version, verdict, expected=expected, who="ann", reason="test")


def retire(tracking: Tracking, number: int) -> None:
    promotion.retire(tracking, resolve(tracking, NAME, str(number)), who="ann", reason="test")


def intact(tracking: Tracking, number: int) -> bool:
    try:
        return promotion.verify(tracking, resolve(tracking, NAME, str(number))) > 0
    except promotion.RoleShiftError:
        return False


def test_only_retired_versions_lose_their_weights_and_every_rollback_still_works(
    tracking: Tracking, versions: list[int]
) -> None:
    for number, before in ((2, None), (3, 2), (4, 3)):
        promote(tracking, number, before)
    assert unneeded_weights(tracking, NAME) == []
    retire(tracking, 3)  # was champion before
    retire(tracking, 5)  # never was
    found = unneeded_weights(tracking, NAME)
    assert [weights.reason for weights in found] == [f"version {n} (onnx-int8) is retired" for n in (3, 5)]
    assert found[0].size == len("int8 second") + len("adapter of second") + len('{\n  "variant": "onnx-int8"\n}\n')
    assert remove_weights(tracking, NAME, found) == found
    assert {number for number in versions if intact(tracking, number)} == {1, 2, 4, 6}
    assert unneeded_weights(tracking, NAME) == []
    entry = promotion.rollback(tracking, NAME, expected=4, who="bob", reason="worse in use")
    assert entry.version_to == 2
    assert intact(tracking, 2)


def test_what_came_into_use_between_the_look_and_the_removal_stays(tracking: Tracking, versions: list[int]) -> None:
    retire(tracking, 2)
    found = unneeded_weights(tracking, NAME)
    tracking.client.set_registered_model_alias(NAME, "pinned", "2")
    assert remove_weights(tracking, NAME, found) == []
    assert intact(tracking, 2)


def test_an_old_upload_without_a_version_goes_and_a_fresh_one_stays(
    tracking: Tracking, versions: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left/model.onnx").write_text("1234567")
    logged = tracking.client.create_logged_model(
        tracking.experiment_id, name="tuned", tags={"roleshift.model_name": NAME, "roleshift.content_id": "left"}
    )
    tracking.client.log_model_artifacts(logged.model_id, str(tmp_path / "left"))
    model = tmp_path / "model/artifacts/onnx-int8"
    model.mkdir(parents=True)
    (model / "model.onnx").write_text("12345")
    tracking.client.log_model_artifacts(logged.model_id, str(tmp_path / "model"))
    assert unneeded_weights(tracking, NAME) == []
    monkeypatch.setattr(storage, "GRACE_SECONDS", -60)
    [found] = unneeded_weights(tracking, NAME)
    assert (found.logged_model, found.size) == (logged.model_id, 5)
    remove_weights(tracking, NAME, [found])
    assert unneeded_weights(tracking, NAME) == []


def test_the_command_finds_them_beside_finished_work(
    tracking: Tracking, versions: list[int], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    retire(tracking, 2)
    project = Project.discover(root)
    for folder, complete in (("a", True), ("b", False), ("c", False)):
        path = project.work / "finetune" / folder / "checkpoints/step-20"
        path.parent.mkdir(parents=True)
        path.write_text("12345678")
        if complete:
            (project.work / "finetune" / folder / "complete.json").write_text("{}")
    (project.work / "finetune.lock").write_text("")
    served = project.work / "served"
    for version in ("2", "6"):
        copy = served / resolve(tracking, NAME, version).content_id
        copy.mkdir(parents=True)
        (copy / "model.onnx").write_text("123")
    found = unneeded_artifacts(project)
    by_reason = {entry.reason: entry for entry in found}
    assert set(by_reason) == {
        "its outputs are published",
        "a later attempt with other inputs came after it",
        "copy for serving of a version without an alias",
        "version 2 (onnx-int8) is retired",
    }
    assert by_reason["its outputs are published"].size == 8 + 2
    assert remove_artifacts(found) == found
    assert [path.name for path in (project.work / "finetune").iterdir()] == ["c"]
    assert [path.name for path in served.iterdir()] == [resolve(tracking, NAME, "6").content_id]
    assert (root / "models/onnx/onnx-int8/model.onnx").is_file()
    assert not intact(tracking, 2)
    assert unneeded_artifacts(project) == []
