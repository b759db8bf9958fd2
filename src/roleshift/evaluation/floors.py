"""Trivial answers on the same items: a figure that does not beat them shows nothing."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from roleshift.contracts import ITEMS, check
from roleshift.files import hash_json
from roleshift.tasks import TaskDefinition

FLOOR = "floor"
"""The model_id, artifact_id and settings_hash of every floor."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


def floor_items(
    train: pl.DataFrame,
    test: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    split: str = "test",
    seed: int = 0,
) -> pl.DataFrame:
    """The floors' answers to the examples of `test` as contracts.ITEMS.

    Variants: floor-first-sentence and floor-copy (of the input; where text is generated),
    floor-frequent (the most frequent training answer; floor-majority where there are labels) and
    floor-random-reference (the reference of another item of the task). `train` and `test` are
    contracts.EXAMPLES. A floor that has nothing to answer with is left out for that item.
    """
    frequent = {task: _most_frequent(train.filter(pl.col("task_definition") == task)) for task in tasks}
    others = {
        task: [(row["group_id"], row["references"][0]) for row in _rows(test, task)]
        or [(row["group_id"], row["references"][0]) for row in _rows(train, task)]
        for task in tasks
    }
    items = []
    for row in test.sort("example_id").iter_rows(named=True):
        task = tasks[row["task_definition"]]
        for variant, output in _answers(row, task, frequent[task.id], others[task.id], seed):
            items.append(_item(row, variant, output, split))
    frame = pl.DataFrame(items, schema=ITEMS.schema)
    check(frame, ITEMS, "floors")
    return frame


def first_sentence(text: str) -> str:
    """A text up to its first sentence mark or line break."""
    return next((part.strip() for part in _SENTENCE_END.split(text.strip()) if part.strip()), "")


def _answers(
    row: Mapping[str, Any], task: TaskDefinition, frequent: str | None, others: list[tuple[str, str]], seed: int
) -> Iterator[tuple[str, str]]:
    if task.kind == "generate":
        yield "floor-first-sentence", first_sentence(row["input"])
        yield "floor-copy", row["input"]
    if frequent is not None:
        yield "floor-majority" if task.kind == "classify" else "floor-frequent", frequent
    pool = [reference for group, reference in others if group != row["group_id"]]
    if pool:
        # Drawn by the item, so that another item more or less changes no other item's draw of a generator.
        yield "floor-random-reference", random.Random(f"{seed}:{row['example_id']}").choice(pool)  # noqa: S311


def _most_frequent(examples: pl.DataFrame) -> str | None:
    """The most frequent first reference; among equals the first in alphabetical order."""
    counts = Counter(references[0] for references in examples["references"].to_list())
    return min(counts, key=lambda answer: (-counts[answer], answer)) if counts else None


def _rows(examples: pl.DataFrame, task: str) -> list[dict[str, Any]]:
    return examples.filter(pl.col("task_definition") == task).sort("example_id").to_dicts()


def _item(row: Mapping[str, Any], variant: str, output: str, split: str) -> dict[str, Any]:
    copied = ("example_id", "task_definition", "capability", "language", "domain", "slices", "group_id")
    return {
        **{name: row[name] for name in copied},
        "model_id": FLOOR,
        "variant": variant,
        "shots": 0,
        "perturbation": "none",
        "split": split,
        "artifact_id": FLOOR,
        "prompt_hash": FLOOR,
        "settings_hash": FLOOR,
        "references_hash": hash_json(list(row["references"])),
        "output": output,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "finish_reason": "none",
        "origin": "measured",
    }
