"""The pipeline run: what a complete pipeline measured, logged once per content, in batches."""

import json
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, list_files, read_json, sha256_file
from roleshift.registry.figures import figures, numbers, settings
from roleshift.registry.manifest import Made
from roleshift.registry.tracking import Tracking
from roleshift.registry.training_run import INPUT_HASH_TAG, STAGE_TAG
from roleshift.stage import declared_stage, snapshot

PIPELINE = "roleshift.pipeline_id"
STATE = "roleshift.state"
METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
UPLOADED = ("evidence", "metrics", "plots", "timings", "impact")
ALONE = ("data/manifest.json", "data/report.json", "data/tasks.json", "params.yaml", "dvc.yaml", "dvc.lock")


def find_run(tracking: Tracking, tag: str, value: str) -> Run | None:
    """The oldest run of the experiment with this tag."""
    found = tracking.client.search_runs(
        [tracking.experiment_id], f"tags.`{tag}` = '{value}'", order_by=["attributes.start_time ASC"], max_results=1
    )
    return found[0] if found else None


def ensure_pipeline_run(tracking: Tracking, root: Path, made: Made, tags: dict[str, str]) -> tuple[Run, bool]:
    """The complete run of this content, and whether anything had to be logged.

    A run that a kill left unfinished is completed: its metrics carry the run's own start time, so
    that logging them again adds nothing.
    """
    client = tracking.client
    run = find_run(tracking, PIPELINE, made.pipeline_id)
    if run is not None and run.data.tags.get(STATE) == "complete":
        return run, False
    if run is None:
        kind = {PIPELINE: made.pipeline_id, STATE: "pending", "roleshift.kind": "pipeline"}
        run = client.create_run(tracking.experiment_id, tags=kind | tags, run_name=f"pipeline {made.pipeline_id[:8]}")
    else:
        client.update_run(run.info.run_id, status="RUNNING")
    run_id = run.info.run_id
    log_numbers(tracking, run, figures(root))
    params = [Param(key, value) for key, value in settings(made.tuned.manifest["params"]).items()]
    for start in range(0, len(params), PARAMS_PER_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAMS_PER_BATCH])
    upload_outputs(tracking, run_id, root)
    for candidate in (made.base, made.tuned):
        client.log_dict(
            run_id, json.loads(json.dumps(candidate.manifest, default=str)), f"manifest/{candidate.kind}.json"
        )
    client.set_terminated(run_id, "FINISHED")
    client.set_tag(run_id, STATE, "complete")
    return client.get_run(run_id), True


def log_numbers(tracking: Tracking, run: Run, values: dict[str, float]) -> None:
    """Log metrics in batches, at step 0 and the run's start time."""
    metrics = [Metric(name, value, run.info.start_time, 0) for name, value in sorted(values.items())]
    for start in range(0, len(metrics), METRICS_PER_BATCH):
        tracking.client.log_batch(run.info.run_id, metrics=metrics[start : start + METRICS_PER_BATCH])


def upload_outputs(tracking: Tracking, run_id: str, root: Path) -> None:
    """Upload evidence, metrics, plots and timings, except what `register` itself writes."""
    from roleshift.registry.drawings import draw_plots  # matplotlib: not where there is nothing to register

    client = tracking.client
    for folder in UPLOADED:
        for path in list_files(root / folder) if (root / folder).is_dir() else []:
            relative = path.relative_to(root)
            if relative.as_posix() != "metrics/register.json":
                client.log_artifact(run_id, str(path), relative.parent.as_posix())
    for name, figure in draw_plots(root).items():
        client.log_figure(run_id, figure, name)
    for name in ALONE:
        if (root / name).is_file():
            client.log_artifact(run_id, str(root / name), str(Path("project") / Path(name).parent))


def state_tags(manifest: dict[str, Any], experiment: str | None) -> dict[str, str]:
    """Tags that MLflow's pages show and filter by: commit, lock, user, the DVC experiment."""
    git, dvc = manifest["git"], manifest["dvc"]
    tags = {
        "mlflow.user": manifest["user"],
        "mlflow.source.git.commit": git.get("commit"),
        "roleshift.git_dirty": str(git["dirty"]).lower() if git else None,
        "roleshift.dvc_lock": dvc.get("lock"),
        "roleshift.dvc_experiment": experiment,
        "roleshift.python": manifest["environment"]["python"],
        "roleshift.platform": manifest["environment"]["platform"],
    }
    return {key: value for key, value in tags.items() if value is not None}


def ensure_training_run(tracking: Tracking, root: Path) -> Run:
    """The run that `finetune` logged for these inputs, else one made anew from what it left in the project.

    It is not in this store where the cache was pulled, or the store is another one. A run that a
    kill left unfinished here is completed.
    """
    client = tracking.client
    value = finetune_inputs(root)
    run = find_run(tracking, INPUT_HASH_TAG, value)
    if run is not None and run.data.tags.get(STATE) != "recreating":
        return run
    if run is None:
        tags = {INPUT_HASH_TAG: value, STAGE_TAG: "finetune", STATE: "recreating"}
        run = client.create_run(tracking.experiment_id, tags=tags, run_name=f"finetune-{value[:8]}")
    log_numbers(tracking, run, numbers(read_json(root / "metrics/finetune.json"), "finetune"))
    for path in [root / "metrics/finetune.json", *list_files(root / "plots/finetune")]:
        client.log_artifact(run.info.run_id, str(path), path.relative_to(root).parent.as_posix())
    log_curve(tracking, run, root / "plots/finetune/learning_curve.json")
    client.set_terminated(run.info.run_id, "FINISHED")
    client.set_tag(run.info.run_id, STATE, "recreated")
    return client.get_run(run.info.run_id)


def log_curve(tracking: Tracking, run: Run, path: Path) -> None:
    """Log a learning curve: rows with a `step`, every other number a metric at that step."""
    rows = read_json(path) if path.is_file() else []
    metrics = [
        Metric(f"{row.get('split', 'train')}_{name}", float(value), run.info.start_time, int(row["step"]))
        for row in rows
        for name, value in row.items()
        if name != "step" and isinstance(value, int | float)
    ]
    for start in range(0, len(metrics), METRICS_PER_BATCH):
        tracking.client.log_batch(run.info.run_id, metrics=metrics[start : start + METRICS_PER_BATCH])


def finetune_inputs(root: Path) -> str:
    """The hash of finetune's inputs, as its stage computes it; of its results where an input is not here."""
    try:
        declared = declared_stage(root, "finetune")
        return hash_json({"deps": snapshot(root, declared.deps).hashes, "params": declared.params})
    except RoleShiftError:
        return sha256_file(root / "metrics/finetune.json")
