"""Ask a model the examples of a split: prompts, stored answers, what is missing generated, tables.

A model is loaded only where an answer is missing. Outputs are kept raw; scoring decides what they
are worth.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from roleshift.contracts import ITEMS, TIMINGS, check, slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, sha256_text
from roleshift.generation.answers import AnswerStore
from roleshift.generation.interface import Backend
from roleshift.generation.requests import Answer, GenerationConfig, Request
from roleshift.prompts import Shot, chat_messages, render_prompt
from roleshift.tasks import TaskDefinition


@dataclass(frozen=True)
class _Prompted:
    """An example (a row of EXAMPLES) with its rendered prompt."""

    example: dict[str, Any]
    prompt: str
    prompt_hash: str


def ask(
    examples: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    split: str,
    variant: str,
    model_id: str,
    artifact_id: str,
    open_backend: Callable[[], Backend],
    config: GenerationConfig,
    store: AnswerStore,
    tokenizer_folder: Path,
    shots: int = 0,
    shot_examples: pl.DataFrame | None = None,
    perturbation: str = "none",
    decoded_together: int | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every example's answer as ITEMS and TIMINGS, in the examples' order.

    `examples` is an EXAMPLES frame, its inputs already perturbed where `perturbation` says so.
    `shots` worked examples per task are drawn from `shot_examples` by `config.seed`, the same for
    every example of a task. `open_backend` is called only if the store lacks an answer; the backend
    is closed afterwards. Timings of stored answers are those of when they were generated.
    `decoded_together` makes the backend's batch size a part of the settings' hash: for who asks
    whether it changes an answer, and so must not be given one that was decoded in another company.
    """
    settings_hash = config.settings_hash
    if decoded_together is not None:
        settings_hash = hash_json({"settings": settings_hash, "decoded_together": decoded_together})
    prompted = _prompts(
        examples,
        tasks,
        tokenizer_folder=tokenizer_folder,
        shots=shots,
        shot_examples=shot_examples,
        seed=config.seed,
    )
    answers = _answers(
        prompted,
        artifact_id=artifact_id,
        open_backend=open_backend,
        config=config,
        settings_hash=settings_hash,
        store=store,
        what=f"{variant} {split}",
    )
    key = {"model_id": model_id, "variant": variant, "shots": shots, "perturbation": perturbation}
    items = [
        _item(
            p,
            key=key,
            split=split,
            artifact_id=artifact_id,
            settings_hash=settings_hash,
            answer=answers[p.prompt_hash],
        )
        for p in prompted
    ]
    timings = [
        {
            "example_id": p.example["example_id"],
            **key,
            "prompt_seconds": answers[p.prompt_hash].prompt_seconds,
            "decode_seconds": answers[p.prompt_hash].decode_seconds,
            "batch_size": answers[p.prompt_hash].batch_size,
        }
        for p in prompted
    ]
    return _tables(items, timings, f"{variant} {split}")


