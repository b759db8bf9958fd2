"""Floors, perturbations, leaks."""

import random

import polars as pl
import pytest
from evaluation_samples import make_examples

from roleshift.contracts import ITEMS, check
from roleshift.evaluation.floors import first_sentence, floor_items
from roleshift.evaluation.leaks import leaked_items
from roleshift.evaluation.perturbations import INJECTION, PERTURBATIONS, perturb
from roleshift.tasks import TaskDefinition

TEXT = "The quick brown fox jumps, over the lazy dog. And then it sleeps for a very long time."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TEXT, "The quick brown fox jumps, over the lazy dog."),
        ("打开文件。然后关闭。", "打开文件。"),
        ("one line\nnext", "one line"),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_at_a_mark_or_a_line(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_floors_answer_every_item_by_the_kind_of_its_task(tasks: dict[str, TaskDefinition]) -> None:
    train, test = make_examples(tasks, 30, "train"), make_examples(tasks, 10, "test")
    floors = floor_items(train, test, tasks, seed=1)
    check(floors, ITEMS, "floors")
    by_task = {name: set(part["variant"]) for (name,), part in floors.group_by("task_definition")}
    assert by_task["classify-tests"] == {"floor-majority", "floor-random-reference"}
    generated = {"floor-first-sentence", "floor-copy", "floor-frequent", "floor-random-reference"}
    assert by_task["summarize-tests"] == generated
    labels = train.filter(task_definition="classify-tests")["references"].list.first()
    majority = floors.filter(variant="floor-majority")["output"].unique().to_list()
    assert majority == [labels.value_counts().sort("count", "references", descending=[True, False])["references"][0]]
    own = dict(test.select("example_id", pl.col("references").list.first()).iter_rows())
    drawn = floors.filter(variant="floor-random-reference", task_definition="summarize-tests")
    assert all(own[example] != output for example, output in drawn.select("example_id", "output").iter_rows())
    assert floors.equals(floor_items(train, test, tasks, seed=1))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_perturbation_changes_a_text_a_little_and_repeatably(name: str) -> None:
    change = PERTURBATIONS[name]
    changed = change(TEXT, 0.05, random.Random(1))
    assert changed != TEXT
    assert changed == change(TEXT, 0.05, random.Random(1))
    assert abs(len(changed) - len(TEXT)) <= (len(INJECTION) + 2 if name == "injection" else 8)
    assert change("", 0.05, random.Random(1)).strip() in ("", INJECTION)


def test_each_item_gets_one_perturbation_in_turn(tasks: dict[str, TaskDefinition]) -> None:
    test = make_examples(tasks, 12, "test")
    noisy = perturb(test, 7, 0.05, 0)
    assert list(noisy) == list(PERTURBATIONS)
    ids = [example for frame in noisy.values() for example in frame["example_id"]]
    assert len(ids) == len(set(ids)) == 7 * len(tasks)
    assert noisy["typos"].height == 2 * len(tasks)
    assert perturb(test, 0, 0.05, 0) == {}
    again = perturb(test.sample(fraction=1.0, shuffle=True, seed=3), 7, 0.05, 0)
    assert all(again[name].sort("example_id").equals(noisy[name].sort("example_id")) for name in noisy)


def test_a_run_of_eight_tokens_in_training_data_is_a_leak(tasks: dict[str, TaskDefinition]) -> None:
    one = {"summarize-tests": tasks["summarize-tests"]}
    train, test = make_examples(one, 3, "train"), make_examples(one, 3, "test")
    first, second, third = test["example_id"].to_list()
    shared = " ".join(train["input"][0].split()[4:12])
    shorter = " ".join(train["input"][1].split()[4:11])
    inputs = [f"zz {shared.upper()} zz", f"zz {shorter} zz", test["input"][2]]
    references = [["own words"], ["own words"], ["other", f"so {shared}"]]
    test = test.with_columns(input=pl.Series(inputs), references=pl.Series(references))
    assert leaked_items(train, test) == {"input": {first}, "reference": {third}}
    assert second not in leaked_items(train, test)["input"]
