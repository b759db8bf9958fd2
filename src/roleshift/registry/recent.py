"""The last runs of the project: what they were, when, how long, and how they ended."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from roleshift.files import read_json
from roleshift.registry.figures import numbers
from roleshift.registry.pipeline_run import PIPELINE
from roleshift.registry.pipeline_run import STATE as COMPLETENESS
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.training_run import STAGE_TAG
from roleshift.registry.versions import list_versions

RUNS = pl.Schema(
    {
        "run": pl.String(), "what": pl.String(), "started": pl.Int64(), "seconds": pl.Float64(), "state": pl.String(),
        "versions": pl.String(), "commit": pl.String(),
    }
)  # fmt: skip


def recent_runs(tracking: Tracking, name: str, most: int = 10) -> pl.DataFrame:
    """The project's last runs, newest first, as a frame of RUNS.

    `what` is pipeline or training, `started` milliseconds since 1970. `seconds` is the time a training
    run took; of a pipeline run, which is logged when all is done, the time its stages measured (see
    `measured_seconds`). `state` is running, finished, failed or incomplete (a kill cut it off).
    """
    with reporting(tracking.uri):
        found = tracking.client.search_runs(
            [tracking.experiment_id], order_by=["attributes.start_time DESC"], max_results=most
        )
        by_run: dict[str, list[int]] = {}
        for version in list_versions(tracking, name):
            if version.evidence_run is not None:
                by_run.setdefault(version.evidence_run, []).append(version.number)
    rows = []
    for run in found:
        tags, info = run.data.tags, run.info
        ended = None if info.end_time is None else (info.end_time - info.start_time) / 1000
        pipeline = PIPELINE in tags
        rows.append(
            {
                "run": info.run_name or info.run_id,
                "what": "pipeline" if pipeline else "training" if STAGE_TAG in tags else "other",
                "started": info.start_time,
                "seconds": sum(measured_seconds(run.data.metrics).values()) or None if pipeline else ended,
                "state": _state(info.status, tags.get(COMPLETENESS)),
                "versions": ", ".join(str(number) for number in sorted(by_run.get(info.run_id, []))),
                "commit": tags.get("mlflow.source.git.commit", "")[:10],
            }
        )
    return pl.DataFrame(rows, schema=RUNS)


def measured_seconds(metrics: Mapping[str, float]) -> dict[str, float]:
    """Seconds by stage out of a pipeline run's metrics `timings.STAGE...`: training, generation, export.

    Every timing of `export` is a duration, of the others those that are called so. What a stage does
    besides (reading, scoring, intervals) is not measured and not in it.
    """
    found: dict[str, float] = {}
    for key, value in metrics.items():
        parts = key.split(".")
        if parts[0] != "timings" or len(parts) < 3:
            continue
        if parts[1] == "export" or parts[-1].endswith("seconds"):
            found[parts[1]] = found.get(parts[1], 0.0) + value
    return found


def stage_seconds(folder: Path) -> dict[str, float]:
    """`measured_seconds` of the run whose `metrics/timings/` lies in `folder`."""
    metrics: dict[str, float] = {}
    for path in sorted((folder / "metrics/timings").glob("*.json")):
        metrics |= numbers(read_json(path), f"timings.{path.stem}")
    return measured_seconds(metrics)


def _state(status: str, completeness: str | None) -> str:
    if status in ("RUNNING", "SCHEDULED"):
        return "running"
    if status != "FINISHED":
        return "failed"
    return "incomplete" if completeness in ("pending", "recreating") else "finished"
