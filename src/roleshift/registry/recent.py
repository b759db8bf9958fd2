"""The last runs of the project: what they were, when, how long, and how they ended."""

from collections.abc import Mapping

import polars as pl

from roleshift.registry.figures import SECONDS
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
    `stage_seconds`). `state` is running, finished, failed or incomplete (a kill cut it off).
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
                "seconds": _measured(run.data.metrics) if pipeline else ended,
                "state": _state(info.status, tags.get(COMPLETENESS)),
                "versions": ", ".join(str(number) for number in sorted(by_run.get(info.run_id, []))),
                "commit": tags.get("mlflow.source.git.commit", "")[:10],
            }
        )
    return pl.DataFrame(rows, schema=RUNS)


def _measured(metrics: Mapping[str, float]) -> float | None:
    return sum(value for name, value in metrics.items() if name.startswith(SECONDS)) or None


def _state(status: str, completeness: str | None) -> str:
    if status in ("RUNNING", "SCHEDULED"):
        return "running"
    if status != "FINISHED":
        return "failed"
    return "incomplete" if completeness in ("pending", "recreating") else "finished"
