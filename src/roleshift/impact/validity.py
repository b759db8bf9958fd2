"""How far the activity matrix's scope agrees with an exposure index made by other people.

Three nested shares per occupation, on the same tasks, weights and union rule: (a) tasks without a
physical activity, (b) tasks whose gate is open, (c) the same times 0.8 to the power of their
requirements (at equal success of all capabilities). Each is ranked against the index; partial rank
correlations say what (b) adds to (a) and (c) to (b). A tolerance-gated automation share is never
compared with an exposure index: the two measure different things.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

from roleshift.impact.capability import CAPABILITIES, Floats
from roleshift.impact.work import Activities, Work, activity_of

PHYSICAL = (
    "4.A.1.b.2", "4.A.3.a.1", "4.A.3.a.2", "4.A.3.a.3", "4.A.3.a.4", "4.A.3.b.4", "4.A.3.b.5", "4.A.4.a.5",
)  # fmt: skip
"""Generalized work activities that are physical or caring: for this check only."""
NOT_LANGUAGE = ("image", "speech")


@dataclass(frozen=True)
class Scope:
    """Tasks with an activity, as membership [tasks, activities] and weights [occupations, tasks] by SOC code."""

    codes: tuple[str, ...]
    weights: csr_array
    members: csr_array
    activities: Activities

    @classmethod
    def of(cls, work: Work) -> "Scope":
        """The scope of an archive's work: weights add up to 1 per code over the tasks that have an activity."""
        soc = work.roles.select("role_id", "soc")
        tasks = work.tasks.filter(pl.col("activities").list.len() > 0).join(soc, on="role_id", maintain_order="left")
        codes = sorted(set(tasks["soc"]))
        row = {code: i for i, code in enumerate(codes)}
        rows = np.array([row[code] for code in tasks["soc"]])
        shape = (len(codes), tasks.height)
        weights = csr_array((tasks["weight"].to_numpy(), (rows, np.arange(tasks.height))), shape=shape)
        weights = csr_array(weights / weights.sum(axis=1)[:, None])
        pairs = [(t, work.activities.index[a]) for t, ids in enumerate(tasks["activities"].to_list()) for a in ids]
        where = tuple(np.array(pairs).T)
        members = csr_array((np.ones(len(pairs)), where), shape=(tasks.height, len(work.activities.ids)))
        return cls(tuple(codes), weights, members, work.activities)

    def not_physical(self) -> Floats:
        """(a) per code."""
        physical = np.array([activity_of(a) in PHYSICAL for a in self.activities.ids], dtype=float)
        return np.asarray(self.weights @ (self.members @ physical == 0).astype(float))

    def gate(self) -> Floats:
        """(b) per code: every activity of a task must be open."""
        return np.asarray(self.weights @ self._open())

    def scope(self, success: float = 0.8, language_only: bool = False) -> Floats:
        """(c) per code at one success rate; `language_only` takes tasks out that need pictures or speech."""
        required = self._required()
        usable = self._open() * success ** required.sum(axis=1)
        if language_only:
            foreign = [CAPABILITIES.index(name) for name in NOT_LANGUAGE]
            usable = usable * (required[:, foreign].sum(axis=1) == 0)
        return np.asarray(self.weights @ usable)

    def shuffled(self, rng: np.random.Generator) -> "Scope":
        """Whole rows of the matrix handed to other activities."""
        order = rng.permutation(len(self.activities.ids))
        return self._with(self.activities.gate[order], self.activities.levels[order])

    def shuffled_requirements(self, rng: np.random.Generator) -> "Scope":
        """The requirements of the open activities handed to other open ones; every gate stays."""
        levels = self.activities.levels.copy()
        opened = np.flatnonzero(self.activities.gate)
        levels[opened] = levels[rng.permutation(opened)]
        return self._with(self.activities.gate, levels)

    def _with(self, gate: NDArray[np.bool_], levels: NDArray[np.int8]) -> "Scope":
        return replace(self, activities=replace(self.activities, gate=gate, levels=levels))

    def _open(self) -> Floats:
        return np.asarray(self.members @ (~self.activities.gate).astype(float) == 0, dtype=float)

    def _required(self) -> Floats:
        """Requirement levels [tasks, 13]: the greatest over a task's activities."""
        reached = [self.members @ (self.activities.levels >= level).astype(float) > 0 for level in (1, 2)]
        return np.asarray(reached[0].astype(float) + reached[1])


def rank_correlation(x: Floats, y: Floats) -> float:
    """Spearman's correlation; NaN where one of the two does not vary."""
    a, b = rankdata(x), rankdata(y)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def partial_rank_correlation(x: Floats, y: Floats, given: Floats) -> float:
    """Spearman's partial correlation of x and y given one other variable."""
    xy, xz, yz = rank_correlation(x, y), rank_correlation(x, given), rank_correlation(y, given)
    rest = (1 - xz**2) * (1 - yz**2)
    return float((xy - xz * yz) / np.sqrt(rest)) if rest > 1e-12 else float("nan")


def bootstrap(
    columns: Sequence[Floats], statistic: Callable[..., float], resamples: int, rng: np.random.Generator
) -> Floats:
    """Draws [resamples] of a statistic of the columns over resampled occupations."""
    count = len(columns[0])
    draws = np.empty(resamples)
    for i in range(resamples):
        chosen = rng.integers(0, count, count)
        draws[i] = statistic(*(column[chosen] for column in columns))
    return draws
