"""The pipeline's state is what DVC says: up to date, stale with the reason, not there, running."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from roleshift.errors import RoleShiftError
from roleshift.pipeline_state import declared_stages, pipeline_state

DVC_YAML = """
stages:
  first:
    cmd: python -c "import shutil; shutil.copy('source.txt', 'one.txt')"
    deps: [source.txt]
    params: [size]
    outs: [one.txt]
  second:
    cmd: python -c "import shutil; shutil.copy('one.txt', 'two.txt')"
    deps: [one.txt]
    outs: [two.txt]
  third:
    cmd: python -c "import shutil; shutil.copy('two.txt', 'three.txt')"
    deps: [one.txt, two.txt]
    outs: [three.txt]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_text("size: 1\n")
    (folder / "source.txt").write_text("text\n")
    for arguments in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True)
    return folder


def states(folder: Path) -> dict[str, str]:
    return {stage.name: stage.state for stage in pipeline_state(folder)}


def test_a_stage_is_stale_for_what_changed_and_the_others_after_it_are_not_yet(made: Path) -> None:
    found = pipeline_state(made)
    assert [stage.name for stage in found] == ["first", "second", "third"]
    assert [stage.needs for stage in found] == [(), ("first",), ("second",)]  # not first again: it follows
    assert states(made) == dict.fromkeys(("first", "second", "third"), "current")
    (made / "params.yaml").write_text("size: 2\n")
    first = pipeline_state(made)[0]
    assert (first.state, first.reasons) == ("stale", ("params: params.yaml",))
    (made / "params.yaml").write_text("size: 1\n")
    (made / "two.txt").unlink()
    assert states(made)["third"] == "absent"


def test_a_stage_whose_lock_is_held_runs_now(made: Path) -> None:
    (made / ".work").mkdir(exist_ok=True)
    with (made / ".work/second.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert {stage.name: stage.state for stage in declared_stages(made)}["second"] == "running"
    assert {stage.state for stage in declared_stages(made)} == {"unknown"}


def test_where_there_is_no_dvc_it_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "params.yaml").write_text("size: 1\n")
    with pytest.raises(RoleShiftError, match="DVC cannot tell"):
        pipeline_state(tmp_path)
