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
from roleshift.files import hash_json
from roleshift.impact.capability import Cell, CellKey, Floats, Reviewed, design_effect, lower_bound

LEAST_JUDGED = 30
FREE_FROM = 100  # judged items from which on the exact bound of the judged alone no longer limits the level
FOLDS = 5
AT_ONCE = 4_000_000  # weights of items in memory: traffic may be large
FROM_USE = "captured"
"""The domain, and the origin, of evidence from captured requests: what people really sent, of whatever kind."""


@dataclass(frozen=True)
class Judgements:
    """One population: `scores` [N] of all its items; per judgement [J] its `item`, `reviewer` and `accepted`.

    `group` [N] numbers what items have in common, a caller for instance; without it they are independent.
    """

    scores: Floats
    item: NDArray[np.int64]
    reviewer: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    group: NDArray[np.int64] | None = None

    @property
    def judged(self) -> int:
        """Distinct judged items."""
        return len(np.unique(self.item))

    @property
    def majority(self) -> NDArray[np.bool_]:
        """Per distinct judged item, in their order: whether most of its judgements accept it."""
        _, place = np.unique(self.item, return_inverse=True)
        return np.bincount(place, weights=self.accepted) > np.bincount(place) / 2

    @property
    def design_effect(self) -> float:
        """What the judged items' groups cost in precision; 1 without groups."""
        return 1.0 if self.group is None else design_effect(self.majority, self.group[np.unique(self.item)])


def acceptance(judgements: Judgements, resamples: int, seed: list[int]) -> Reviewed:
    """The estimate, its bootstrap draws [resamples] over items and reviewers together, and its level.

    Items of one group are drawn together. The level is the draws' 5% quantile; below FREE_FROM judged
    items, and where all judgements agree so that a bootstrap sees no variation, never above the exact
    bound of the judged alone, passes and items divided by the design effect.
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
    group = np.arange(n) if j.group is None else j.group
    groups = int(group.max()) + 1
    people = rng.multinomial(reviewers, np.full(reviewers, 1 / reviewers), size=resamples).astype(float)
    parts = []
    for chosen in np.array_split(people, -(-resamples * n // AT_ONCE)):
        items = rng.multinomial(groups, np.full(groups, 1 / groups), size=len(chosen)).astype(float)[:, group]
        weights = items[:, j.item] * chosen[:, j.reviewer] * once
        usable = weights.sum(axis=1) > 0
        parts.append(_estimate(j, fold, items[usable], weights[usable]))
    draws = np.clip(np.concatenate(parts), 0, 1)
    lower = float(np.quantile(draws, 0.05))
    effect = j.design_effect
    if j.judged / effect < FREE_FROM or j.accepted.all() or not j.accepted.any():
        accepted = float((once * j.accepted).sum())
        lower = min(lower, float(lower_bound(accepted / effect, j.judged / effect)))
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
        entered = _judgements(items, given)
        rate = acceptance(entered, resamples, [seed, int(cell.evidence_hash[:16], 16)])
        out[key] = replace(cell, grade="reviewed", design_effect=1.0, reviewed=rate)
    return out


def cells_from_use(captured: pl.DataFrame, *, resamples: int, seed: int) -> dict[CellKey, Cell]:
    """Per capability the acceptance rate of one version's captured requests, in a domain of its own, FROM_USE.

    `captured` has, with an empty reviewer_id, a row per request that was captured at random (task_definition,
    capability, example_id, score, group_id), and a row per judgement (example_id, reviewer_id, accepted,
    drawn_by), of which only those drawn at random enter. The score is the answer's own probability (0 where
    unknown): no measure of quality, but whatever it is worth, the residuals take its error out. Requests of
    one caller are resampled together.
    """
    population = captured.filter(pl.col("reviewer_id") == "").with_columns(pl.col("score").fill_null(0.0))
    drawn = captured.filter(pl.col("reviewer_id") != "", pl.col("drawn_by") == "random")
    found: dict[CellKey, Cell] = {}
    for capability in population["capability"].unique().sort():
        items = population.filter(pl.col("capability") == capability).sort("example_id")
        given = drawn.join(items, on="example_id", how="semi").sort("example_id", "reviewer_id")
        if given["example_id"].n_unique() < LEAST_JUDGED:
            continue
        callers: dict[str, int] = {}  # numbered as they come, whatever they are called
        names = (row["group_id"] or f"request {row['example_id']}" for row in items.iter_rows(named=True))
        group = [callers.setdefault(name, len(callers)) for name in names]
        entered = replace(_judgements(items, given), group=np.array(group, dtype=np.int64))
        content = [items["example_id"].to_list(), items["score"].to_list(), group, given["example_id"].to_list()]
        digest = hash_json([capability, FROM_USE, *content, given["accepted"].to_list()])
        found[capability, FROM_USE] = Cell(
            capability,
            FROM_USE,
            tuple(items["task_definition"].drop_nulls().unique().sort()),
            tuple(given["example_id"].unique().sort()),
            entered.majority,
            "reviewed",
            entered.design_effect,
            digest,
            (FROM_USE,),
            acceptance(entered, resamples, [seed, int(digest[:16], 16)]),
        )
    return found


def _judgements(items: pl.DataFrame, given: pl.DataFrame) -> Judgements:
    """A population's `items` (example_id, score) and the judgements of some of them, by numbers."""
    row = {example: i for i, example in enumerate(items["example_id"])}
    people = {reviewer: i for i, reviewer in enumerate(sorted(given["reviewer_id"].unique()))}
    return Judgements(
        items["score"].to_numpy(),
        np.array([row[example] for example in given["example_id"]], dtype=np.int64),
        np.array([people[reviewer] for reviewer in given["reviewer_id"]], dtype=np.int64),
        given["accepted"].to_numpy(),
    )
