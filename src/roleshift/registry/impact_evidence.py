"""What a version can do, from any of its names: a registered version, a run's folder, an evidence folder.

Evidence that was imported for a version lies in MLflow runs of its own, tagged with the model's id,
so that it stays with the model when the pipeline runs again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import Side, evidence_folder, load_evidence
from roleshift.feedback.acceptance import with_acceptance
from roleshift.feedback.events import Answered
from roleshift.feedback.judged import stored_judgements
from roleshift.files import list_files
from roleshift.impact.capability import Cell, CellKey, measured_cells
from roleshift.impact.imports import TASKS_FILE, read_import, write_import
from roleshift.params import Params
from roleshift.project import Project
from roleshift.publishing import current_run
from roleshift.tasks import TaskDefinition

if TYPE_CHECKING:  # what asks the registry imports it: MLflow takes seconds, and a run's folder needs none of it
    from roleshift.registry.tracking import Tracking
    from roleshift.registry.versions import Version

IMPORTED_FOR = "roleshift.imported_for"
ORIGIN = "roleshift.origin"


@dataclass(frozen=True)
class Assessed:
    """A version's evidence as cells, with a name to show and the model and variant that it is about."""

    name: str
    model_id: str
    variant: str
    cells: dict[CellKey, Cell]


def assess(project: Project, params: Params, word: str | None) -> Assessed:
    """The evidence that `word` names; without a word that of the current run, or of the committed default run."""
    tasks = params.task_definitions()
    if word is None:
        folder, committed = current_run(project)
        side = load_evidence(folder)
        name = "committed default run" if committed else "current run"
        return _judged(_assessed(name, side, tasks), project, params, folder)
    path, _, variant = word.partition(":")
    if (Path(path) / TASKS_FILE).is_file():
        items, scores, own = read_import(Path(path))
        return _assessed(path, Side(path, items, scores), own)
    if Path(path).exists():
        return _judged(_assessed(word, load_evidence(Path(path), variant or None), tasks), project, params, Path(path))
    if Path(word).name != word:  # a path, which no version has as its name
        raise RoleShiftError(f"{word}: no such folder")
    from roleshift.registry.sides import version_side
    from roleshift.registry.tracking import tracking_of
    from roleshift.registry.versions import resolve

    tracking = tracking_of(project, params)
    version = resolve(tracking, params.registry.model_name, word)
    with TemporaryDirectory() as downloads:
        side = version_side(tracking, version, Path(downloads) / "own")
        with imported(tracking, version, Path(downloads) / "imported") as folders:
            for folder in folders:
                items, scores, own = read_import(folder)
                side = Side(side.name, pl.concat([side.items, items]), pl.concat([side.scores, scores]))
                tasks = tasks | own
        found = _assessed(f"version {version.number} ({version.variant})", side, tasks)
        part = "baseline" if version.kind == "base" else "candidate"
        own_evidence = Path(downloads) / "own" / str(version.number) / "evidence" / part
        return _judged(found, project, params, own_evidence)


def _judged(found: Assessed, project: Project, params: Params, path: Path) -> Assessed:
    """With people's judgements of its review items and of requests from use, where there are enough."""
    answered = Answered(None, found.model_id, found.variant, "")
    cells = with_acceptance(
        found.cells, evidence_folder(path), stored_judgements(project), answered,
        params.task_definitions(), resamples=params.impact.draws, seed=params.seed,
    )  # fmt: skip
    return replace(found, cells=cells)


def systems_of_run(folder: Path) -> dict[str, str]:
    """The words by which `assess` finds each measured system of a run, by its variant's name."""
    found: dict[str, str] = {}
    for part in ("candidate", "baseline"):
        place = folder / "evidence" / part
        if (place / "items.parquet").is_file():
            items = pl.scan_parquet(place / "items.parquet").filter(
                pl.col("shots") == 0, pl.col("split") == "test", pl.col("perturbation") == "none"
            )
            for variant in items.select(pl.col("variant").unique().sort()).collect()["variant"]:
                if not variant.startswith("floor-") and not variant.endswith("-likelihood"):
                    found.setdefault(variant, f"{place}:{variant}")
    return found


def _assessed(name: str, side: Side, tasks: Mapping[str, TaskDefinition]) -> Assessed:
    variant, model_id = side.items["variant"][0], side.items["model_id"][0]
    cells = measured_cells(side.items, side.scores, tasks, variant=variant, model_id=model_id)
    return Assessed(name, model_id, variant, cells)


def attach(tracking: "Tracking", version: "Version", folder: Path, origin: str) -> str:
    """Log an import's folder for a version; the same origin again takes the place of the earlier one."""
    from roleshift.registry.tracking import reporting

    items, scores, tasks = read_import(folder)
    stamped = items.with_columns(model_id=pl.lit(version.model_id), variant=pl.lit(version.variant))
    rescored = scores.with_columns(model_id=pl.lit(version.model_id), variant=pl.lit(version.variant))
    client = tracking.client
    with reporting(tracking.uri), TemporaryDirectory() as temporary:
        write_import(Path(temporary) / "import", stamped, rescored, tasks)
        tags = {IMPORTED_FOR: version.model_id, ORIGIN: origin, "roleshift.kind": "imported evidence"}
        earlier = _import_runs(tracking, version, origin)
        run = client.create_run(tracking.experiment_id, tags=tags, run_name=f"evidence of {origin}")
        for path in list_files(Path(temporary) / "import"):
            client.log_artifact(run.info.run_id, str(path), "imported")
        client.set_terminated(run.info.run_id, "FINISHED")
        for run_id in earlier:
            client.delete_run(run_id)
    return str(run.info.run_id)


def _import_runs(tracking: "Tracking", version: "Version", origin: str | None = None) -> list[str]:
    query = f"tags.`{IMPORTED_FOR}` = '{version.model_id}' and attributes.status = 'FINISHED'"
    found = tracking.client.search_runs([tracking.experiment_id], query, max_results=1000)
    return sorted(r.info.run_id for r in found if origin is None or r.data.tags.get(ORIGIN) == origin)


@contextmanager
def imported(tracking: "Tracking", version: "Version", folder: Path) -> Iterator[list[Path]]:
    """The folders of everything that was imported for a version, brought below `folder`."""
    from roleshift.registry.tracking import reporting

    folders = []
    with reporting(tracking.uri):
        for run_id in _import_runs(tracking, version):
            (folder / run_id).mkdir(parents=True)
            tracking.client.download_artifacts(run_id, "imported", str(folder / run_id))
            folders.append(folder / run_id / "imported")
    for place in folders:
        if not (place / TASKS_FILE).is_file():
            raise RoleShiftError(f"the imported evidence of run {place.parent.name} is incomplete; import it again")
    yield folders
