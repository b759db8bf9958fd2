"""Cleaning removes what no run needs and nothing else."""

import shutil
from pathlib import Path

import pytest

from roleshift.housekeeping import clean
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
