"""Prepare: every source in one form, cleaned, without duplicates, split without leaks.

Run: dvc repro prepare
"""

import json

from roleshift.contracts import EXAMPLES, write_table
from roleshift.data.preparation.preparing import prepare_examples
from roleshift.export.rotation import check_family
from roleshift.files import write_json, write_text
from roleshift.stage import Stage, run_stage
from roleshift.training.base import base_folder, load_config, load_tokenizer


def prepare(stage: Stage) -> None:
    """Write the examples by split, the quarantine, the report and the tasks of this run."""
    params = stage.params
    raw = stage.root / "data/raw"
    base = base_folder(raw / params.base.source, stage.project.converted)
    check_family(params.export.variants, load_config(base))  # before the training, not after it in `export`
    tokenizer = load_tokenizer(base)

    def count_tokens(texts: list[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]] if texts else []

    prepared = prepare_examples(params, raw, count_tokens)
    for split, examples in prepared.examples.items():
        write_table(stage.out / f"data/examples/{split}.parquet", examples, EXAMPLES)
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in prepared.quarantine]
    write_text(stage.out / "data/quarantine.jsonl", "".join(lines))
    write_json(stage.out / "data/report.json", prepared.report)
    write_json(stage.out / "data/tasks.json", [task.wording() for task in params.task_definitions().values()])
    _print_sizes(prepared.report)


def _print_sizes(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> None:
    for capability, splits in report["capabilities"].items():
        sizes = ", ".join(f"{name} {split['drawn']} of {split['asked']}" for name, split in splits.items())
        print(f"prepare: {capability}: {sizes}")


if __name__ == "__main__":
    run_stage("prepare", prepare)
