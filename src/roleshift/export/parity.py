"""Is the export the model? ONNX Runtime against the merged torch model, on validation prompts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.generation import open_backend
from roleshift.generation.sampling import log_softmax
from roleshift.prompts import chat_messages, render_prompt
from roleshift.tasks import TaskDefinition

if TYPE_CHECKING:
    from roleshift.generation.onnx_backend import OnnxBackend

GREEDY_TOKENS = 32
"""Most tokens of the greedy answers that are compared."""


@dataclass(frozen=True)
class ForcedAnswer:
    """A validation prompt and its reference (with the stop token), as token ids."""

    example_id: str
    capability: str
    prompt_ids: list[int]
    answer_ids: list[int]


@dataclass(frozen=True)
class Expected:
    """What torch says to a `ForcedAnswer`: float32 logits [answer tokens, vocabulary], and its own greedy answer."""

    logits: np.ndarray
    greedy_ids: list[int]


@dataclass(frozen=True)
class Parity:
    """How a variant differs from torch, over the same answer tokens of validation prompts.

    `largest` is the largest absolute logit difference, `example_id` where it stands, `mean` the mean
    over all logits; `kl_divergence` is that of the variant's next-token distribution from torch's,
    in nats, mean over `positions`; `agreement` is the share of positions whose most likely token is
    the same. `parted` maps each example whose greedy answers differ to the position of the first
    token that does.
    """

    largest: float
    example_id: str
    mean: float
    kl_divergence: float
    agreement: float
    positions: int
    prompts: int
    parted: Mapping[str, int]


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


def torch_expected(merged: Path, forced: list[ForcedAnswer], stop_id: int, context_tokens: int) -> list[Expected]:
    """Torch's logits and greedy answers, in float32, by a transformers folder."""
    import torch

    from roleshift.training.base import load_model

    model = load_model(merged, torch.float32).eval()
    expected = []
    with torch.inference_mode():
        for answer in forced:
            ids = torch.tensor([answer.prompt_ids + answer.answer_ids[:-1]])
            out = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer.answer_ids))
            room = min(GREEDY_TOKENS, context_tokens - len(answer.prompt_ids))
            expected.append(Expected(out.logits[0].numpy(), _greedy(model, answer.prompt_ids, stop_id, room)))
    return expected


def check_parity(backend: "OnnxBackend", forced: list[ForcedAnswer], expected: list[Expected]) -> Parity:
    """Compare a variant with torch.

    Where greedy answers part is found by teacher forcing: the first token of torch's answer that is
    not the variant's most likely one after the tokens before it.
    """
    differences, means, divergences, same = [], [], [], 0
    parted = {}
    for answer, torch_says in zip(forced, expected, strict=True):
        logits = backend.forced_logits(answer.prompt_ids, answer.answer_ids)
        apart = np.abs(torch_says.logits - logits)
        differences.append(float(apart.max()))
        means.append(apart.mean(-1))
        divergences.append(kl_divergence(torch_says.logits, logits))
        same += int((torch_says.logits.argmax(-1) == logits.argmax(-1)).sum())
        chosen = backend.forced_logits(answer.prompt_ids, torch_says.greedy_ids).argmax(-1)
        others = np.flatnonzero(chosen != np.array(torch_says.greedy_ids))
        if len(others):
            parted[answer.example_id] = int(others[0])
    worst = int(np.argmax(np.nan_to_num(differences, nan=np.inf)))
    positions = sum(len(answer.answer_ids) for answer in forced)
    return Parity(
        largest=differences[worst],
        example_id=forced[worst].example_id,
        mean=float(np.concatenate(means).mean()),
        kl_divergence=float(np.concatenate(divergences).mean()),
        agreement=same / positions,
        positions=positions,
        prompts=len(forced),
        parted=parted,
    )


def kl_divergence(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """KL(expected || found) of the softmax distributions of logits [positions, vocabulary]: nats, [positions]."""
    p, q = log_softmax(expected), log_softmax(found)
    result: np.ndarray = (np.exp(p) * (p - q)).sum(-1)
    return result


def parity_figures(parity: Parity) -> dict[str, Any]:
    """A variant's parity in metrics/export.json: six significant digits, the last bits depend on the processor."""
    figures = {
        "largest_logit_difference": parity.largest,
        "mean_logit_difference": parity.mean,
        "kl_divergence": parity.kl_divergence,
        "top1_agreement": parity.agreement,
    }
    return {name: float(f"{value:.6g}") for name, value in figures.items()} | {
        "largest_at": parity.example_id,
        "positions": parity.positions,
        "prompts": parity.prompts,
        "greedy_parted": dict(parity.parted),
        "first_parted": min(parity.parted.values(), default=None),
    }


def parity_text(figures: Mapping[str, Any]) -> str:
    """The figures in one line."""
    parted = len(figures["greedy_parted"])
    where = f", first at token {figures['first_parted'] + 1}" if parted else ""
    return (
        f"logits differ from torch by {figures['largest_logit_difference']:.2g} at most, "
        f"{figures['mean_logit_difference']:.2g} on average; KL divergence {figures['kl_divergence']:.2g} nats; "
        f"{figures['top1_agreement']:.1%} of {figures['positions']} most likely tokens agree; greedy answers part on "
        f"{parted} of {figures['prompts']} prompts{where}"
    )


def open_onnx(folder: Path, **opening: Any) -> "OnnxBackend":
    """Open a variant that ONNX Runtime runs; any other folder is an error."""
    from roleshift.generation.onnx_backend import OnnxBackend

    backend = open_backend(folder, **opening)
    if not isinstance(backend, OnnxBackend):
        backend.close()
        raise RoleShiftError(f"{folder}: not an ONNX variant; run `dvc repro export` again")
    return backend


def _greedy(model: Any, prompt_ids: list[int], stop_id: int, most: int) -> list[int]:
    import torch

    tokens: list[int] = []
    ids, cache = torch.tensor([prompt_ids]), None
    while len(tokens) < most:
        out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        tokens.append(int(out.logits[0, -1].argmax()))
        if tokens[-1] == stop_id:
            break
        ids, cache = torch.tensor([tokens[-1:]]), out.past_key_values
    return tokens
