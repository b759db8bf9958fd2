"""What the words of a comparison name."""

from pathlib import Path

import pytest
import yaml
from made_project import REPOSITORY

from roleshift.errors import RoleShiftError
from roleshift.params import load_params
from roleshift.registry.sides import tasks_of


def run_folder(folder: Path, metric: str) -> Path:
    """A run with a task of its own, scored by this metric."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    first = next(iter(content["corpora"].values()))
    content["tasks"] = {"own": {
        "capability": "summarize", "kind": "generate", "instruction": "Do it.", "domain": "tests", "language": "en",
        "metric": metric, "threshold": 0.4, "threshold_reason": "for the tests",
    }}  # fmt: skip
    content["corpora"] = {"mine": {**first, "task": "own"}}
    content["prepare"]["sizes"]["validation"] = 60
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def test_a_runs_own_tasks_are_known_where_it_is_compared(tmp_path: Path) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    runs = [run_folder(tmp_path / name, "rouge_l") for name in ("a", "b")]
    found = tasks_of(params, (f"{runs[0]}:onnx-int8", str(runs[1]), "champion"))
    assert set(found) == {*params.task_definitions(), "own"}


def test_two_runs_that_score_one_task_by_different_metrics_are_not_compared(tmp_path: Path) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    runs = [run_folder(tmp_path / metric, metric) for metric in ("rouge_l", "bleu")]
    with pytest.raises(RoleShiftError, match=r"tasks\.own\.metric: rouge_l in .*rouge_l/params.yaml, bleu in"):
        tasks_of(params, map(str, runs))
