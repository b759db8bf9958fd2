"""Intervals of one value: percentile and BCa bootstrap, exact binomial."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from roleshift.evaluation.statistics.resampling import (
    MINIMUM_GROUPS,
    CorpusScore,
    Floats,
    bootstrap_weights,
    group_sums,
)


@dataclass(frozen=True)
class Interval:
    """A corpus value with its interval.

    `low` and `high` are None where there are too few groups for a bootstrap, or where the value is
    undefined in a resample. `groups` counts what was resampled.
    """

    value: float
    low: float | None
    high: float | None
    groups: int


def bootstrap_interval(
    statistics: Floats,
    corpus: CorpusScore,
    *,
    groups: Sequence[Any] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    method: Literal["percentile", "bca"] = "percentile",
    seed: int = 0,
) -> Interval:
    """The bootstrap interval of a corpus value (Efron, 1979; BCa: Efron, 1987).

    `statistics` has shape (n, k). BCa corrects for bias and skewness by the jackknife over groups.
    """
    sums = group_sums(statistics, groups)
    if len(sums) == 0:
        return Interval(float("nan"), None, None, 0)
    value = float(corpus(sums.sum(axis=0)))
    if len(sums) < MINIMUM_GROUPS:
        return Interval(value, None, None, len(sums))
    generator = np.random.default_rng(seed)
    drawn = np.concatenate([corpus(weights @ sums) for weights in bootstrap_weights(len(sums), resamples, generator)])
    if not np.isfinite(drawn).all():
        return Interval(value, None, None, len(sums))
    tail = (1 - confidence) / 2
    levels = (tail, 1 - tail)
    if method == "bca":
        levels = _bca_levels(drawn, value, corpus(sums.sum(axis=0) - sums), levels)
    low, high = np.quantile(drawn, levels)
    return Interval(value, float(low), float(high), len(sums))


def _bca_levels(drawn: Floats, value: float, jackknife: Floats, levels: tuple[float, float]) -> tuple[float, float]:
    """The levels of the percentiles after bias and acceleration; ties count half."""
    normal = NormalDist()
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    if not 0 < below < 1 or not np.isfinite(jackknife).all():
        return levels
    bias = normal.inv_cdf(below)
    apart = jackknife.mean() - jackknife
    spread = float((apart**2).sum()) ** 1.5
    acceleration = float((apart**3).sum()) / (6 * spread) if spread > 0 else 0.0

    def corrected(level: float) -> float:
        shifted = bias + normal.inv_cdf(level)
        return normal.cdf(bias + shifted / (1 - acceleration * shifted))

    return corrected(levels[0]), corrected(levels[1])


def clopper_pearson(passes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided binomial interval (Clopper and Pearson, 1934); (0, 1) without items.

    One-sided bounds at level c are those of the two-sided interval at level 2c - 1.
    """
    if not 0 <= passes <= n:
        raise ValueError(f"{passes} passes of {n}")
    if n == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if passes == 0 else _bisect(lambda p: _at_least(passes, n, p) - tail)
    high = 1.0 if passes == n else _bisect(lambda p: tail - _at_most(passes, n, p))
    return low, high


def _at_least(passes: int, n: int, p: float) -> float:
    return _tail_sum(np.arange(passes, n + 1), n, p)


def _at_most(passes: int, n: int, p: float) -> float:
    return _tail_sum(np.arange(0, passes + 1), n, p)


def _tail_sum(counts: NDArray[np.int64], n: int, p: float) -> float:
    if p <= 0 or p >= 1:
        return float((counts == (0 if p <= 0 else n)).any())
    logs = np.array([lgamma(n + 1) - lgamma(c + 1) - lgamma(n - c + 1) for c in counts.tolist()])
    return float(np.exp(logs + counts * np.log(p) + (n - counts) * np.log1p(-p)).sum())


def _bisect(rising: Any) -> float:
    """The root in [0, 1] of a function that rises, to 1e-12."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
