"""Facts about systems: what a run's files say, what differs, and who lies on the Pareto front."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from roleshift.files import read_json, write_json
from roleshift.project import Project
from roleshift.registry.figures import stage_seconds
from roleshift.registry.registering import Registered
from roleshift.registry.system_facts import (
    SystemFacts,
    candidates_frame,
    changes_frame,
    curve_frame,
    mean_scores,
    robustness_frame,
    run_facts,
    tradeoff_frame,
    version_facts,
)
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import list_versions

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RUN = REPOSITORY / "docs/default-run"


def test_facts_are_those_of_the_runs_files() -> None:
    shipped = read_json(RUN / "metrics/evaluate.json")["tuned"]["shipped"]
    facts = run_facts(Project(REPOSITORY, REPOSITORY), RUN, shipped)
    timed = read_json(RUN / "metrics/timings/evaluate.json")[shipped]
    assert facts.answers_per_second == pytest.approx(
        timed["items"] / (timed["prompt_seconds"] + timed["decode_seconds"])
    )
    assert facts.bytes == read_json(RUN / "metrics/export.json")["variants"][shipped]["bytes"]
    curve = [row for row in read_json(RUN / "plots/finetune/learning_curve.json") if row.get("loss") is not None]
    assert curve_frame([facts]).height == len(curve)
    noise = robustness_frame([facts])
    assert noise.drop_nulls("capability").height == 5
    assert facts.settings == {}  # the committed run's params are not recorded beside it


def test_a_system_is_on_the_front_unless_another_is_as_good_in_everything_and_better_in_something() -> None:
    facts = [
        SystemFacts("small", 100, 5.0), SystemFacts("large", 500, 2.0), SystemFacts("beaten", 500, 2.0),
        SystemFacts("unknown", None, 9.0),
    ]  # fmt: skip
    found = tradeoff_frame(facts, {"small": 30.0, "large": 40.0, "beaten": 35.0, "unknown": 50.0})
    assert dict(found.select("system", "pareto").iter_rows()) == {
        "small": True, "large": True, "beaten": False, "unknown": None,
    }  # fmt: skip


def test_candidates_have_what_select_measured_and_the_reason_last() -> None:
    selection = read_json(RUN / "metrics/selection.json")
    found = candidates_frame(selection)
    assert found["variant"].to_list() == [entry["variant"] for entry in selection["candidates"]]
    assert found["quality"].to_list() == pytest.approx([100 * entry["quality"] for entry in selection["candidates"]])
    assert found["megabytes"].to_list() == pytest.approx([entry["bytes"] / 1e6 for entry in selection["candidates"]])
    assert (found.columns[0], found.columns[-1]) == ("variant", "outcome")
    outcomes = dict(found.select("variant", "outcome").iter_rows())
    assert outcomes[selection["shipped"]] == "ships"
    assert outcomes["onnx-fp32"] == "reference"
    for entry in selection["candidates"]:
        assert (outcomes[entry["variant"]] == "may be worse") == (entry.get("not_worse") is False)
    assert candidates_frame({}).is_empty()


def test_a_mean_is_over_primary_metrics_alone() -> None:
    values = pl.DataFrame({"system": ["a", "a", "a"], "primary": [True, True, False], "value": [10.0, 30.0, 90.0]})
    assert mean_scores(values) == {"a": 20.0}


def test_only_what_differs_is_listed_and_what_is_not_recorded_says_nothing() -> None:
    one = SystemFacts("one", settings={"seed": "17", "train.rank": "16"})
    two = SystemFacts("two", settings={"seed": "17", "train.rank": "8", "train.alpha": "32"})
    found = changes_frame([one, two, SystemFacts("three")], "settings")
    assert found.rows() == [("train.alpha", None, "32"), ("train.rank", "16", "8")]
    assert found.columns == ["name", "one", "two"]


def test_measured_time_is_summed_by_stage(tmp_path: Path) -> None:
    timings = {
        "baseline": {"base": {"prompt_seconds": 2.0, "decode_seconds": 3.0, "prompt_tokens_per_second": 900.0}},
        "export": {"merge": 4.0},
        "finetune": {"seconds": 10.0, "peak_memory_gb": 3.0},
        "select": {"tokens_per_second": 600.0},
    }
    for stage, figures in timings.items():
        write_json(tmp_path / f"metrics/timings/{stage}.json", figures)
    assert stage_seconds(tmp_path) == {"baseline": 5.0, "export": 4.0, "finetune": 10.0}
    expected = read_json(RUN / "metrics/timings/finetune.json")["seconds"]
    assert stage_seconds(RUN)["finetune"] == pytest.approx(expected)


def test_a_version_has_the_learning_curve_of_its_run(
    registering: Callable[..., Registered], tracking: Tracking, root: Path, tmp_path: Path
) -> None:
    registering()
    (tuned,) = [version for version in list_versions(tracking, "roleshift") if version.kind == "tuned"]
    curve = [row for row in read_json(root / "plots/finetune/learning_curve.json") if row.get("loss") is not None]
    assert curve
    assert curve_frame([version_facts(tracking, tuned, "tuned", tmp_path / "versions")]).height == len(curve)
