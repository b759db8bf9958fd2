"""What a variant is calibrated with: token ids of validation examples, and how their prompts begin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import polars as pl

from roleshift.export.parity import forced_answers, parity_examples
from roleshift.tasks import TaskDefinition

PER_CAPABILITY = 4
"""Validation examples per capability from which ranges of activations are taken."""


@dataclass(frozen=True)
class Calibration:
    """Token ids of prompts with their references, ordered by capability, and beginnings of prompts."""

    sequences: list[list[int]]
    prefixes: list[list[int]]


def calibration_of(
    validation: pl.DataFrame, tasks: Mapping[str, TaskDefinition], tokenizer: Any, context_tokens: int
) -> Calibration:
    """The calibration that validation examples give; never test items.

    A prefix is what all prompts of a task definition begin with, where there are two prompts or
    more; else the first token.
    """
    examples = parity_examples(validation, PER_CAPABILITY)
    forced = forced_answers(examples, tasks, tokenizer, context_tokens)
    by_task: dict[str, list[list[int]]] = {}
    for task, answer in zip(examples["task_definition"].to_list(), forced, strict=True):
        by_task.setdefault(task, []).append(answer.prompt_ids)
    prefixes = [common_prefix(prompts) for prompts in by_task.values() if len(prompts) > 1]
    return Calibration(
        sequences=[answer.prompt_ids + answer.answer_ids for answer in forced],
        prefixes=[prefix for prefix in prefixes if prefix] or [forced[0].prompt_ids[:1]],
    )


def common_prefix(sequences: Sequence[list[int]]) -> list[int]:
    """The tokens with which all sequences begin."""
    return [tokens[0] for tokens in takewhile(lambda tokens: len(set(tokens)) == 1, zip(*sequences, strict=False))]
