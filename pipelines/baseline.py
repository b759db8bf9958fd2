"""Measure the untouched base, with and without shots, and the trivial floors. Run: dvc repro baseline."""

from functools import partial
from typing import Any

import polars as pl

from roleshift.contracts import ITEMS, SCORES, TIMINGS, write_table
from roleshift.evaluation.evidence import Evidence
from roleshift.evaluation.floors import floor_items
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.plan import read_examples, score_answers, timing_summary, together
from roleshift.evaluation.report import summarise
from roleshift.evaluation.slices import with_slices
from roleshift.files import read_json, write_json
from roleshift.generation import GenerationConfig, artifact_id_of, open_backend, variant_of
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask, label_likelihoods
from roleshift.generation.embedding import metric_options
from roleshift.stage import Stage, run_stage
from roleshift.training.base import base_folder, base_id
from roleshift.training.encoding import agreed_tasks


def baseline(stage: Stage) -> None:
    """Ask the base the test and review splits, add the floors, score, summarise."""
    params = stage.params
    tasks = agreed_tasks(params.task_definitions(), read_json(stage.root / "data/tasks.json"))
    examples = read_examples(stage.root)
    raw = stage.root / "data/raw" / params.base.source
    base = base_folder(raw, stage.project.converted)
    config = GenerationConfig(max_new_tokens=params.generation.max_new_tokens, seed=params.seed)
    with AnswerStore(stage.project.generations) as store:
        asked: dict[str, Any] = {
            "variant": variant_of(base),
            "model_id": base_id(raw),
            "artifact_id": artifact_id_of(base),
            "open_backend": partial(
                open_backend,
                base,
                threads=params.generation.threads,
                provider=params.generation.provider,
                batch_size=params.generation.batch_size,
            ),
            "store": store,
            "tokenizer_folder": base,
        }
        shots: dict[str, Any] = {"shots": params.evaluation.shots, "shot_examples": examples["train"]}
        rounds = [ask(examples["test"], tasks, split="test", config=config, **asked)]
        if params.evaluation.shots:
            rounds.append(ask(examples["test"], tasks, split="test", config=config, **asked, **shots))
        rounds.append(label_likelihoods(examples["test"], tasks, split="test", seed=params.seed, **asked))
        rounds.append(ask(examples["review"], tasks, split="review", config=config, **asked))
    answers, timings = together(rounds)
    items = pl.concat([answers, floor_items(examples["train"], examples["test"], tasks, seed=params.seed)])
    items = with_slices(items, (examples["test"], examples["review"]), tasks)
    options = metric_options(params.evaluation, stage.root / "data/raw")
    scores = score_answers(items, {"none": pl.concat([examples["test"], examples["review"]])}, tasks, options)
    precision = Precision(params.evaluation.resamples, params.evaluation.confidence, params.seed)
    summary = summarise(
        Evidence(items, scores, tasks), base_id=base_id(raw), shots=params.evaluation.shots, precision=precision
    )
    write_table(stage.out / "evidence/baseline/items.parquet", items, ITEMS)
    write_table(stage.out / "evidence/baseline/scores.parquet", scores, SCORES)
    write_table(stage.out / "timings/baseline.parquet", timings, TIMINGS)
    write_json(stage.out / "metrics/baseline.json", summary)
    write_json(stage.out / "metrics/timings/baseline.json", timing_summary(items, timings))


if __name__ == "__main__":
    run_stage("baseline", baseline)
