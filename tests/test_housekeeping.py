"""Cleaning removes what no run needs and nothing else."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roleshift.alerts import alert_file, alerts_of
from roleshift.cli import app
from roleshift.files import sha256_file, write_json
from roleshift.housekeeping import clean, freed_by, unneeded_artifacts
from roleshift.project import Project

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for path in (
        ".work/finetune/abc/checkpoint",
        ".work/downloads/d/x.whl",
        "models/adapter/w",
        "models/.adapter.1.tmp/w",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("1234")
    (tmp_path / ".work/generations.sqlite").write_text("")
    return Project.discover(tmp_path)


def test_stage_folders_and_leftovers_go_and_the_rest_stays(project: Project) -> None:
    removed = {entry.path.relative_to(project.root).as_posix(): entry.size for entry in clean(project)}
    assert removed == {".work/finetune": 4, "models/.adapter.1.tmp": 4}
    assert (project.root / "models/adapter/w").exists()
    assert (project.downloads / "d/x.whl").exists()
    assert project.generations.exists()


def test_downloads_and_answers_go_when_asked(project: Project) -> None:
    clean(project, downloads=True, generations=True)
    assert not project.downloads.exists()
    assert not project.generations.exists()


def test_a_stage_that_runs_keeps_its_folder_and_alerts_stay(project: Project) -> None:
    write_json(alert_file(project, "serving"), {"alert": "the registry cannot be asked"})
    with (project.work / "finetune.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [entry.path.name for entry in clean(project)] == [".adapter.1.tmp"]
    assert (project.work / "finetune/abc/checkpoint").exists()
    assert [entry.path.name for entry in clean(project)] == ["finetune"]
    assert [alert.kind for alert in alerts_of(project)] == ["serving"]


@pytest.fixture
def finished(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A stage's finished folder, one hard link of whose outputs is published."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(project.root)
    work = project.work / "export/abc"
    (work / "out").mkdir(parents=True)
    (work / "out/model.onnx").write_text("published")
    os.link(work / "out/model.onnx", project.root / "models/model.onnx")
    (work / "merged").write_text("123456")
    (work / "complete.json").write_text("{}")
    (project.work / "export.lock").write_text("")
    return project


def test_finished_work_is_listed_with_what_the_disk_gains(finished: Project) -> None:
    [entry, leftover] = unneeded_artifacts(finished)
    assert (entry.label, entry.size) == (".work/export/abc", 6 + 2)
    assert leftover.label == "models/.adapter.1.tmp"
    assert freed_by(finished.root / "models/model.onnx") == 0


def test_a_stage_that_runs_is_left_alone(finished: Project) -> None:
    with (finished.work / "export.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [entry.label for entry in unneeded_artifacts(finished)] == ["models/.adapter.1.tmp"]


def test_the_command_removes_on_confirmation_only(finished: Project) -> None:
    asked = CliRunner().invoke(app, ["clean", "--artifacts"], input="n\n")
    assert ".work/export/abc: its outputs are published" in asked.output
    assert "nothing removed" in asked.output
    assert (finished.work / "export/abc").is_dir()
    done = CliRunner().invoke(app, ["clean", "--artifacts", "--yes"])
    assert done.exit_code == 0
    assert "removed" in done.output
    assert not (finished.work / "export/abc").exists()
    assert (finished.root / "models/model.onnx").read_text() == "published"
    assert (finished.root / "models/adapter/w").exists()
    again = CliRunner().invoke(app, ["clean", "--artifacts"])
    assert "nothing to remove" in again.output


def test_runs_are_looked_through_and_their_outputs_stay(finished: Project) -> None:
    run = finished.root / "runs/other"
    (run / ".work/select/old").mkdir(parents=True)
    (run / ".roleshift-run").write_text("../..\n")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, run / name)
    (run / ".work/select/old/complete.json").write_text("{}")
    (run / ".work/select.lock").write_text("")
    (run / "models").mkdir()
    (run / "models/model.onnx").write_text("needed by the run")
    labels = [entry.label for entry in unneeded_artifacts(finished)]
    assert "runs/other/.work/select/old" in labels
    assert not any("model.onnx" in label for label in labels)


def test_a_converted_base_goes_when_no_run_has_its_file(finished: Project) -> None:
    used = finished.root / "data/raw/base/model.gguf"
    used.parent.mkdir(parents=True)
    used.write_text("weights")
    for name in (sha256_file(used), "0" * 64):
        (finished.converted / name).mkdir(parents=True)
        (finished.converted / name / "model.safetensors").write_text("1234")
    found = [entry.label for entry in unneeded_artifacts(finished) if "converted" in entry.label]
    assert found == [f".work/converted/{'0' * 64}"]
