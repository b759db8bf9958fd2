"""From items and scores to the summary that pages read."""

import json

import numpy as np
import polars as pl
import pytest
from evaluation_samples import answers, make_examples, make_items, make_task
from scipy.stats import binomtest

from roleshift.errors import RoleShiftError
from roleshift.evaluation.evidence import Corpus, Evidence
from roleshift.evaluation.floors import floor_items
from roleshift.evaluation.leaks import leaked_items
from roleshift.evaluation.markdown import report_markdown
from roleshift.evaluation.markdown_tables import results_markdown
from roleshift.evaluation.measures import Precision, measure
from roleshift.evaluation.perturbations import PERTURBATIONS, perturb
from roleshift.evaluation.plan import score_answers, timing_summary
from roleshift.evaluation.plots import difference_histogram, score_points
from roleshift.evaluation.report import Tuned, summarise
from roleshift.evaluation.slices import with_slices
from roleshift.tasks import TaskDefinition

PRECISION = Precision(200, 0.95, 0)
TUNED = Tuned("tuned", "onnx-int8", "onnx-fp32")


def summary_of(tasks: dict[str, TaskDefinition], count: int) -> tuple[dict, Evidence]:
    train, test = make_examples(tasks, 8, "train"), make_examples(tasks, count, "test")
    noisy = perturb(test, 20, 0.05, 0)
    parts = [
        answers(test, 0.1),
        answers(test, 0.3, shots=3),
        answers(test, 0.9, model_id="tuned", variant="onnx-fp32"),
        answers(test, 0.9, model_id="tuned", variant="onnx-int8", finish_reason="length"),
        *(answers(frame, 0.5, model_id="tuned", variant="onnx-int8", perturbation=n) for n, frame in noisy.items()),
        floor_items(train, test, tasks),
    ]
    items = with_slices(pl.concat(parts), [test], tasks)
    evidence = Evidence(items, score_answers(items, {"none": test, **noisy}, tasks), tasks)
    summary = summarise(
        evidence, base_id="base", shots=3, precision=PRECISION, tuned=TUNED, leaked=leaked_items(train, test)
    )  # fmt: skip
    return summary, evidence


@pytest.fixture(scope="module")
def full(tasks: dict[str, TaskDefinition]) -> tuple[dict, Evidence]:
    return summary_of(tasks, 40)


def test_the_summary_says_what_beats_what(full: tuple[dict, Evidence]) -> None:
    summary, _ = full
    json.dumps(summary, allow_nan=False)
    assert summary["beats_all"] == 4
    part = summary["capabilities"]["summarize"]
    assert part["systems"]["base"]["metrics"]["rouge_l"]["n"] == 40
    assert part["systems"]["onnx-int8"]["truncated"] == 40
    primary = part["differences"]["tuned-base-shots"]["primary"]
    assert primary["verdict"] == "better"
    assert primary["p_corrected"] >= primary["p"]
    same = part["differences"]["shipped-reference"]["primary"]
    assert same["verdict"] == "undecided"
    assert same["needed_items"] > 40
    assert 0 < primary["detectable"] < abs(primary["difference"])
    assert set(part["signatures"]) == set(part["systems"]["onnx-int8"]["metrics"])
    assert "signature" not in part["systems"]["base"]["metrics"]["rouge_l"]
    assert part["best_floor"].startswith("floor-")
    assert set(summary["capabilities"]["classify"]["classes"]) == {"Arts", "History", "People"}
    assert summary["capabilities"]["extract"]["malformed"] > 0
    rate = part["systems"]["onnx-int8"]["pass_rate"]
    assert rate["low"] < rate["rate"] < rate["high"]
    assert part["slices"]["by_name"]["aspect"]["a"]["n"] == 20
    assert part["slices"]["worst"]["n"] >= 20
    assert part["robustness"]["indicative"]
    assert part["robustness"]["difference"] < 0
    assert set(summary["robustness_by_perturbation"]) == set(PERTURBATIONS)


@pytest.mark.parametrize("score", [0.0, 1.0, 0.4])
def test_equal_scores_have_the_interval_of_what_was_not_seen(score: float) -> None:
    ids = tuple(f"e{i}" for i in range(30))
    scores = np.full(30, score)
    corpus = Corpus(ids, ids, scores, np.stack([scores, np.ones(30)], axis=1), "")
    figure = measure(corpus, "accuracy", PRECISION)
    _, high = binomtest(0, 30).proportion_ci(0.95, method="exact")
    assert figure["low"] == pytest.approx(score * (1 - high), abs=1e-6)
    assert figure["high"] == pytest.approx(score + (1 - score) * high, abs=1e-6)


