"""The decision which variant ships."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from roleshift.errors import RoleShiftError
from roleshift.evaluation.statistics import groups_to_certify, smallest_margin
from roleshift.export.candidates import primary_scores
from roleshift.export.invariance import BatchCheck, compare_batches
from roleshift.export.non_inferiority import compare_items, mean_over_capabilities
from roleshift.export.pareto import with_front
from roleshift.export.selection import Candidate, by_preference, decide
from roleshift.export.throughput import speedup
from roleshift.params import SelectParams
from roleshift.tasks import catalogue_tasks

PARAMS = SelectParams(margin=0.05, likelihood_margin=0.05, confidence=0.95)
BASE_SPEEDS = [100.0, 101.0, 99.0]
SAME = BatchCheck(100, ())
CAPABILITIES = ("classify", "headline", "summarize", "translate")


def measured(
    shift: float = 0.0, likelihood: float = 0.0, n: int = 120, by_capability: dict[str, float] | None = None
) -> pl.DataFrame:
    """Items of four capabilities in turn; all scores and likelihoods shifted, some capabilities' scores further."""
    names = [CAPABILITIES[i % 4] for i in range(n)]
    extra = by_capability or {}
    return pl.DataFrame(
        {
            "example_id": [f"{i:03d}" for i in range(n)],
            "capability": names,
            "group_id": [str(i) for i in range(n)],
            "score": [0.4 + (i % 7) / 20 + shift + extra.get(name, 0.0) for i, name in enumerate(names)],
            "log_likelihood": [-2.0 - (i % 5) / 10 + likelihood + 0.001 * (-1) ** i for i in range(n)],
        }
    )


def candidate(
    name: str = "onnx-int8", frame: pl.DataFrame | None = None, ratios: Sequence[float] = (1.5, 1.6, 1.55)
) -> Candidate:
    frame = measured() if frame is None else frame
    return Candidate(
        name=name,
        size=10,
        score=mean_over_capabilities(frame, "score"),
        log_likelihood=mean_over_capabilities(frame, "log_likelihood"),
        by_capability={"classify": 0.6},
        speeds=[base * ratio for base, ratio in zip(BASE_SPEEDS, ratios, strict=True)],
        against=compare_items(frame, measured(n=frame.height), 0.95, seed=1),
    )


REFERENCE = replace(candidate("onnx-fp32", ratios=(1, 1, 1)), against=None)


def decided(
    *others: Candidate, params: SelectParams = PARAMS, batches: dict[str, BatchCheck] | None = None
) -> dict[str, object]:
    checks = batches or {}
    return decide(
        [REFERENCE, *others],
        params,
        groups=120,
        least_margin=smallest_margin(120, 0.95),
        check_batches=lambda name: checks.get(name, SAME),
    )


def reason(selection: dict[str, object], name: str) -> str:
    return str(next(entry["reason"] for entry in selection["candidates"] if entry["variant"] == name))  # type: ignore[attr-defined]


def test_equal_and_faster_ships() -> None:
    selection = decided(candidate())
    assert selection["shipped"] == selection["by_rule"] == "onnx-int8"


def test_worse_by_more_than_the_margin_does_not_ship() -> None:
    selection = decided(candidate(frame=measured(shift=-0.1)))
    assert selection["shipped"] == "onnx-fp32"
    assert "mean score -10.0 points" in reason(selection, "onnx-int8")
    assert "nothing else qualifies" in reason(selection, "onnx-fp32")


def test_equal_answers_that_hold_the_references_less_likely_do_not_ship() -> None:
    selection = decided(candidate(frame=measured(likelihood=-0.2)))
    assert selection["shipped"] == "onnx-fp32"
    assert "-0.200 nats per token" in reason(selection, "onnx-int8")


def test_one_damaged_capability_is_enough_though_the_mean_holds() -> None:
    uneven = measured(by_capability={"classify": -0.12, "headline": 0.1, "summarize": 0.1})
    selection = decided(candidate(frame=uneven))
    assert selection["candidates"][1]["bound"] > -0.05  # type: ignore[index]
    assert selection["shipped"] == "onnx-fp32"
    assert "significantly worse on classify: -12.0 points" in reason(selection, "onnx-int8")


