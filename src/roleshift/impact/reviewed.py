"""People's judgements as evidence: the prediction-powered estimate of an acceptance rate.

Angelopoulos et al. (2023), cross-fitted: the mean of a calibrated acceptance probability given the
score over all items of one population, plus the mean residual over the judged ones. Whatever the
calibrator, the residuals take its error out; the better it is, the more the unjudged items add.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from roleshift.errors import RoleShiftError
from roleshift.impact.capability import Cell, CellKey, Floats, Reviewed, lower_bound

LEAST_JUDGED = 30
FREE_FROM = 100  # judged items from which on the exact bound of the judged alone no longer limits the level
FOLDS = 5


@dataclass(frozen=True)
class Judgements:
    """One population: `scores` [N] of all its items; per judgement [J] its `item`, `reviewer` and `accepted`."""

    scores: Floats
    item: NDArray[np.int64]
    reviewer: NDArray[np.int64]
    accepted: NDArray[np.bool_]

    @property
    def judged(self) -> int:
        """Distinct judged items."""
        return len(np.unique(self.item))


def acceptance(judgements: Judgements, resamples: int, seed: list[int]) -> Reviewed:
    """The estimate, its bootstrap draws [resamples] over items and reviewers together, and its level.

    The level is the draws' 5% quantile; below FREE_FROM judged items, and where all judgements
    agree so that a bootstrap sees no variation, never above the exact bound of the judged alone.
    """
    j = judgements
    rng = np.random.default_rng(seed)
    n, reviewers = len(j.scores), int(j.reviewer.max()) + 1
    fold_of_item = np.empty(n, dtype=np.int64)
    distinct = np.unique(j.item)
    fold_of_item[rng.permutation(distinct)] = np.arange(len(distinct)) % FOLDS
    fold = fold_of_item[j.item]
    once = 1 / np.bincount(j.item, minlength=n)[j.item]  # an item judged twice counts once
    estimate = _estimate(j, fold, np.ones((1, n)), once[None, :])[0]
    items = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
    people = rng.multinomial(reviewers, np.full(reviewers, 1 / reviewers), size=resamples).astype(float)
    weights = items[:, j.item] * people[:, j.reviewer] * once
    usable = weights.sum(axis=1) > 0
    draws = np.clip(_estimate(j, fold, items[usable], weights[usable]), 0, 1)
    lower = float(np.quantile(draws, 0.05))
    if j.judged < FREE_FROM or j.accepted.all() or not j.accepted.any():
        accepted = float((once * j.accepted).sum())
        lower = min(lower, float(lower_bound(accepted, j.judged)))
    return Reviewed(float(np.clip(estimate, 0, 1)), lower, draws, j.judged)


def _estimate(j: Judgements, fold: NDArray[np.int64], items: Floats, weights: Floats) -> Floats:
    """The cross-fitted estimate for each row of item weights [B, N] and judgement weights [B, J].

    The calibrator is the least-squares line of acceptance on score, cut to [0, 1].
    """
    x, y = j.scores[j.item], j.accepted.astype(float)
    overall = np.zeros(len(items))
    residual = np.zeros(len(items))
    for k in range(FOLDS):
        fit = weights * (fold != k)
        total = np.maximum(fit.sum(axis=1), 1e-12)
        mean_x, mean_y = fit @ x / total, fit @ y / total
        variance = np.maximum(fit @ (x * x) / total - mean_x**2, 0)
        slope = np.where(variance > 1e-9, (fit @ (x * y) / total - mean_x * mean_y) / np.maximum(variance, 1e-9), 0)
        line = mean_y[:, None] + slope[:, None] * (j.scores[None, :] - mean_x[:, None])
        predicted = np.clip(line, 0, 1)
        overall += (items * predicted).sum(axis=1) / items.sum(axis=1) / FOLDS
        residual += ((weights * (fold == k)) * (y - predicted[:, j.item])).sum(axis=1)
    return np.asarray(overall + residual / weights.sum(axis=1))


def reviewed_cells(
    cells: Mapping[CellKey, Cell], population: pl.DataFrame, judgements: pl.DataFrame, *, resamples: int, seed: int
) -> dict[CellKey, Cell]:
    """The cells, with a reviewed acceptance rate where at least LEAST_JUDGED random judgements' items allow it.

    `population` has capability, domain, example_id and score of every item of one population of
    one version (the review split or captured traffic, never both); `judgements` has capability,
    domain, example_id, reviewer_id, accepted and drawn_by. Only drawn_by "random" enters.
    """
    keys = ["capability", "domain", "example_id"]
    if population.select(keys).is_duplicated().any():
        raise RoleShiftError(
            "an item of the reviewed population stands twice; give one version's items of one population"
        )
    random = judgements.filter(pl.col("drawn_by") == "random")
    strange = random.join(population, on=keys, how="anti")
    if strange.height:
        raise RoleShiftError(
            f"a judgement is of item {strange['example_id'][0]!r}, which is not in the population; do not mix them"
        )
    out = dict(cells)
    for key, cell in cells.items():
        here = (pl.col("capability") == key[0]) & (pl.col("domain") == key[1])
        items, given = population.filter(here).sort("example_id"), random.filter(here).sort("example_id", "reviewer_id")
        if given["example_id"].n_unique() < LEAST_JUDGED:
            continue
        row = {example: i for i, example in enumerate(items["example_id"])}
        people = {reviewer: i for i, reviewer in enumerate(sorted(given["reviewer_id"].unique()))}
        entered = Judgements(
            items["score"].to_numpy(),
            np.array([row[example] for example in given["example_id"]], dtype=np.int64),
            np.array([people[reviewer] for reviewer in given["reviewer_id"]], dtype=np.int64),
            given["accepted"].to_numpy(),
        )
        rate = acceptance(entered, resamples, [seed, int(cell.evidence_hash[:16], 16)])
        out[key] = replace(cell, grade="reviewed", design_effect=1.0, reviewed=rate)
    return out
