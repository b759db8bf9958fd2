"""The candidates of the selection: every variant answers the validation items and is timed on some."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.evaluation import score_items
from roleshift.export.invariance import ALONE, TOGETHER, BatchCheck, compare_batches
from roleshift.export.memory import measure_peak_memory
from roleshift.export.non_inferiority import compare_items, mean_by_capability, mean_over_capabilities
from roleshift.export.pareto import with_front
from roleshift.export.parity import ForcedAnswer, forced_answers, open_onnx, parity_examples
from roleshift.export.selection import Candidate
from roleshift.export.throughput import measure_throughput, speedup
from roleshift.files import hash_json
from roleshift.generation import Backend, GenerationConfig, Request, artifact_id_of, open_backend
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask
from roleshift.generation.opening import exported_manifest
from roleshift.generation.sampling import log_softmax
from roleshift.prompts import chat_messages, render_prompt
from roleshift.tasks import TaskDefinition

TIMED_PER_CAPABILITY = 2
"""Validation prompts per capability whose answers are timed, in every round."""


@dataclass(frozen=True)
class Validation:
    """What the candidates are asked, and how: `opening` holds `open_backend`'s threads and provider."""

    examples: pl.DataFrame
    tasks: Mapping[str, TaskDefinition]
    config: GenerationConfig
    store: AnswerStore
    opening: Mapping[str, Any]

    @property
    def groups(self) -> int:
        """How many independent items there are."""
        return int(self.examples["group_id"].n_unique())


def measure_items(validation: Validation, name: str, folder: Path) -> pl.DataFrame:
    """A variant's measures by example: example_id, capability, group_id, score, log_likelihood.

    `score` is that of the task's primary metric. What the store holds already is not computed again.
    """
    examples = validation.examples
    references = dict(zip(examples["example_id"].to_list(), examples["references"].to_list(), strict=True))
    inputs = dict(zip(examples["example_id"].to_list(), examples["input"].to_list(), strict=True))
    items = _answers(validation, name, folder, TOGETHER)
    scores = primary_scores(score_items(items, references, inputs, validation.tasks), items, validation.tasks)
    likelihoods = _log_likelihoods(validation, folder)
    return scores.with_columns(
        pl.Series("log_likelihood", [likelihoods[example] for example in scores["example_id"].to_list()])
    )


def check_batches(validation: Validation, folders: Mapping[str, Path], name: str) -> BatchCheck:
    """Compare a variant's greedy answers at batch 1 and 8."""
    alone, together = (_answers(validation, name, folders[name], size) for size in (ALONE, TOGETHER))
    return compare_batches(alone, together)


def primary_scores(scores: pl.DataFrame, items: pl.DataFrame, tasks: Mapping[str, TaskDefinition]) -> pl.DataFrame:
    """Each item's score by its task's primary metric: example_id, capability, group_id, score; by example."""
    wanted = pl.DataFrame(
        {"task_definition": list(tasks), "metric": [task.metric for task in tasks.values()]},
        schema={"task_definition": pl.String, "metric": pl.String},
    )
    kept = items.select("example_id", "task_definition", "capability", "group_id").join(wanted, on="task_definition")
    return (
        kept.join(scores.select("example_id", "metric", "score"), on=["example_id", "metric"])
        .select("example_id", "capability", "group_id", "score")
        .sort("example_id")
    )