def test_faster_within_the_noise_does_not_ship() -> None:
    selection = decided(candidate(ratios=(1.4, 0.9, 1.0)))
    assert selection["shipped"] == "onnx-fp32"
    assert "noise" in reason(selection, "onnx-int8")


def test_the_fastest_that_answers_alike_at_batch_1_and_8_ships() -> None:
    fastest = candidate("onnx-rotated", ratios=(3.0, 3.1, 3.05))
    assert decided(candidate(), fastest)["shipped"] == "onnx-rotated"
    differing = {"onnx-rotated": BatchCheck(100, ("007", "050"))}
    selection = decided(candidate(), fastest, batches=differing)
    assert selection["shipped"] == "onnx-int8"
    assert "on 2 of 100 prompts (first: example 007)" in reason(selection, "onnx-rotated")


def test_only_what_could_ship_is_asked_at_another_batch_size() -> None:
    asked: list[str] = []

    def check(name: str) -> BatchCheck:
        asked.append(name)
        return SAME

    slower, worse = candidate("onnx-slower", ratios=(1.2, 1.21, 1.2)), candidate("onnx-worse", measured(shift=-0.3))
    decide([REFERENCE, slower, worse, candidate()], PARAMS, groups=120, least_margin=0.02, check_batches=check)
    assert asked == ["onnx-int8"]


def test_of_variants_that_the_noise_does_not_tell_apart_the_likelier_ships() -> None:
    a = candidate("onnx-a", measured(likelihood=-0.02), ratios=(2.1, 1.9, 2.0))
    b = candidate("onnx-b", measured(likelihood=-0.01), ratios=(1.9, 2.05, 2.0))
    clearly = candidate("onnx-c", measured(likelihood=-0.03), ratios=(3.0, 3.0, 3.1))
    assert [each.name for each in by_preference([a, b, clearly], 0.95)] == ["onnx-c", "onnx-b", "onnx-a"]
    selection = decided(a, b)
    assert selection["shipped"] == "onnx-b"
    assert "no faster than onnx-b" in reason(selection, "onnx-a")


def test_override_ships_and_is_recorded_with_what_speaks_against_it() -> None:
    worse = candidate(frame=measured(shift=-0.1))
    differing = {"onnx-int8": BatchCheck(100, ("007",))}
    selection = decided(worse, params=PARAMS.model_copy(update={"ship": "onnx-int8"}), batches=differing)
    assert (selection["shipped"], selection["by_rule"], selection["override"]) == (
        "onnx-int8",
        "onnx-fp32",
        "onnx-int8",
    )
    assert "worse" in reason(selection, "onnx-int8")
    assert selection["candidates"][1]["batches"] == {"prompts": 100, "differing": ["007"]}  # type: ignore[index]
    with pytest.raises(RoleShiftError, match="was not exported"):
        decided(params=PARAMS.model_copy(update={"ship": "onnx-int4"}))


def test_too_few_items_give_no_bound_and_an_override_still_ships() -> None:
    few = candidate(frame=measured(n=12))
    selection = decided(few, params=PARAMS.model_copy(update={"ship": "onnx-int8"}))
    assert (selection["shipped"], selection["by_rule"]) == ("onnx-int8", "onnx-fp32")
    assert "too few" in reason(selection, "onnx-int8")


def test_bound_is_on_the_mean_over_capabilities() -> None:
    names = ["classify" if i % 3 else "summarize" for i in range(60)]
    frame = measured(n=60).with_columns(pl.Series("capability", names))
    lower = frame.with_columns(
        pl.when(pl.col("capability") == "summarize")
        .then(pl.col("score") - 0.2)
        .otherwise(pl.col("score"))
        .alias("score")
    )
    # A third of the items, but half of the mean over two capabilities.
    assert compare_items(lower, frame, 0.95, seed=1).score.difference == pytest.approx(-0.1)


