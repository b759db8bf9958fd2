"""A stage publishes complete outputs only, and picks up what a kill left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from roleshift.errors import RoleShiftError
from roleshift.stage import declared_stage, open_stage

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one stage that reads input.txt and seed, and writes out/ and metrics/m.json."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "input.txt").write_text("a")
    (tmp_path / "dvc.yaml").write_text(
        textwrap.dedent("""
        stages:
          work:
            cmd: "true"
            deps: [input.txt]
            params: [seed]
            outs: [out]
            metrics: [{metrics/m.json: {cache: false}}]
        """)
    )
    return tmp_path


def write_outputs(stage, text: str) -> None:
    (stage.out / "out").mkdir()
    (stage.out / "out/x").write_text(text)
    (stage.out / "metrics/m.json").write_text("{}")


def test_outputs_appear_only_when_the_stage_succeeds(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_stage("work", project) as stage:
        write_outputs(stage, "half")
        raise ZeroDivisionError
    assert not (project / "out").exists()
    with open_stage("work", project) as stage:
        write_outputs(stage, "whole")
    assert (project / "out/x").read_text() == "whole"


def test_the_work_folder_survives_a_failure_and_not_a_change_of_inputs(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_stage("work", project) as stage:
        (stage.work / "checkpoint").write_text("1")
        raise ZeroDivisionError
    with open_stage("work", project) as again:
        assert (again.work / "checkpoint").exists()
        write_outputs(again, "1")
    (project / "input.txt").write_text("b")
    with open_stage("work", project) as other:
        assert not (other.work / "checkpoint").exists()
        write_outputs(other, "2")
    assert not again.work.exists()


def test_outputs_that_dvc_deleted_after_a_kill_are_published_again(project: Path) -> None:
    with open_stage("work", project) as stage:
        write_outputs(stage, "whole")
    shutil.rmtree(project / "out")
    with open_stage("work", project) as again:
        assert again is None
    assert (project / "out/x").read_text() == "whole"


def test_altered_work_is_not_published_again(project: Path) -> None:
    with open_stage("work", project) as stage:
        write_outputs(stage, "whole")
    (stage.work / "out/out/x").write_text("altered")
    with open_stage("work", project) as again:
        assert again is not None
        write_outputs(again, "whole")


@pytest.mark.parametrize("change", ["dependency", "parameter"])
def test_an_input_that_changes_while_the_stage_runs_is_refused(project: Path, change: str) -> None:
    expected = "input.txt" if change == "dependency" else "seed"
    with (
        pytest.raises(RoleShiftError, match=f"{expected} changed while the stage ran"),
        open_stage("work", project) as stage,
    ):
        write_outputs(stage, "x")
        if change == "dependency":
            (project / "input.txt").write_text("z")
        else:
            text = (project / "params.yaml").read_text()
            (project / "params.yaml").write_text(text.replace("seed: 17", "seed: 18"))
    assert not (project / "out").exists()


def test_a_touched_but_equal_input_is_accepted(project: Path) -> None:
    with open_stage("work", project) as stage:
        write_outputs(stage, "x")
        (project / "input.txt").write_text("a")
    assert (project / "out/x").exists()


def test_a_missing_output_is_an_error(project: Path) -> None:
    with pytest.raises(RoleShiftError, match="did not write out"), open_stage("work", project):
        pass


def test_two_processes_never_work_at_one_stage(project: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from roleshift.stage import open_stage
        with open_stage("work", Path(sys.argv[1])) as stage:
            if stage is None:
                print("published")
            else:
                print("working", flush=True)
                time.sleep(1)
                (stage.out / "out").mkdir()
                (stage.out / "out/x").write_text("x")
                (stage.out / "metrics/m.json").write_text("{}")
    """)
    command = [sys.executable, "-c", script, str(project)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert outputs == ["published", "working"]


def test_a_killed_stage_leaves_nothing_half_written(project: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from roleshift.stage import open_stage
        with open_stage("work", Path(sys.argv[1])) as stage:
            (stage.out / "out").mkdir()
            (stage.out / "out/x").write_text("half")
            print("half", flush=True)
            time.sleep(60)
    """)
    process = subprocess.Popen([sys.executable, "-c", script, str(project)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "half"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project / "out").exists()
    with open_stage("work", project) as stage:
        assert not (stage.out / "out").exists()
        write_outputs(stage, "whole")
    assert (project / "out/x").read_text() == "whole"


def test_the_real_dvc_file_declares_every_stage_once_and_templates_are_filled() -> None:
    declared = declared_stage(REPOSITORY, "finetune")
    assert "data/raw/smollm2" in declared.deps
    assert "models/adapter" in declared.outs
    assert json.dumps(declared.params)