def time_variants(
    validation: Validation, folders: Mapping[str, Path], batch_size: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Tokens per second of each variant, one value per round, and the provider that each ran on."""
    backends: dict[str, Backend] = {
        name: open_backend(folder, batch_size=batch_size, **validation.opening) for name, folder in folders.items()
    }
    requests = _timed_requests(validation, next(iter(backends.values())).tokenizer)
    try:
        speeds = measure_throughput(backends, requests, validation.config)
        return speeds, {name: backend.provider for name, backend in backends.items()}
    finally:
        for backend in backends.values():
            backend.close()


def measure_memory(validation: Validation, folders: Mapping[str, Path], batch_size: int) -> dict[str, int]:
    """Peak bytes of a process that loads a variant and answers the timed prompts."""
    from roleshift.training.base import load_tokenizer

    prompts = [request.prompt for request in _timed_requests(validation, load_tokenizer(next(iter(folders.values()))))]
    opening = dict(validation.opening) | {"batch_size": batch_size}
    tokens = validation.config.max_new_tokens
    return {
        name: measure_peak_memory(folder, prompts, max_new_tokens=tokens, opening=opening)
        for name, folder in folders.items()
    }


def compare_variants(
    measured: Mapping[str, pl.DataFrame],
    speeds: Mapping[str, list[float]],
    *,
    confidence: float,
    seed: int,
    folders: Mapping[str, Path],
) -> list[Candidate]:
    """The candidates, each beside the first one, which is the reference."""
    first = next(iter(folders))
    return [
        Candidate(
            name=name,
            size=variant_bytes(folder),
            score=mean_over_capabilities(measured[name], "score"),
            log_likelihood=mean_over_capabilities(measured[name], "log_likelihood"),
            by_capability=mean_by_capability(measured[name], "score"),
            speeds=speeds[name],
            against=None if name == first else compare_items(measured[name], measured[first], confidence, seed),
        )
        for name, folder in folders.items()
    ]


def describe_measurements(
    candidates: list[Candidate], providers: Mapping[str, str], memory: Mapping[str, int], confidence: float
) -> dict[str, Any]:
    """The content of metrics/timings/select.json: the Pareto table, with the rounds behind its speeds."""
    rows = []
    for candidate in candidates:
        ratio = speedup(candidate.speeds, candidates[0].speeds, confidence)
        rows.append(
            {
                "name": candidate.name,
                "quality": round(candidate.score, 6),
                "tokens_per_second": round(sorted(candidate.speeds)[len(candidate.speeds) // 2], 1),
                "peak_memory_bytes": memory[candidate.name],
                "bytes": candidate.size,
                "provider": providers[candidate.name],
                "rounds": [round(speed, 1) for speed in candidate.speeds],
                "speedup": None if candidate is candidates[0] else round(ratio.ratio, 3),
                "speedup_bound": None if candidate is candidates[0] else round(ratio.low, 3),
            }
        )
    return {"variants": with_front(rows)}


def variant_bytes(folder: Path) -> int:
    """A variant's size in bytes, by its manifest."""
    manifest = exported_manifest(folder)
    return sum(file["bytes"] for file in manifest["files"].values())


def _answers(validation: Validation, name: str, folder: Path, batch_size: int) -> pl.DataFrame:
    manifest = exported_manifest(folder)
    items, _ = ask(
        validation.examples,
        validation.tasks,
        split="validation",
        variant=name,
        model_id=manifest["model_id"],
        artifact_id=artifact_id_of(folder),
        open_backend=partial(open_backend, folder, batch_size=batch_size, **validation.opening),
        config=validation.config,
        store=validation.store,
        tokenizer_folder=folder,
        decoded_together=batch_size,
    )
    return items


def _log_likelihoods(validation: Validation, folder: Path) -> dict[str, float]:
    """Teacher-forced log-likelihood, nats per token, of each example's first reference with its stop token."""
    from roleshift.training.base import load_tokenizer

    artifact_id = artifact_id_of(folder)
    manifest = exported_manifest(folder)
    forced = forced_answers(
        validation.examples, validation.tasks, load_tokenizer(folder), int(manifest["context_tokens"])
    )
    found: dict[str, float] = {}
    backend = None
    try:
        for answer in forced:
            key = hash_json(answer.prompt_ids), hash_json({"forced": answer.answer_ids})
            stored = validation.store.likelihoods(artifact_id, *key)
            if stored is None:
                backend = backend or open_onnx(folder, **validation.opening)
                start = time.perf_counter()
                total = _summed(answer, backend.forced_logits(answer.prompt_ids, answer.answer_ids))
                stored = [total], time.perf_counter() - start
                validation.store.keep_likelihoods(artifact_id, *key, *stored)
            if not np.isfinite(stored[0][0]):
                raise RoleShiftError(
                    f"{folder}: its logits are not finite at example {answer.example_id}; leave the variant out of "
                    "export.variants"
                )
            found[answer.example_id] = stored[0][0] / len(answer.answer_ids)
    finally:
        if backend is not None:
            backend.close()
    return found


def _summed(answer: ForcedAnswer, logits: np.ndarray) -> float:
    rows = log_softmax(logits)
    return float(rows[np.arange(len(answer.answer_ids)), answer.answer_ids].sum())


def _timed_requests(validation: Validation, tokenizer: Any) -> list[Request]:
    requests = []
    for row in parity_examples(validation.examples, TIMED_PER_CAPABILITY).iter_rows(named=True):
        messages = chat_messages(validation.tasks[row["task_definition"]], row["input"], slices_to_map(row["slices"]))
        requests.append(Request(row["example_id"], render_prompt(tokenizer, messages)))
    return requests
