"""Measure the tuned model, fp32 and as shipped, against the base and the floors. Run: dvc repro evaluate."""

from functools import partial

import polars as pl

from roleshift.contracts import ITEMS, SCORES, TIMINGS, write_table
from roleshift.evaluation.evidence import Evidence, load_tables
from roleshift.evaluation.leaks import leaked_items
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.perturbations import perturb
from roleshift.evaluation.plan import read_examples, score_answers, timing_summary, together
from roleshift.evaluation.plots import difference_histogram, score_points
from roleshift.evaluation.report import Tuned, summarise
from roleshift.evaluation.slices import with_slices
from roleshift.files import read_json, write_json
from roleshift.generation import GenerationConfig, artifact_id_of, open_backend
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask
from roleshift.generation.embedding import metric_options
from roleshift.generation.opening import exported_manifest
from roleshift.params.export import REFERENCE
from roleshift.stage import Stage, run_stage
from roleshift.training.base import base_id
from roleshift.training.encoding import agreed_tasks


def evaluate(stage: Stage) -> None:
    """Ask the variants the test split, the shipped one more; score, compare with the baseline's evidence."""
    params = stage.params
    tasks = agreed_tasks(params.task_definitions(), read_json(stage.root / "data/tasks.json"))
    examples = read_examples(stage.root)
    models = stage.root / "models/onnx"
    shipped = read_json(stage.root / "metrics/selection.json")["shipped"]
    # Where the model could not be exported, the merged torch model ships and is its own reference.
    reference = REFERENCE if (models / REFERENCE).is_dir() else shipped
    tuned = Tuned(exported_manifest(models / shipped)["model_id"], shipped, reference)
    noisy = perturb(
        examples["test"], params.evaluation.robustness_items, params.evaluation.perturbation_rate, params.seed
    )
    config = GenerationConfig(max_new_tokens=params.generation.max_new_tokens, seed=params.seed)
    rounds = []
    with AnswerStore(stage.project.generations) as store:
        for variant in dict.fromkeys((reference, shipped)):
            folder = models / variant
            asked = partial(
                ask,
                tasks=tasks,
                variant=variant,
                model_id=tuned.model_id,
                artifact_id=artifact_id_of(folder),
                open_backend=partial(
                    open_backend,
                    folder,
                    threads=params.generation.threads,
                    provider=params.generation.provider,
                    batch_size=params.generation.batch_size,
                ),
                config=config,
                store=store,
                tokenizer_folder=folder,
            )
            rounds.append(asked(examples["test"], split="test"))
            if variant == shipped:
                rounds.append(asked(examples["review"], split="review"))
                rounds += [asked(frame, split="test", perturbation=name) for name, frame in noisy.items()]
    items, timings = together(rounds)
    items = with_slices(items, (examples["test"], examples["review"]), tasks)
    options = metric_options(params.evaluation, stage.root / "data/raw")
    scores = score_answers(items, {"none": pl.concat([examples["test"], examples["review"]]), **noisy}, tasks, options)
    base_items, base_scores = load_tables([stage.root / "evidence/baseline"])
    evidence = Evidence(pl.concat([items, base_items]), pl.concat([scores, base_scores]), tasks)
    base = base_id(stage.root / "data/raw" / params.base.source)
    summary = summarise(
        evidence,
        base_id=base,
        shots=params.evaluation.shots,
        precision=Precision(params.evaluation.resamples, params.evaluation.confidence, params.seed),
        tuned=tuned,
        leaked=leaked_items(examples["train"], examples["test"]),
    )
    write_table(stage.out / "evidence/candidate/items.parquet", items, ITEMS)
    write_table(stage.out / "evidence/candidate/scores.parquet", scores, SCORES)
    write_table(stage.out / "timings/evaluate.parquet", timings, TIMINGS)
    write_json(stage.out / "metrics/evaluate.json", summary)
    write_json(stage.out / "metrics/timings/evaluate.json", timing_summary(items, timings))
    write_json(stage.out / "plots/evaluate/scores.json", score_points(summary))
    write_json(stage.out / "plots/evaluate/differences.json", difference_histogram(evidence, base, tuned))


if __name__ == "__main__":
    run_stage("evaluate", evaluate)