def test_bootstrap_bound_is_students_where_differences_are_many_and_smooth() -> None:
    reference = measured(n=400)
    noise = np.random.default_rng(3).normal(-0.01, 0.1, 400)
    frame = reference.with_columns((pl.col("log_likelihood") + pl.Series(noise)).alias("log_likelihood"))
    found = compare_items(frame, reference, 0.95, seed=1).log_likelihood
    assert found.difference == pytest.approx(noise.mean())
    assert found.bound == pytest.approx(noise.mean() - 1.645 * noise.std() / 20, abs=0.001)


def test_equal_answers_certify_no_more_than_their_number_can() -> None:
    found = compare_items(measured(n=40), measured(n=40), 0.95, seed=1)
    assert found.score.bound == pytest.approx(-smallest_margin(40, 0.95))
    assert found.log_likelihood.bound == 0


@pytest.mark.parametrize("groups", [20, 100, 1000])
def test_smallest_margin_is_the_loss_that_so_many_items_miss_one_time_in_twenty(groups: int) -> None:
    share = smallest_margin(groups, 0.95)
    assert binom.pmf(0, groups, share) == pytest.approx(0.05)
    assert groups_to_certify(share * 1.0001, 0.95) == groups
    assert groups_to_certify(share * 0.9999, 0.95) == groups + 1


def test_a_margin_that_can_never_be_certified_names_its_key_and_what_can() -> None:
    assert PARAMS.impossible_with(100) is None
    found = PARAMS.impossible_with(40)
    assert found is not None
    assert found.startswith("select.margin: 0.05 can never be certified with 40")
    assert "above 0.072" in found
    assert "at least 59 items" in found
    assert PARAMS.impossible_with(59) is None
    assert "no bound at all" in str(PARAMS.model_copy(update={"margin": 0.9}).impossible_with(19))
    assert PARAMS.model_copy(update={"ship": "onnx-int8"}).impossible_with(3) is None


def test_batches_are_compared_by_example_whatever_their_order() -> None:
    one = pl.DataFrame({"example_id": ["a", "b", "c"], "output": ["x", "y", "z"]})
    assert compare_batches(one, one.reverse()).same
    other = one.with_columns(pl.Series("output", ["x", "Y", "z"]))
    assert compare_batches(one, other.reverse()) == BatchCheck(3, ("b",))
    with pytest.raises(ValueError, match="different examples"):
        compare_batches(one, one.head(2))


def test_front_holds_what_nothing_beats_in_every_figure() -> None:
    rows = [
        {"name": "fp32", "quality": 0.31, "tokens_per_second": 100, "peak_memory_bytes": 900, "bytes": 540},
        {"name": "int8", "quality": 0.31, "tokens_per_second": 120, "peak_memory_bytes": 700, "bytes": 270},
        {"name": "int4", "quality": 0.27, "tokens_per_second": 140, "peak_memory_bytes": 500, "bytes": 90},
        {"name": "slow", "quality": 0.30, "tokens_per_second": 110, "peak_memory_bytes": 700, "bytes": 300},
    ]
    assert [row["name"] for row in with_front(rows) if row["on_front"]] == ["int8", "int4"]
    twins = [rows[1], rows[1] | {"name": "twin"}]
    assert [row["on_front"] for row in with_front(twins)] == [True, True]


def test_speedup_bound_is_students_on_log_ratios() -> None:
    found = speedup([2.0, 2.2, 2.1], [1.0, 1.0, 1.0], 0.95)
    logs = np.log([2.0, 2.2, 2.1])
    assert found.ratio == pytest.approx(np.exp(logs.mean()))
    assert found.low == pytest.approx(np.exp(logs.mean() - 2.919986 * logs.std(ddof=1) / np.sqrt(3)))


def test_only_the_primary_metric_counts() -> None:
    items = pl.DataFrame(
        {"example_id": ["a"], "task_definition": ["summarize-papers"], "capability": ["summarize"], "group_id": ["g"]}
    )
    scores = pl.DataFrame({"example_id": ["a", "a"], "metric": ["bleu", "rouge_l"], "score": [0.1, 0.4]})
    assert primary_scores(scores, items, catalogue_tasks())["score"].to_list() == [0.4]
