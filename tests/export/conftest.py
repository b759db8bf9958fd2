"""A tiny model tuned, merged and exported once for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from peft import LoraConfig, get_peft_model

from roleshift.contracts import EXAMPLES, slices_from_map
from roleshift.export.variants import Exported, export_variants
from roleshift.params import ExportParams
from roleshift.tasks import TaskDefinition, catalogue_tasks
from roleshift.training.base import load_model


@pytest.fixture(scope="session")
def tasks() -> dict[str, TaskDefinition]:
    return catalogue_tasks()


@pytest.fixture(scope="session")
def validation(tasks: dict[str, TaskDefinition]) -> pl.DataFrame:
    """Twenty short examples over the catalogue's capabilities."""
    definitions = list(tasks.values())
    rows = []
    for i in range(20):
        task = definitions[i % len(definitions)]
        rows.append(
            {
                "example_id": f"example-{i:02d}",
                "task_definition": task.id,
                "capability": task.capability,
                "language": task.language,
                "domain": task.domain,
                "input": f"the thing number {i} " * (1 + i % 3),
                "references": [task.labels[i % len(task.labels)] if task.labels else "the answer"],
                "group_id": str(i),
                "slices": slices_from_map({"aspect": "challenge"}),
                "source": "test",
                "licence": "CC0",
            }
        )
    return pl.DataFrame(rows, schema=EXAMPLES.schema)


@pytest.fixture(scope="session")
def make_adapter(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """An adapter whose matrices are not zero, so that merging changes the model."""

    def make(base: Path) -> Path:
        out = tmp_path_factory.mktemp("adapter")
        torch.manual_seed(0)
        config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        get_peft_model(load_model(base, torch.float32), config).save_pretrained(out)
        return out

    return make


@pytest.fixture(scope="session")
def export_with(
    make_adapter: Callable[[Path], Path],
    validation: pl.DataFrame,
    tasks: dict[str, TaskDefinition],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[Path, Exported]]:
    """Export a base with some params, by an adapter of its own unless one is given: the variants' folder, and more."""

    def run(base: Path, params: ExportParams, adapter: Path | None = None) -> tuple[Path, Exported]:
        folder = tmp_path_factory.mktemp("export")
        exported = export_variants(
            base_folder=base,
            adapter_folder=adapter or make_adapter(base),
            model_id="0123456789abcdef",
            params=params,
            seed=17,
            validation=validation,
            tasks=tasks,
            work=folder / "work",
            out=folder / "out",
        )
        return folder / "out", exported

    return run
