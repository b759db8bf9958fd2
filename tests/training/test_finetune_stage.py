"""The finetune stage as DVC runs it, in a small project, with its MLflow run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from mlflow import MlflowClient

from roleshift.contracts import EXAMPLES, slices_from_map, write_table
from roleshift.files import write_json
from roleshift.params import load_params
from roleshift.registry.training_run import INPUT_HASH_TAG, MlflowTrainingLog

ROOT = Path(__file__).parents[2]
OUTPUTS = ("models/adapter", "metrics/finetune.json", "plots/finetune/learning_curve.json")


@pytest.fixture
def project(tmp_path: Path, tiny_llama: Path) -> Path:
    """A project whose base is the tiny model and whose examples are sums."""
    root = tmp_path / "a project"
    for path in ("pipelines/finetune.py", "src/roleshift/training", "src/roleshift/prompts.py", "dvc.yaml"):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, target)
        else:
            shutil.copy(ROOT / path, target)
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["train"] |= {"rank": 2, "pack_tokens": 512, "max_steps": 4, "checkpoint_every_steps": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(raw))
    params = load_params(root / "params.yaml")
    shutil.copytree(tiny_llama, root / "data/raw" / params.base.source)
    tasks = params.task_definitions()
    write_json(root / "data/tasks.json", [tasks[name].wording() for name in sorted(tasks)])
    for split, count in (("train", 20), ("validation", 4)):
        rows = [
            {
                "example_id": f"{split}-{i}",
                "task_definition": "summarize-papers",
                "capability": "summarize",
                "language": "en",
                "domain": "scientific-papers",
                "input": f"We add {i} and {i}.",
                "references": [f"It is {2 * i}."],
                "group_id": str(i),
                "slices": slices_from_map({"aspect": "outcome"}),
                "source": "test",
                "licence": "MIT",
            }
            for i in range(count)
        ]
        write_table(root / f"data/examples/{split}.parquet", pl.DataFrame(rows, schema=EXAMPLES.schema), EXAMPLES)
    return root


def run(project: Path, uri: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    return subprocess.run(
        [sys.executable, "pipelines/finetune.py"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_stage_publishes_its_outputs_and_tracks_one_run(project, tmp_path):
    uri = f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}"
    done = run(project, uri)
    assert done.returncode == 0, done.stderr
    assert all((project / path).exists() for path in OUTPUTS)
    summary = json.loads((project / "metrics/finetune.json").read_text())
    curve = json.loads((project / "plots/finetune/learning_curve.json").read_text())
    timings = json.loads((project / "metrics/timings/finetune.json").read_text())
    assert summary["steps"] == 4
    assert {"seconds", "tokens_per_second", "peak_memory_gb"} == set(timings)
    assert not {"seconds", "tokens_per_second", "peak_memory_gb"} & set(summary)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("roleshift")
    assert experiment is not None
    (tracked,) = client.search_runs([experiment.experiment_id])
    assert tracked.info.status == "FINISHED"
    history = client.get_metric_history(tracked.info.run_id, "train_loss")
    assert [(p.step, p.value) for p in history] == [(p["step"], p["loss"]) for p in curve if p["split"] == "train"]
    assert {"learning_rate", "tokens_per_second", "peak_memory_gb", "validation_loss"} <= set(tracked.data.metrics)
    assert tracked.data.params["learning_rate"] == "0.001"

    # A resumed run continues the same one, and repeats no step.
    log = MlflowTrainingLog(uri, project, "roleshift", tracked.data.tags[INPUT_HASH_TAG])
    log.start({})
    for step in (3, 4, 5):
        log.log(step, {"train_loss": 1.0})
    log.finish("FINISHED")
    assert log.run_id == tracked.info.run_id
    assert [p.step for p in client.get_metric_history(log.run_id, "train_loss")] == [1, 2, 3, 4, 5]


def test_training_goes_on_where_the_tracking_server_is_down(project):
    done = run(project, "http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "training goes on untracked" in done.stderr
    assert all((project / path).exists() for path in OUTPUTS)


def test_an_expected_failure_is_one_line(project, tmp_path):
    (project / "data/tasks.json").write_text("[]")
    done = run(project, f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("roleshift finetune: data/tasks.json:")
    assert "Traceback" not in done.stderr
