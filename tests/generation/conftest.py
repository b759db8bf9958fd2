"""Backends and examples for the tests of this folder."""

from pathlib import Path

import polars as pl
import pytest
import torch

from roleshift.contracts import EXAMPLES, slices_from_map
from roleshift.generation import artifact_id_of
from roleshift.generation.torch_backend import TorchBackend
from roleshift.tasks import TaskDefinition, catalogue_tasks


@pytest.fixture(scope="session")
def backend(tiny_llama: Path) -> TorchBackend:
    """The tiny Llama in torch float32."""
    return TorchBackend(
        tiny_llama,
        variant="torch-fp32",
        artifact_id=artifact_id_of(tiny_llama),
        dtype=torch.float32,
        device="cpu",
        threads=1,
        batch_size=4,
    )


@pytest.fixture(scope="session")
def tasks() -> dict[str, TaskDefinition]:
    found = catalogue_tasks()
    return {name: found[name] for name in ("headline-encyclopedia", "classify-encyclopedia")}


@pytest.fixture(scope="session")
def examples(tasks: dict[str, TaskDefinition]) -> pl.DataFrame:
    """Six examples of each of the two tasks."""
    rows = []
    for task in tasks.values():
        for i in range(6):
            rows.append(
                {
                    "example_id": f"{task.capability}-{i}",
                    "task_definition": task.id,
                    "capability": task.capability,
                    "language": task.language,
                    "domain": task.domain,
                    "input": f"a text about the thing {i}",
                    "references": [task.labels[i] if task.labels else f"thing {i}"],
                    "group_id": str(i),
                    "slices": slices_from_map({}),
                    "source": "test",
                    "licence": "CC0",
                }
            )
    return pl.DataFrame(rows, schema=EXAMPLES.schema)
