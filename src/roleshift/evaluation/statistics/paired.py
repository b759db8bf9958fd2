"""Two systems on the same items: the difference of their corpus values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from roleshift.evaluation.statistics.resampling import (
    MINIMUM_GROUPS,
    CorpusScore,
    Floats,
    bootstrap_weights,
    group_sums,
    swap_weights,
)


@dataclass(frozen=True)
class PairedResult:
    """`difference` is a - b; `p` is two-sided.

    `low`, `high` and `p` are None where there are fewer than MINIMUM_GROUPS groups, or where a
    value is undefined in a resample. `deviation` is the bootstrap standard deviation.
    """

    value_a: float
    value_b: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    groups: int
    deviation: float | None = None


def paired_bootstrap(
    a: Floats,
    b: Floats,
    corpus: CorpusScore,
    *,
    groups: Sequence[Any] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    p_rule: Literal["two-sided", "sacrebleu"] = "two-sided",
) -> PairedResult:
    """Percentile interval and p-value of the difference of two corpus values on the same items.

    `a` and `b` have shape (n, k), row by row the same items. The same weights resample both. The
    p-value is the share of resampled differences that lie further from their own mean than the
    observed difference from 0 (Koehn, 2004, with the null distribution centred). `p_rule`
    "sacrebleu" takes absolute values before centring, as sacreBLEU 2 does: that is about half the
    two-sided value, and calls two equal systems different twice as often as its level says, so it
    serves the comparison with sacreBLEU's figures alone.
    """
    sums_a, sums_b = _paired_sums(a, b, groups)
    plain = _observed(sums_a, sums_b, corpus)
    if plain.groups < MINIMUM_GROUPS:
        return plain
    generator = np.random.default_rng(seed)
    blocks = bootstrap_weights(plain.groups, resamples, generator)
    drawn = np.concatenate([corpus(weights @ sums_a) - corpus(weights @ sums_b) for weights in blocks])
    if not np.isfinite(drawn).all() or not np.isfinite(plain.difference):
        return plain
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    if p_rule == "sacrebleu":
        p = _p_value(np.abs(drawn) - np.abs(drawn).mean(), abs(plain.difference), ties_count=False)
    else:
        p = _p_value(np.abs(drawn - drawn.mean()), abs(plain.difference))
    return PairedResult(
        plain.value_a, plain.value_b, plain.difference, float(low), float(high), p, plain.groups, float(drawn.std())
    )


def approximate_randomisation(
    a: Floats,
    b: Floats,
    corpus: CorpusScore,
    *,
    groups: Sequence[Any] | None = None,
    trials: int = 1000,
    seed: int = 0,
) -> PairedResult:
    """Two-sided p-value by paired approximate randomisation (Noreen, 1989; Riezler and Maxwell, 2005).

    In each trial each group's two systems change places with probability 1/2. No interval.
    """
    sums_a, sums_b = _paired_sums(a, b, groups)
    plain = _observed(sums_a, sums_b, corpus)
    if plain.groups < MINIMUM_GROUPS or not np.isfinite(plain.difference):
        return plain
    generator = np.random.default_rng(seed)
    apart = sums_b - sums_a
    total_a, total_b = sums_a.sum(axis=0), sums_b.sum(axis=0)
    drawn = []
    for weights in swap_weights(plain.groups, trials, generator):
        moved = weights @ apart
        drawn.append(corpus(total_a + moved) - corpus(total_b - moved))
    shuffled = np.abs(np.concatenate(drawn))
    if not np.isfinite(shuffled).all():
        return plain
    p = _p_value(shuffled, abs(plain.difference))
    return PairedResult(plain.value_a, plain.value_b, plain.difference, None, None, p, plain.groups)


def _paired_sums(a: Floats, b: Floats, groups: Sequence[Any] | None) -> tuple[Floats, Floats]:
    if np.shape(a) != np.shape(b):
        raise ValueError(f"statistics of different shapes cannot be paired: {np.shape(a)} and {np.shape(b)}")
    return group_sums(a, groups), group_sums(b, groups)


def _observed(sums_a: Floats, sums_b: Floats, corpus: CorpusScore) -> PairedResult:
    if len(sums_a) == 0:
        return PairedResult(float("nan"), float("nan"), float("nan"), None, None, None, 0)
    value_a, value_b = float(corpus(sums_a.sum(axis=0))), float(corpus(sums_b.sum(axis=0)))
    return PairedResult(value_a, value_b, value_a - value_b, None, None, None, len(sums_a))


def _p_value(null: Floats, observed: float, *, ties_count: bool = True) -> float:
    """The share of draws under the null at least as far from 0 as the observed difference, +1 against a p of 0.

    Ties are as far: where scores are 0 or 1 most draws are ties, and without them two equal systems
    would be called different. sacreBLEU counts what is strictly further. The tolerance keeps
    rounding of sums in another order from deciding.
    """
    beyond = null >= observed - 1e-12 if ties_count else null > observed + 1e-12
    return float(beyond.sum() + 1) / (len(null) + 1)
