"""Select: which variant ships, decided on validation items only. Run: dvc repro select.

Every variant answers the validation items; quality is compared item by item with the float32
export, throughput measured in alternated rounds on some of the same prompts.
"""

from functools import partial

from roleshift.contracts import EXAMPLES, read_table, slices_to_map
from roleshift.evaluation import score_items
from roleshift.export.parity import parity_examples
from roleshift.export.selection import (
    Candidate,
    compare_quality,
    decide,
    mean_by_capability,
    only_variant,
    primary_scores,
    variant_folders,
)
from roleshift.export.throughput import measure_throughput, speedup
from roleshift.files import write_json
from roleshift.generation import GenerationConfig, Request, artifact_id_of, open_backend
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask
from roleshift.generation.opening import read_manifest
from roleshift.prompts import chat_messages, render_prompt
from roleshift.stage import Stage, run_stage

PROMPTS_PER_CAPABILITY = 2  # whose answers are timed, in every round


def select(stage: Stage) -> None:
    """Write metrics/selection.json and metrics/timings/select.json."""
    params, tasks = stage.params, stage.params.task_definitions()
    folders = variant_folders(stage.root / "models/onnx")
    manifests = {name: read_manifest(folder) or {} for name, folder in folders.items()}
    sizes = {name: sum(file["bytes"] for file in manifest["files"].values()) for name, manifest in manifests.items()}
    if len(folders) == 1:
        name = next(iter(folders))
        write_json(stage.out / "metrics/selection.json", only_variant(name, sizes[name], params.select))
        write_json(stage.out / "metrics/timings/select.json", {})
        print(f"{name} ships: the only variant")
        return

    validation = read_table(stage.root / "data/examples/validation.parquet", EXAMPLES)
    references = dict(zip(validation["example_id"].to_list(), validation["references"].to_list(), strict=True))
    inputs = dict(zip(validation["example_id"].to_list(), validation["input"].to_list(), strict=True))
    config = GenerationConfig(params.generation.max_new_tokens, seed=params.seed)
    opening = partial(
        open_backend,
        threads=params.generation.threads,
        provider=params.generation.provider,
        batch_size=params.generation.batch_size,
    )
    scored = {}
    with AnswerStore(stage.project.generations) as store:
        for name, folder in folders.items():
            items, _ = ask(
                validation, tasks, split="validation", variant=name, model_id=manifests[name]["model_id"],
                artifact_id=artifact_id_of(folder), open_backend=partial(opening, folder), config=config,
                store=store, tokenizer_folder=folder,
            )  # fmt: skip
            scored[name] = primary_scores(score_items(items, references, inputs, tasks), items, tasks)

    backends = {name: opening(folder) for name, folder in folders.items()}
    first = next(iter(folders))
    tokenizer = backends[first].tokenizer
    requests = [
        Request(
            row["example_id"],
            render_prompt(
                tokenizer, chat_messages(tasks[row["task_definition"]], row["input"], slices_to_map(row["slices"]))
            ),
        )
        for row in parity_examples(validation, PROMPTS_PER_CAPABILITY).iter_rows(named=True)
    ]
    speeds = measure_throughput(backends, requests, config)
    providers = {name: backend.provider for name, backend in backends.items()}
    for backend in backends.values():
        backend.close()

    candidates = []
    for name in folders:
        means = mean_by_capability(scored[name])
        other = name != first
        candidates.append(
            Candidate(
                name=name,
                size=sizes[name],
                quality=sum(means.values()) / len(means),
                by_capability=means,
                paired=compare_quality(scored[name], scored[first], params.select.confidence, params.seed)
                if other
                else None,
                speedup=speedup(speeds[name], speeds[first], params.select.confidence) if other else None,
            )
        )
    selection = decide(candidates, params.select)
    write_json(stage.out / "metrics/selection.json", selection)
    write_json(
        stage.out / "metrics/timings/select.json",
        {
            candidate.name: {
                "provider": providers[candidate.name],
                "tokens_per_second": [round(speed, 1) for speed in speeds[candidate.name]],
                "speedup": None if candidate.speedup is None else round(candidate.speedup.ratio, 3),
                "speedup_bound": None if candidate.speedup is None else round(candidate.speedup.low, 3),
            }
            for candidate in candidates
        },
    )
    for entry in selection["candidates"]:
        print(f"{entry['variant']}: quality {entry['quality']:.3f}; {entry['reason']}")
    print(f"{selection['shipped']} ships{' (override)' if selection['override'] else ''}")


if __name__ == "__main__":
    run_stage("select", select)
