"""From examples to tokens: the prompt as the model will see it, the answer and the stop token."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.prompts import chat_messages, render_prompt
from roleshift.tasks import TaskDefinition


@dataclass(frozen=True)
class EncodedExample:
    """One example in token ids. The loss is on `answer`, whose last token is the stop token."""

    example_id: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class EncodedExamples:
    """What is trained on, and how many examples were longer than a packed sequence."""

    examples: list[EncodedExample]
    too_long: int


def agreed_tasks(definitions: Mapping[str, TaskDefinition], wordings: Any) -> dict[str, TaskDefinition]:
    """The task definitions, if they are worded as the examples of data/tasks.json are."""
    if [definitions[task].wording() for task in sorted(definitions)] != wordings:
        raise RoleShiftError(
            "data/tasks.json: the tasks are worded differently in params.yaml; run `dvc repro prepare`"
        )
    return dict(definitions)


def encode_examples(
    frame: pl.DataFrame, tasks: Mapping[str, TaskDefinition], tokenizer: Any, max_tokens: int, where: str
) -> EncodedExamples:
    """Encode the rows of an examples table, in its order; of several references the first is learned.

    Prompt and answer are tokenised apart, as in generation, where the prompt alone is given. A row
    of more than `max_tokens` tokens is left out and counted: cut, it would teach a wrong answer.
    """
    encoded = []
    too_long = 0
    for row in frame.iter_rows(named=True):
        if row["task_definition"] not in tasks:
            raise RoleShiftError(
                f"{where}: example {row['example_id']}: no task {row['task_definition']!r} in params.yaml"
            )
        if not row["references"]:
            raise RoleShiftError(f"{where}: example {row['example_id']}: no reference to learn from")
        example = encode(
            row["example_id"],
            render_prompt(
                tokenizer,
                chat_messages(tasks[row["task_definition"]], row["input"], slices_to_map(row["slices"])),
            ),
            row["references"][0],
            tokenizer,
        )
        if len(example) <= max_tokens:
            encoded.append(example)
        else:
            too_long += 1
    if not encoded:
        raise RoleShiftError(
            f"{where}: no example of at most {max_tokens} tokens; raise train.pack_tokens or look at data/report.json"
        )
    return EncodedExamples(encoded, too_long)


def encode(example_id: str, prompt: str, answer: str, tokenizer: Any) -> EncodedExample:
    """One example from a rendered prompt and its answer."""
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer_ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return EncodedExample(example_id, tuple(prompt_ids), (*answer_ids, tokenizer.eos_token_id))


def count_tokens(examples: Iterable[EncodedExample]) -> int:
    """Tokens of prompts and answers together."""
    return sum(len(example) for example in examples)


def example_ids(examples: Sequence[EncodedExample], packs: Iterable[tuple[int, ...]]) -> list[str]:
    """The ids of the examples in some packs, in order."""
    return [examples[index].example_id for pack in packs for index in pack]