def label_likelihoods(
    examples: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    split: str,
    variant: str,
    model_id: str,
    artifact_id: str,
    open_backend: Callable[[], Backend],
    seed: int,
    store: AnswerStore,
    tokenizer_folder: Path,
    shots: int = 0,
    shot_examples: pl.DataFrame | None = None,
    perturbation: str = "none",
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """For the examples of classify tasks: the label with the highest summed log-probability.

    So a model is judged by what it holds likely and not by its verbosity. Other examples are left
    out. The items' variant is "<variant>-likelihood", their `output` a label; `output_tokens` is 0,
    since nothing is generated.
    """
    classify = [task_id for task_id, task in tasks.items() if task.kind == "classify"]
    examples = examples.filter(pl.col("task_definition").is_in(classify))
    prompted = _prompts(
        examples,
        tasks,
        tokenizer_folder=tokenizer_folder,
        shots=shots,
        shot_examples=shot_examples,
        seed=seed,
    )
    labels = {task_id: list(tasks[task_id].labels) for task_id in classify}
    hashes = {task_id: hash_json({"continuations": labels[task_id]}) for task_id in classify}
    found = {}
    backend: Backend | None = None
    try:
        for p in tqdm(prompted, desc=f"{variant} {split} labels", unit="item", disable=None):
            task_id = p.example["task_definition"]
            stored = store.likelihoods(artifact_id, p.prompt_hash, hashes[task_id])
            if stored is None:
                backend = backend or open_backend()
                start = time.perf_counter()
                logprobs = backend.continuation_logprobs(p.prompt, labels[task_id])
                stored = logprobs, time.perf_counter() - start
                store.keep_likelihoods(artifact_id, p.prompt_hash, hashes[task_id], *stored)
            found[p.prompt_hash, task_id] = stored
    finally:
        if backend is not None:
            backend.close()
    key = {"model_id": model_id, "variant": f"{variant}-likelihood", "shots": shots, "perturbation": perturbation}
    items, timings = [], []
    tokenizer = _load_tokenizer(tokenizer_folder) if prompted else None
    for p in prompted:
        task_id = p.example["task_definition"]
        logprobs, seconds = found[p.prompt_hash, task_id]
        best = labels[task_id][max(range(len(logprobs)), key=logprobs.__getitem__)]
        tokens = len(tokenizer(p.prompt, add_special_tokens=False)["input_ids"])  # type: ignore[misc]
        answer = Answer(p.prompt_hash, best, tokens, 0, "stop", seconds, 0.0, 1)
        items.append(
            _item(p, key=key, split=split, artifact_id=artifact_id, settings_hash=hashes[task_id], answer=answer)
        )
        timings.append(
            {
                "example_id": p.example["example_id"],
                **key,
                "prompt_seconds": seconds,
                "decode_seconds": 0.0,
                "batch_size": 1,
            }
        )
    return _tables(items, timings, f"{variant} {split} labels")


def draw_shots(task_id: str, shot_examples: pl.DataFrame, shots: int, seed: int) -> list[Shot]:
    """`shots` worked examples of a task, drawn by (seed, task) whatever the frame's order."""
    pool = shot_examples.filter(pl.col("task_definition") == task_id).sort("example_id")
    if pool.height < shots:
        raise RoleShiftError(
            f"evaluation.shots is {shots}, but there are {pool.height} training examples of {task_id}; "
            "lower it or give more examples"
        )
    chosen = random.Random(f"{seed}:{task_id}").sample(range(pool.height), shots)  # noqa: S311
    rows = [pool.row(i, named=True) for i in chosen]
    return [Shot(row["input"], slices_to_map(row["slices"]), row["references"][0]) for row in rows]


def _prompts(
    examples: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    tokenizer_folder: Path,
    shots: int,
    shot_examples: pl.DataFrame | None,
    seed: int,
) -> list[_Prompted]:
    if shots and shot_examples is None:
        raise RoleShiftError(f"{shots} shots were asked for, but there are no examples to draw them from")
    if examples.is_empty():
        return []
    tokenizer = _load_tokenizer(tokenizer_folder)
    drawn: dict[str, list[Shot]] = {}
    prompted = []
    for row in examples.iter_rows(named=True):
        task_id = row["task_definition"]
        if task_id not in tasks:
            raise RoleShiftError(f"example {row['example_id']}: its task {task_id!r} is not defined; add it to `tasks`")
        if shots and task_id not in drawn and shot_examples is not None:
            drawn[task_id] = draw_shots(task_id, shot_examples, shots, seed)
        messages = chat_messages(tasks[task_id], row["input"], slices_to_map(row["slices"]), drawn.get(task_id, ()))
        prompt = render_prompt(tokenizer, messages)
        prompted.append(_Prompted(row, prompt, sha256_text(prompt)))
    return prompted


def _answers(
    prompted: Sequence[_Prompted],
    *,
    artifact_id: str,
    open_backend: Callable[[], Backend],
    config: GenerationConfig,
    settings_hash: str,
    store: AnswerStore,
    what: str,
) -> dict[str, Answer]:
    prompts = {p.prompt_hash: p.prompt for p in prompted}
    found = store.answers(artifact_id, settings_hash, prompts)
    missing = [Request(prompt_hash, prompt) for prompt_hash, prompt in prompts.items() if prompt_hash not in found]
    if not missing:
        return found
    backend = open_backend()
    try:
        if backend.artifact_id != artifact_id:
            raise RoleShiftError(
                f"{what}: the model that was opened ({backend.artifact_id}) is not the one asked for ({artifact_id}); "
                "it changed meanwhile: run the stage again"
            )
        with tqdm(desc=what, total=len(prompts), initial=len(found), unit="answer", disable=None) as progress:

            def on_answer(answer: Answer) -> None:
                store.keep(artifact_id, settings_hash, answer)
                progress.update()

            generated = backend.generate(missing, config, on_answer)
    finally:
        backend.close()
    return found | {answer.request_id: answer for answer in generated}


def _item(
    p: _Prompted, *, key: dict[str, Any], split: str, artifact_id: str, settings_hash: str, answer: Answer
) -> dict[str, Any]:
    copied = ("example_id", "task_definition", "capability", "language", "domain", "slices", "group_id")
    return {
        **{name: p.example[name] for name in copied},
        **key,
        "split": split,
        "artifact_id": artifact_id,
        "prompt_hash": p.prompt_hash,
        "settings_hash": settings_hash,
        "references_hash": hash_json(list(p.example["references"])),
        "output": answer.output,
        "prompt_tokens": answer.prompt_tokens,
        "output_tokens": answer.output_tokens,
        "finish_reason": answer.finish_reason,
        "origin": "measured",
    }


def _tables(
    items: list[dict[str, Any]], timings: list[dict[str, Any]], where: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    item_frame = pl.DataFrame(items, schema=ITEMS.schema)
    timing_frame = pl.DataFrame(timings, schema=TIMINGS.schema)
    check(item_frame, ITEMS, where)
    check(timing_frame, TIMINGS, where)
    return item_frame, timing_frame


def _load_tokenizer(folder: Path) -> Any:
    from roleshift.training.base import load_tokenizer

    return load_tokenizer(folder)
