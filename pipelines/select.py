"""Select: which variant ships, decided on validation items only. Run: dvc repro select.

Every variant answers the validation items; quality is compared item by item with the float32
export, throughput measured in alternated rounds on some of the same prompts.
"""

from functools import partial

from roleshift.contracts import EXAMPLES, read_table
from roleshift.export.candidates import compare_variants, describe_speeds, score_variants, time_variants, variant_bytes
from roleshift.export.selection import decide, only_variant, variant_folders
from roleshift.files import write_json
from roleshift.generation import GenerationConfig, open_backend
from roleshift.generation.answers import AnswerStore
from roleshift.stage import Stage, run_stage


def select(stage: Stage) -> None:
    """Write metrics/selection.json and metrics/timings/select.json."""
    params, tasks = stage.params, stage.params.task_definitions()
    folders = variant_folders(stage.root / "models/onnx")
    if len(folders) == 1:
        [(name, folder)] = folders.items()
        write_json(stage.out / "metrics/selection.json", only_variant(name, variant_bytes(folder), params.select))
        write_json(stage.out / "metrics/timings/select.json", {})
        print(f"{name} ships: the only variant")
        return

    validation = read_table(stage.root / "data/examples/validation.parquet", EXAMPLES)
    config = GenerationConfig(params.generation.max_new_tokens, seed=params.seed)
    open_folder = partial(
        open_backend,
        threads=params.generation.threads,
        provider=params.generation.provider,
        batch_size=params.generation.batch_size,
    )
    with AnswerStore(stage.project.generations) as store:
        scored = score_variants(folders, validation, tasks, config=config, store=store, open_folder=open_folder)
    speeds, providers = time_variants(folders, validation, tasks, config=config, open_folder=open_folder)
    candidates = compare_variants(
        scored, speeds, confidence=params.select.confidence, seed=params.seed, folders=folders
    )
    selection = decide(candidates, params.select)
    write_json(stage.out / "metrics/selection.json", selection)
    write_json(stage.out / "metrics/timings/select.json", describe_speeds(candidates, speeds, providers))
    for entry in selection["candidates"]:
        print(f"{entry['variant']}: quality {entry['quality']:.3f}; {entry['reason']}")
    print(f"{selection['shipped']} ships{' (override)' if selection['override'] else ''}")


if __name__ == "__main__":
    run_stage("select", select)
