"""A run beside the default has its own files, and an error names what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from roleshift.errors import RoleShiftError
from roleshift.params import load_params
from roleshift.project import Project
from roleshift.runs import prepare_run

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    (tmp_path / "src/pkg").mkdir(parents=True)
    (tmp_path / "src/pkg/a.py").write_text("a = 1")
    (tmp_path / "pipelines").mkdir()
    return Project.discover(tmp_path)


def test_a_run_has_its_own_params_and_code_and_shares_the_downloads(checkout: Project) -> None:
    overlay = checkout.root / "mine.yaml"
    overlay.write_text("train: {rank: 4}")
    folder = prepare_run(checkout, overlay, "mine")
    assert load_params(folder / "params.yaml").train.rank == 4
    assert (folder / "src/pkg/a.py").read_text() == "a = 1"
    inner = Project.discover(folder)
    assert inner.is_run
    assert inner.home == checkout.home
    assert inner.downloads == checkout.downloads
    assert inner.work == folder / ".work"


def test_code_that_went_away_goes_away_in_the_run(checkout: Project) -> None:
    overlay = checkout.root / "mine.yaml"
    overlay.write_text("seed: 1")
    folder = prepare_run(checkout, overlay, "mine")
    (checkout.root / "src/pkg/a.py").unlink()
    (checkout.root / "src/pkg/b.py").write_text("")
    prepare_run(checkout, overlay, "mine")
    assert [p.name for p in (folder / "src/pkg").iterdir()] == ["b.py"]


@pytest.mark.parametrize(
    ("text", "name", "message"), [("nope: 1", "ok", "nope: unknown key"), ("seed: 1", "../x", "--name")]
)
def test_bad_input_makes_no_run(checkout: Project, text: str, name: str, message: str) -> None:
    overlay = checkout.root / "mine.yaml"
    overlay.write_text(text)
    with pytest.raises(RoleShiftError, match=message):
        prepare_run(checkout, overlay, name)
    assert not (checkout.root / "runs").exists()


@pytest.mark.parametrize("folder", ["abc", "standalone/abc"])
def test_a_temporary_experiment_belongs_to_the_main_checkout(checkout: Project, folder: str) -> None:
    temporary = checkout.root / ".dvc/tmp/exps" / folder
    temporary.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (temporary / name).write_bytes((REPOSITORY / name).read_bytes())
    inner = Project.discover(temporary)
    assert inner.root == temporary.resolve()
    assert inner.home == checkout.home
    assert inner.source_path("mine.jsonl") == checkout.home / "mine.jsonl"


def test_the_command_line_prints_one_line_and_no_trace(checkout: Project) -> None:
    command = [str(Path(sys.executable).parent / "roleshift")]
    result = subprocess.run(
        [*command, "run", "--params", "gone.yaml", "--name", "x"],
        cwd=checkout.root,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert result.returncode == 1
    assert result.stderr == "roleshift: gone.yaml: no such file\n"
