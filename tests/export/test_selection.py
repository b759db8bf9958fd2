"""The decision which variant ships."""

from dataclasses import replace

import polars as pl
import pytest

from roleshift.errors import RoleShiftError
from roleshift.export.selection import Candidate, compare_quality, decide, primary_scores
from roleshift.export.throughput import speedup
from roleshift.params import SelectParams
from roleshift.tasks import catalogue_tasks

PARAMS = SelectParams(margin=0.05, confidence=0.95)


def scored(shift: float, n: int = 60) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "example_id": [f"{i:03d}" for i in range(n)],
            "capability": ["classify" if i % 3 else "summarize" for i in range(n)],
            "group_id": [str(i) for i in range(n)],
            "score": [min(1.0, max(0.0, 0.3 + (i % 7) / 10 + shift)) for i in range(n)],
        }
    )


def candidate(shift: float, ratios: list[float]) -> Candidate:
    result = compare_quality(scored(shift), scored(0.0), 0.95, seed=1)
    base = [100.0, 101.0, 99.0]
    fast = speedup([b * r for b, r in zip(base, ratios, strict=True)], base, 0.95)
    return Candidate("onnx-int8", 10, 0.6 + shift, {"classify": 0.6}, result, fast)


REFERENCE = Candidate("onnx-fp32", 20, 0.6, {"classify": 0.6}, None, None)


def test_equal_and_faster_ships() -> None:
    selection = decide([REFERENCE, candidate(0.0, [1.5, 1.6, 1.55])], PARAMS)
    assert selection["shipped"] == selection["by_rule"] == "onnx-int8"


def test_worse_by_more_than_the_margin_does_not_ship() -> None:
    selection = decide([REFERENCE, candidate(-0.1, [1.5, 1.6, 1.55])], PARAMS)
    assert selection["shipped"] == "onnx-fp32"
    assert "worse" in selection["candidates"][1]["reason"]


def test_faster_within_the_noise_does_not_ship() -> None:
    selection = decide([REFERENCE, candidate(0.0, [1.4, 0.9, 1.0])], PARAMS)
    assert selection["shipped"] == "onnx-fp32"
    assert "noise" in selection["candidates"][1]["reason"]


def test_override_ships_and_is_recorded() -> None:
    selection = decide([REFERENCE, candidate(-0.1, [1, 1, 1.1])], PARAMS.model_copy(update={"ship": "onnx-int8"}))
    assert (selection["shipped"], selection["by_rule"], selection["override"]) == (
        "onnx-int8",
        "onnx-fp32",
        "onnx-int8",
    )
    with pytest.raises(RoleShiftError, match="was not exported"):
        decide([REFERENCE], PARAMS.model_copy(update={"ship": "onnx-int4"}))


def test_too_few_items_ship_the_reference() -> None:
    few = compare_quality(scored(0.0, 3), scored(0.0, 3), 0.95, seed=1)
    selection = decide([REFERENCE, replace(candidate(0.0, [2, 2.1, 2]), paired=few)], PARAMS)
    assert selection["shipped"] == "onnx-fp32"
    assert "too few" in selection["candidates"][1]["reason"]


def test_bound_is_on_the_mean_over_capabilities() -> None:
    lower = scored(0.0).with_columns(
        pl.when(pl.col("capability") == "summarize")
        .then(pl.col("score") - 0.2)
        .otherwise(pl.col("score"))
        .alias("score")
    )
    # A third of the items, but half of the mean over two capabilities.
    assert compare_quality(lower, scored(0.0), 0.95, seed=1).difference == pytest.approx(-0.1)


def test_only_the_primary_metric_counts() -> None:
    items = pl.DataFrame(
        {"example_id": ["a"], "task_definition": ["summarize-papers"], "capability": ["summarize"], "group_id": ["g"]}
    )
    scores = pl.DataFrame({"example_id": ["a", "a"], "metric": ["bleu", "rouge_l"], "score": [0.1, 0.4]})
    assert primary_scores(scores, items, catalogue_tasks())["score"].to_list() == [0.4]
