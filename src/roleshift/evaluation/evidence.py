"""Items and scores of a run as arrays: what intervals and tests are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from roleshift.contracts import ITEM_KEY, ITEMS, SCORES, read_table
from roleshift.errors import RoleShiftError
from roleshift.evaluation.metrics.corpus import CORPUS_SCORES
from roleshift.tasks import TaskDefinition

Floats = NDArray[np.float64]
MEAN_PRIMARY = "mean_primary"
TRUNCATED = "length"
"""The finish_reason of an answer that was cut at the token limit."""


@dataclass(frozen=True)
class SystemKey:
    """Who answered: a model version in one variant, with shots, on inputs with one perturbation."""

    model_id: str
    variant: str
    shots: int = 0
    perturbation: str = "none"


@dataclass(frozen=True)
class Corpus:
    """The scored items of one system, one capability and one metric, in the order of their ids.

    `statistics` has shape (n, k), `scores` and `groups` n entries.
    """

    example_ids: tuple[str, ...]
    groups: tuple[str, ...]
    scores: Floats
    statistics: Floats
    signature: str

    def take(self, example_ids: Sequence[str]) -> "Corpus":
        """The items with these ids, in the given order."""
        place = {example: i for i, example in enumerate(self.example_ids)}
        index = [place[example] for example in example_ids]
        return Corpus(
            tuple(example_ids),
            tuple(self.groups[i] for i in index),
            self.scores[index],
            self.statistics[index],
            self.signature,
        )


class Evidence:
    """Scored items of one split.

    `frame` has a row per item and metric: the columns of contracts.SCORES and those of
    contracts.ITEMS. Where a capability's tasks differ in their primary metric, rows of the metric
    `mean_primary` are added: each item's primary score.
    """

    def __init__(
        self, items: pl.DataFrame, scores: pl.DataFrame, tasks: Mapping[str, TaskDefinition], split: str = "test"
    ) -> None:
        self.tasks = tasks
        self.items = items.filter(pl.col("split") == split)
        unknown = set(self.items["task_definition"].unique()) - set(tasks)
        if unknown:
            raise RoleShiftError(f"evidence: unknown task {min(unknown)!r}; known are {', '.join(tasks)}")
        joined = scores.join(self.items, on=list(ITEM_KEY), how="inner")
        bare = self.items.join(scores, on=list(ITEM_KEY), how="anti")
        if bare.height:
            row = bare.row(0, named=True)
            raise RoleShiftError(
                f"evidence: item {row['example_id']} ({row['variant']}) has no score; run its stage again"
            )
        self.primary: dict[str, str] = {}
        for capability in self.capabilities:
            names = sorted({task.metric for task in self.tasks_of(capability)})
            self.primary[capability] = str(names[0]) if len(names) == 1 else MEAN_PRIMARY
        self.frame = pl.concat([joined, self._mean_primary(joined)])

    @cached_property
    def capabilities(self) -> list[str]:
        """Those that have items, sorted."""
        return sorted(self.items["capability"].unique().to_list())

    def tasks_of(self, capability: str) -> list[TaskDefinition]:
        """The task definitions among a capability's items, by id."""
        names = self.items.filter(pl.col("capability") == capability)["task_definition"].unique().to_list()
        return [self.tasks[name] for name in sorted(names)]

    @cached_property
    def systems(self) -> list[SystemKey]:
        """Everyone who answered, sorted."""
        keys = self.items.select(ITEM_KEY[1:]).unique().sort(ITEM_KEY[1:])
        return [SystemKey(**row) for row in keys.to_dicts()]

    def rows(self, system: SystemKey, capability: str) -> pl.DataFrame:
        """The items that a system answered for a capability, by id."""
        return _of(self.items, system, capability).sort("example_id")

    def metrics(self, system: SystemKey, capability: str) -> list[str]:
        """The metrics that every item of a system and capability has."""
        count = self.rows(system, capability).height
        found = (
            _of(self.frame, system, capability)
            .group_by("metric")
            .agg(pl.len(), pl.col("statistics").list.len().n_unique().alias("shapes"))
        )
        whole = set(found.filter(pl.col("len") == count, pl.col("shapes") == 1)["metric"].to_list())
        # Counts per class of different label sets cannot be added.
        one_task = self.rows(system, capability)["task_definition"].n_unique() == 1
        return [name for name in CORPUS_SCORES if name in whole and (one_task or name not in ("macro_f1", "micro_f1"))]

    def corpus(self, system: SystemKey, capability: str, metric: str) -> Corpus:
        """The scored items; empty where there are none."""
        rows = _of(self.frame, system, capability).filter(pl.col("metric") == metric).sort("example_id")
        statistics = np.array(rows["statistics"].to_list(), dtype=np.float64)
        statistics = statistics.reshape(rows.height, -1 if rows.height else 0)
        return Corpus(
            tuple(rows["example_id"].to_list()),
            tuple(rows["group_id"].to_list()),
            rows["score"].to_numpy().astype(np.float64),
            statistics,
            " + ".join(sorted(rows["signature"].unique().to_list())),
        )

    def thresholds(self, system: SystemKey, capability: str) -> list[float]:
        """The threshold of each item's task, in the order of `rows`."""
        return [self.tasks[name].threshold for name in self.rows(system, capability)["task_definition"].to_list()]

    def primary_scores(self, system: SystemKey, capability: str) -> Floats:
        """Each item's score by its task's primary metric, in the order of `rows`."""
        return self.corpus(system, capability, self.primary[capability]).scores

    def _mean_primary(self, joined: pl.DataFrame) -> pl.DataFrame:
        mixed = [name for name, metric in self.primary.items() if metric == MEAN_PRIMARY]
        metric_of = {name: str(task.metric) for name, task in self.tasks.items()}
        primary = pl.col("task_definition").replace_strict(metric_of, return_dtype=pl.String)
        rows = joined.filter(pl.col("capability").is_in(mixed), pl.col("metric") == primary)
        return rows.with_columns(
            metric=pl.lit(MEAN_PRIMARY), statistics=pl.concat_list(pl.col("score"), pl.lit(1.0))
        ).select(joined.columns)


def _of(frame: pl.DataFrame, system: SystemKey, capability: str) -> pl.DataFrame:
    wanted: dict[str, Any] = {**system.__dict__, "capability": capability}
    return frame.filter(**wanted)


def answer_counts(items: pl.DataFrame) -> dict[str, int]:
    """How many answers were cut at the token limit, and how many are empty."""
    return {
        "truncated": int((items["finish_reason"] == TRUNCATED).sum()),
        "empty": int((items["output"].str.strip_chars() == "").sum()),
    }


def load_tables(folders: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Items and scores of one or more evidence folders, each with items.parquet and scores.parquet."""
    items = pl.concat([read_table(folder / "items.parquet", ITEMS) for folder in folders])
    scores = pl.concat([read_table(folder / "scores.parquet", SCORES) for folder in folders])
    return items, scores
