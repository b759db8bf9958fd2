"""People's judgements as evidence: of review items in the place of a metric's threshold, of requests from use."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from roleshift.contracts import ITEM_KEY
from roleshift.errors import RoleShiftError
from roleshift.evaluation.evidence import load_tables
from roleshift.feedback.events import CAPTURED, Answered
from roleshift.feedback.judged import population_of
from roleshift.impact.capability import Cell, CellKey
from roleshift.impact.reviewed import cells_from_use, reviewed_cells
from roleshift.tasks import TaskDefinition

REVIEW = "review"


def review_items(folder: Path, answered: Answered) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A version's answers to the items of the review split, and their scores."""
    items, scores = load_tables([folder])
    items = items.filter(
        pl.col("split") == REVIEW, pl.col("perturbation") == "none", pl.col("shots") == 0,
        pl.col("model_id") == answered.model_id, pl.col("variant") == answered.variant,
    )  # fmt: skip
    return items, scores.join(items, on=list(ITEM_KEY), how="semi")


def with_primary_score(items: pl.DataFrame, scores: pl.DataFrame, tasks: Mapping[str, TaskDefinition]) -> pl.DataFrame:
    """The items with a column `score`: each by its task's primary metric."""
    metric = pl.col("task_definition").replace_strict({name: task.metric for name, task in tasks.items()})
    joined = items.join(scores.select(*ITEM_KEY, "metric", "score"), on=list(ITEM_KEY), how="inner")
    return joined.filter(pl.col("metric") == metric).drop("metric")


def with_acceptance(
    cells: Mapping[CellKey, Cell], evidence: Path, judged: pl.DataFrame, answered: Answered,
    tasks: Mapping[str, TaskDefinition], *, resamples: int, seed: int,
) -> dict[CellKey, Cell]:  # fmt: skip
    """The cells, those with enough judged review items by their acceptance rate, and those that use itself gives.

    `evidence` is the folder that holds the version's items and scores, `judged` a table of the
    contract JUDGED. Judgements of items that are no longer in the review split do not enter.
    """
    found = dict(cells)
    given = population_of(judged, answered, REVIEW)
    if not given.is_empty():
        population = with_primary_score(*review_items(evidence, answered), tasks)
        known = given.join(population, on=["capability", "domain", "example_id"], how="semi")
        found = reviewed_cells(cells, population, known, resamples=resamples, seed=seed)
    used = cells_from_use(population_of(judged, answered, CAPTURED), resamples=resamples, seed=seed)
    if taken := sorted(found.keys() & used.keys()):
        raise RoleShiftError(
            f"test items of {taken[0][0]} have the domain {taken[0][1]!r}, which is that of requests from use; "
            "name the kind of text in their task definition"
        )
    return found | used
