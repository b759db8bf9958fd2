"""Is the export the model? Teacher-forced logits of ONNX Runtime against the merged torch model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.prompts import chat_messages, render_prompt
from roleshift.tasks import TaskDefinition


@dataclass(frozen=True)
class ForcedAnswer:
    """A validation prompt and its reference (with the stop token), as token ids."""

    example_id: str
    capability: str
    prompt_ids: list[int]
    answer_ids: list[int]


@dataclass(frozen=True)
class Parity:
    """How two models' logits differ over the same answer tokens.

    `largest` is the largest absolute logit difference, `example_id` where it stands; `agreement`
    is the share of `positions` whose most likely token is the same.
    """

    largest: float
    example_id: str
    agreement: float
    positions: int


def parity_examples(validation: pl.DataFrame, per_capability: int) -> pl.DataFrame:
    """The first validation examples of every capability, by example id."""
    ordered = validation.sort("capability", "example_id")
    return ordered.group_by("capability", maintain_order=True).head(per_capability)


def forced_answers(
    examples: pl.DataFrame, tasks: Mapping[str, TaskDefinition], tokenizer: Any, context_tokens: int
) -> list[ForcedAnswer]:
    """Each example's prompt with its first reference; what passes the context window is cut off."""
    forced = []
    for row in examples.iter_rows(named=True):
        task = tasks[row["task_definition"]]
        prompt = render_prompt(tokenizer, chat_messages(task, row["input"], slices_to_map(row["slices"])))
        prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"][: context_tokens - 1]
        answer_ids = [*tokenizer(row["references"][0], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        answer_ids = answer_ids[: context_tokens - len(prompt_ids)]
        forced.append(ForcedAnswer(row["example_id"], row["capability"], prompt_ids, answer_ids))
    return forced


def torch_logits(merged: Path, forced: list[ForcedAnswer]) -> list[np.ndarray]:
    """Per answer the float32 logits [answer tokens, vocabulary] of a transformers folder."""
    import torch

    from roleshift.training.base import load_model

    model = load_model(merged, torch.float32).eval()
    logits = []
    with torch.inference_mode():
        for answer in forced:
            ids = torch.tensor([answer.prompt_ids + answer.answer_ids[:-1]])
            out = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer.answer_ids))
            logits.append(out.logits[0].numpy())
    return logits


def compare(forced: list[ForcedAnswer], expected: list[np.ndarray], found: list[np.ndarray]) -> Parity:
    """The parity of two models' logits."""
    differences = [float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True)]
    worst = int(np.argmax(differences))
    same = [int((a.argmax(-1) == b.argmax(-1)).sum()) for a, b in zip(expected, found, strict=True)]
    positions = sum(len(logits) for logits in expected)
    return Parity(differences[worst], forced[worst].example_id, sum(same) / positions, positions)