def test_the_same_evidence_gives_the_same_summary(
    tasks: dict[str, TaskDefinition], full: tuple[dict, Evidence]
) -> None:
    assert summary_of(tasks, 40)[0] == full[0]


@pytest.mark.parametrize("task_id", ["classify-tests", "summarize-tests", "entities-tests"])
def test_four_items_of_one_task_give_values_and_say_that_they_are_too_few(
    task_id: str, tasks: dict[str, TaskDefinition]
) -> None:
    summary, evidence = summary_of({task_id: tasks[task_id]}, 4)
    json.dumps(summary, allow_nan=False)
    (part,) = summary["capabilities"].values()
    assert "too few items" in part["systems"]["base"]["metrics"][part["primary_metric"]]["note"]
    assert part["differences"]["tuned-base"]["primary"]["verdict"] == "too few items"
    assert part["beats_all"] is None
    assert part["slices"]["worst"] is None
    assert "too few items" in results_markdown(summary)
    assert report_markdown(summary)
    assert difference_histogram(evidence, "base", TUNED)


def test_a_capability_whose_tasks_differ_in_metric_is_judged_by_the_mean_of_their_primary_scores() -> None:
    tasks = {
        "a": make_task("a", "answer", metric="rouge_l"),
        "b": make_task("b", "answer", metric="exact_match", threshold=1.0),
    }
    summary, _ = summary_of(tasks, 20)
    part = summary["capabilities"]["answer"]
    assert part["primary_metric"] == "mean_primary"
    assert part["differences"]["tuned-base"]["primary"]["verdict"] == "better"
    assert part["slices"]["by_name"]["task"]["a"]["n"] == 20
    assert part["systems"]["base"]["pass_rate"]["thresholds"] == [0.4, 1.0]


def test_reports_are_written_for_people(full: tuple[dict, Evidence]) -> None:
    summary, evidence = full
    text = report_markdown(summary)
    for expected in ("## summarize", "Worst slice", "Indicative", "Noise in the input", "| Arts |", "cut at the token"):
        assert expected in text
    glance = text.partition("## Each capability at a glance")[2].partition("\n## ")[0]
    part = summary["capabilities"]["summarize"]
    (row,) = (line for line in glance.splitlines() if line.startswith("| summarize"))
    assert part["best_floor"].removeprefix("floor-") in row
    assert f"{part['systems']['onnx-int8']['pass_rate']['passes']}/40" in row
    assert f"{part['slices']['worst']['slice']} = {part['slices']['worst']['of']}" in row
    assert "indicative: 20 items" in row
    assert f"{part['leaks']['either']} of 40" in row
    assert "40, 0, – of 40" in row  # all cut, none empty, not asked for JSON
    needed = text.partition("## What these items can tell")[2].partition("\n## ")[0]
    assert f"{100 * part['differences']['tuned-base']['primary']['detectable']:.1f}" in needed
    assert "`rouge_l\\|rouge-score:" in text
    assert len(score_points(summary)) == 16
    histogram = difference_histogram(evidence, "base", TUNED)
    assert sum(point["items"] for point in histogram) == 160


def test_an_item_without_a_score_is_named(tasks: dict[str, TaskDefinition]) -> None:
    test = make_examples({"summarize-tests": tasks["summarize-tests"]}, 4, "test")
    items = answers(test, 1.0)
    scores = score_answers(items.head(3), {"none": test}, tasks)
    with pytest.raises(RoleShiftError, match="summarize-tests-test-003 .*no score"):
        Evidence(items, scores, tasks)
    with pytest.raises(RoleShiftError, match="unknown task"):
        Evidence(items, scores, {})


def test_timings_are_summed_by_variant() -> None:
    items = make_items([{"example_id": "a"}, {"example_id": "b"}])
    timings = items.select("example_id", "model_id", "variant", "shots", "perturbation").with_columns(
        prompt_seconds=pl.lit(0.5), decode_seconds=pl.lit(2.0), batch_size=pl.lit(2, dtype=pl.Int32)
    )
    assert timing_summary(items, timings)["torch-fp32"] == {
        "items": 2, "prompt_seconds": 1.0, "decode_seconds": 4.0,
        "prompt_tokens_per_second": 20.0, "output_tokens_per_second": 2.5,
    }  # fmt: skip
