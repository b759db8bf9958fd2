"""People's judgements of a version's review items in the place of a metric's threshold."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from roleshift.contracts import ITEM_KEY
from roleshift.evaluation.evidence import load_tables
from roleshift.feedback.events import Answered
from roleshift.feedback.judged import judgements_of
from roleshift.impact.capability import Cell, CellKey
from roleshift.impact.reviewed import reviewed_cells
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
    """The cells, those with enough judged review items by their acceptance rate.

    `evidence` is the folder that holds the version's items and scores, `judged` a table of the
    contract JUDGED. Judgements of items that are no longer in the review split do not enter.
    """
    given = judgements_of(judged, answered, REVIEW)
    if given.is_empty():
        return dict(cells)
    population = with_primary_score(*review_items(evidence, answered), tasks)
    known = given.join(population, on=["capability", "domain", "example_id"], how="semi")
    return reviewed_cells(cells, population, known, resamples=resamples, seed=seed)
