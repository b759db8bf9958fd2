"""From answers to scores."""

import polars as pl
import pytest
from evaluation_samples import make_items

from roleshift.contracts import SCORES, check
from roleshift.errors import RoleShiftError
from roleshift.evaluation import score_items
from roleshift.tasks import TaskDefinition

ZH = {"task_definition": "translate-tests", "capability": "translate", "language": "zh"}
ITEMS = [
    {"example_id": "e1", "output": "the results are good"},
    {"example_id": "e2", "output": "打开文件夹", **ZH},
    {"example_id": "e3", "output": "arts.", "task_definition": "classify-tests", "capability": "classify"},
    {"example_id": "e4", "output": "{}", "task_definition": "entities-tests", "capability": "extract"},
]
REFERENCES = {
    "e1": ["the results are good", ""],
    "e2": ["打开文件夹"],
    "e3": ["Arts"],
    "e4": ['{"persons": ["李明"], "places": []}'],
}
INPUTS = {"e1": "so the results are good indeed", "e2": "Open the folder", "e3": "text", "e4": "李明"}


def score(frame: pl.DataFrame, metric: str, example: str) -> float:
    return frame.filter(pl.col("metric") == metric, pl.col("example_id") == example)["score"].item()


def test_every_task_kind_is_scored_with_its_metrics(tasks: dict[str, TaskDefinition]) -> None:
    scores = score_items(make_items(ITEMS), REFERENCES, INPUTS, tasks)
    check(scores, SCORES, "scores")
    assert score(scores, "rouge_l", "e1") == 1.0
    assert score(scores, "copied_ngrams", "e1") == 1.0
    assert score(scores, "chrf", "e2") == pytest.approx(1.0)
    assert score(scores, "accuracy", "e3") == 1.0
    assert score(scores, "entity_f1", "e4") == 0.0
    assert "tok:zh" in scores.filter(metric="bleu", example_id="e2")["signature"].item()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output": None}, "e1 .*left out"),
        ({"task_definition": "nobody-knows"}, "unknown task 'nobody-knows'"),
        ({"example_id": "e9"}, "e9 .*no reference"),
    ],
)
def test_an_item_that_cannot_be_scored_is_named(
    change: dict[str, object], message: str, tasks: dict[str, TaskDefinition]
) -> None:
    with pytest.raises(RoleShiftError, match=message):
        score_items(make_items([{**ITEMS[0], **change}]), REFERENCES, INPUTS, tasks)


def test_no_items_give_an_empty_table(tasks: dict[str, TaskDefinition]) -> None:
    assert score_items(make_items(ITEMS).clear(), {}, {}, tasks).is_empty()
