"""One figure with what belongs to it: interval, number of items, signature; as JSON values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from roleshift.evaluation.evidence import Corpus, Floats
from roleshift.evaluation.metrics.corpus import DESCRIPTIVE, MEANS, corpus_function
from roleshift.evaluation.statistics import (
    MINIMUM_GROUPS,
    approximate_randomisation,
    bootstrap_interval,
    clopper_pearson,
    detectable_difference,
    paired_bootstrap,
    smallest_margin,
)

SMALL_CLASS = 20
"""Items of a class below which an interval of macro F1 is marked approximate."""


@dataclass(frozen=True)
class Precision:
    """How intervals are made: `resamples` of the bootstrap, two-sided `confidence`, `seed`."""

    resamples: int
    confidence: float
    seed: int


def rounded(value: float | None) -> float | None:
    """A figure as it is written: six decimals, since the last bits depend on the machine; NaN is None."""
    return None if value is None or not np.isfinite(value) else round(float(value), 6) + 0.0


def measure(corpus: Corpus, metric: str, precision: Precision) -> dict[str, Any]:
    """value, low, high, n, groups; `note` where the interval is missing or approximate.

    Where every item has the same score, whose bootstrap interval is a point, the interval is that of scores in
    [0, 1] of which another one may still be found: exact where they are all 0 or all 1 (Clopper and Pearson, 1934).
    Below VERIFIED_GROUPS groups every interval may be a little too narrow; reports say that once, and
    not at each figure.
    """
    interval = bootstrap_interval(
        corpus.statistics,
        corpus_function(metric),
        groups=corpus.groups,
        resamples=precision.resamples,
        confidence=precision.confidence,
        seed=precision.seed,
    )
    note = _note(interval.groups, interval.low) or _approximate(corpus, metric)
    low, high = interval.low, interval.high
    if low is not None and metric in MEANS - DESCRIPTIVE and not np.ptp(corpus.scores):
        low, high = _of_equal_scores(float(interval.value), interval.groups, precision.confidence)
    return {
        "value": rounded(interval.value),
        "low": rounded(low),
        "high": rounded(high),
        "n": len(corpus.example_ids),
        "groups": interval.groups,
        **({"note": note} if note else {}),
    }


def paired_difference(a: Corpus, b: Corpus, metric: str, precision: Precision) -> dict[str, Any]:
    """The difference a - b on the items that both have, by id.

    difference, low, high (paired bootstrap), p (paired approximate randomisation, two-sided), n,
    groups, deviation (bootstrap standard deviation), detectable (the smallest true difference that a
    test on as many items finds with a probability of 80%; None where no pair differs), better_items and
    worse_items (where a's score is above or below b's); `note` as for `measure`.
    """
    common = sorted(set(a.example_ids) & set(b.example_ids))
    a, b = a.take(common), b.take(common)
    function = corpus_function(metric)
    settings: dict[str, Any] = {"groups": a.groups, "seed": precision.seed}
    boot = paired_bootstrap(
        a.statistics,
        b.statistics,
        function,
        resamples=precision.resamples,
        confidence=precision.confidence,
        **settings,
    )
    swapped = approximate_randomisation(a.statistics, b.statistics, function, trials=precision.resamples, **settings)
    note = _note(boot.groups, boot.low) or _approximate(a, metric)
    return {
        "difference": rounded(boot.difference),
        "low": rounded(boot.low),
        "high": rounded(boot.high),
        "p": rounded(swapped.p),
        "n": len(common),
        "groups": boot.groups,
        "deviation": rounded(boot.deviation),
        "detectable": None
        if not boot.deviation  # too few groups, or not one pair that differs
        else rounded(detectable_difference(boot.deviation, precision.confidence)),
        "worse_items": int((a.scores < b.scores).sum()),
        "better_items": int((a.scores > b.scores).sum()),
        **({"note": note} if note else {}),
    }


def pass_rate(scores: Floats, thresholds: list[float], confidence: float) -> dict[str, Any]:
    """Items whose primary score reaches their task's threshold, with the exact binomial interval."""
    passes = int((scores >= np.asarray(thresholds)).sum())
    low, high = clopper_pearson(passes, len(scores), confidence)
    return {
        "passes": passes,
        "n": len(scores),
        "rate": rounded(passes / len(scores)) if len(scores) else None,
        "low": rounded(low),
        "high": rounded(high),
        "thresholds": sorted(set(thresholds)),
    }


def _note(groups: int, low: float | None) -> str | None:
    if groups < MINIMUM_GROUPS:
        return f"too few items for an interval: {groups} independent ones, {MINIMUM_GROUPS} are needed"
    if low is None:
        return "no interval: the value is undefined in a resample"
    return None


def is_approximate(figure: Mapping[str, Any]) -> bool:
    """Whether a figure of `measure` or `paired_difference` has an interval that its note calls approximate."""
    return figure["low"] is not None and "note" in figure


def _of_equal_scores(value: float, groups: int, confidence: float) -> tuple[float, float]:
    unseen = smallest_margin(groups, 1 - (1 - confidence) / 2)
    return value - value * unseen, value + (1 - value) * unseen


def _approximate(corpus: Corpus, metric: str) -> str | None:
    if metric == "macro_f1" and _smallest_class(corpus.statistics) < SMALL_CLASS:
        return f"approximate: a class has fewer than {SMALL_CLASS} items"
    return None


def _smallest_class(statistics: Floats) -> float:
    """Items of the rarest class that occurs in the references."""
    wanted = statistics.sum(axis=0)[2::3]
    return float(wanted[wanted > 0].min(initial=np.inf))
