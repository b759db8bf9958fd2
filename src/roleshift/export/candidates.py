"""The candidates of the selection: every variant answers the validation items and is timed on some."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.evaluation import score_items
from roleshift.export.parity import parity_examples
from roleshift.export.selection import Candidate, compare_quality, mean_by_capability, primary_scores
from roleshift.export.throughput import measure_throughput, speedup
from roleshift.generation import Backend, GenerationConfig, Request, artifact_id_of
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask
from roleshift.generation.opening import read_manifest
from roleshift.prompts import chat_messages, render_prompt
from roleshift.tasks import TaskDefinition

TIMED_PER_CAPABILITY = 2
"""Validation prompts per capability whose answers are timed, in every round."""


def score_variants(
    folders: Mapping[str, Path],
    validation: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    config: GenerationConfig,
    store: AnswerStore,
    open_folder: Callable[[Path], Backend],
) -> dict[str, pl.DataFrame]:
    """Each variant's primary scores on the validation items, as `selection.primary_scores` gives them."""
    references = dict(zip(validation["example_id"].to_list(), validation["references"].to_list(), strict=True))
    inputs = dict(zip(validation["example_id"].to_list(), validation["input"].to_list(), strict=True))
    scored = {}
    for name, folder in folders.items():
        manifest = read_manifest(folder) or {}
        items, _ = ask(
            validation,
            tasks,
            split="validation",
            variant=name,
            model_id=manifest["model_id"],
            artifact_id=artifact_id_of(folder),
            open_backend=partial(open_folder, folder),
            config=config,
            store=store,
            tokenizer_folder=folder,
        )
        scored[name] = primary_scores(score_items(items, references, inputs, tasks), items, tasks)
    return scored


def time_variants(
    folders: Mapping[str, Path],
    validation: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    config: GenerationConfig,
    open_folder: Callable[[Path], Backend],
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Tokens per second of each variant, one value per round, and the provider that each ran on."""
    backends = {name: open_folder(folder) for name, folder in folders.items()}
    tokenizer = next(iter(backends.values())).tokenizer
    requests = []
    for row in parity_examples(validation, TIMED_PER_CAPABILITY).iter_rows(named=True):
        messages = chat_messages(tasks[row["task_definition"]], row["input"], slices_to_map(row["slices"]))
        requests.append(Request(row["example_id"], render_prompt(tokenizer, messages)))
    try:
        return measure_throughput(backends, requests, config), {name: b.provider for name, b in backends.items()}
    finally:
        for backend in backends.values():
            backend.close()


def compare_variants(
    scored: Mapping[str, pl.DataFrame],
    speeds: Mapping[str, list[float]],
    *,
    confidence: float,
    seed: int,
    folders: Mapping[str, Path],
) -> list[Candidate]:
    """The candidates, each beside the first one, which is the reference."""
    first = next(iter(folders))
    candidates = []
    for name, folder in folders.items():
        means = mean_by_capability(scored[name])
        other = name != first
        candidates.append(
            Candidate(
                name=name,
                size=variant_bytes(folder),
                quality=sum(means.values()) / len(means),
                by_capability=means,
                paired=compare_quality(scored[name], scored[first], confidence, seed) if other else None,
                speedup=speedup(speeds[name], speeds[first], confidence) if other else None,
            )
        )
    return candidates


def describe_speeds(
    candidates: list[Candidate], speeds: Mapping[str, list[float]], providers: Mapping[str, str]
) -> dict[str, Any]:
    """The content of metrics/timings/select.json."""
    return {
        candidate.name: {
            "provider": providers[candidate.name],
            "tokens_per_second": [round(speed, 1) for speed in speeds[candidate.name]],
            "speedup": None if candidate.speedup is None else round(candidate.speedup.ratio, 3),
            "speedup_bound": None if candidate.speedup is None else round(candidate.speedup.low, 3),
        }
        for candidate in candidates
    }


def variant_bytes(folder: Path) -> int:
    """A variant's size in bytes, by its manifest."""
    manifest = read_manifest(folder) or {}
    return sum(file["bytes"] for file in manifest["files"].values())
