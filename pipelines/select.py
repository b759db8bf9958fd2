"""Select: which variant ships, decided on validation items only. Run: dvc repro select.

Every variant answers the validation items and is asked how likely it holds their references; both
are compared item by item with the float32 export. Throughput is measured in alternated rounds on
some of the same prompts, memory in a process of its own. docs/selection.md explains the rule.
"""

from functools import partial

from roleshift.contracts import EXAMPLES, read_table
from roleshift.errors import RoleShiftError
from roleshift.evaluation.statistics import smallest_margin
from roleshift.export.candidates import (
    Validation,
    check_batches,
    compare_variants,
    describe_measurements,
    measure_items,
    measure_memory,
    time_variants,
    variant_bytes,
)
from roleshift.export.selection import decide, only_variant, variant_folders
from roleshift.files import write_json
from roleshift.generation import GenerationConfig
from roleshift.generation.answers import AnswerStore
from roleshift.stage import Stage, run_stage


def select(stage: Stage) -> None:
    """Write metrics/selection.json and metrics/timings/select.json."""
    params, settings = stage.params, stage.params.select
    folders = variant_folders(stage.root / "models/onnx")
    if len(folders) == 1:
        [(name, folder)] = folders.items()
        write_json(stage.out / "metrics/selection.json", only_variant(name, variant_bytes(folder), settings))
        write_json(stage.out / "metrics/timings/select.json", {"variants": []})
        print(f"{name} ships: the only variant")
        return

    examples = read_table(stage.root / "data/examples/validation.parquet", EXAMPLES)
    config = GenerationConfig(params.generation.max_new_tokens, seed=params.seed)
    opening = {"threads": params.generation.threads, "provider": params.generation.provider}
    with AnswerStore(stage.project.generations) as store:
        validation = Validation(examples, params.task_definitions(), config, store, opening)
        if (problem := settings.impossible_with(validation.groups)) is not None:
            raise RoleShiftError(f"params.yaml: {problem}")
        measured = {name: measure_items(validation, name, folder) for name, folder in folders.items()}
        speeds, providers = time_variants(validation, folders, params.generation.batch_size)
        memory = measure_memory(validation, folders, params.generation.batch_size)
        candidates = compare_variants(
            measured, speeds, confidence=settings.confidence, seed=params.seed, folders=folders
        )
        selection = decide(
            candidates,
            settings,
            groups=validation.groups,
            least_margin=smallest_margin(validation.groups, settings.confidence),
            check_batches=partial(check_batches, validation, folders),
        )
    write_json(stage.out / "metrics/selection.json", selection)
    write_json(
        stage.out / "metrics/timings/select.json",
        describe_measurements(candidates, providers, memory, settings.confidence),
    )
    for entry in selection["candidates"]:
        print(f"{entry['variant']}: quality {entry['quality']:.3f}; {entry['reason']}")
    print(f"{selection['shipped']} ships{' (override)' if selection['override'] else ''}")


if __name__ == "__main__":
    run_stage("select", select)
