"""Is a variant worse than the reference? Paired, on the same validation items, by two measures.

The score of the answers is what users see; twenty answers per capability decide little. The
teacher-forced log-likelihood of the same items' references uses every token of them, so it shows
a damaged model long before the answers do. A variant must hold by both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from roleshift.evaluation.statistics import (
    approximate_randomisation,
    holm,
    paired_bootstrap,
    smallest_margin,
)

RESAMPLES = 2000
Measure = Literal["score", "log_likelihood"]


@dataclass(frozen=True)
class Bounded:
    """The difference of means over capabilities, variant minus reference, and its one-sided lower bound.

    `bound` is None where there are too few groups for one.
    """

    difference: float
    bound: float | None

    def above(self, margin: float) -> bool:
        """Whether the loss is certified to be smaller than the margin."""
        return self.bound is not None and self.bound > -margin


@dataclass(frozen=True)
class CapabilityTest:
    """One capability's difference of mean scores; `p` is two-sided, corrected for the number of capabilities.

    `p` is None where the capability has fewer groups than a test is given for.
    """

    capability: str
    difference: float
    p: float | None


@dataclass(frozen=True)
class Comparison:
    """A variant beside the reference. `log_likelihood` is in nats per token of the references."""

    score: Bounded
    log_likelihood: Bounded
    capabilities: tuple[CapabilityTest, ...]


def compare_items(variant: pl.DataFrame, reference: pl.DataFrame, confidence: float, seed: int) -> Comparison:
    """Compare two frames (example_id, capability, group_id, score, log_likelihood) of the same examples, in order.

    The bound is the lower end of the paired bootstrap interval at the one-sided `confidence`, and
    for scores never above minus `smallest_margin`: what was not seen in these groups may still
    happen in a share of all. Items of one group are resampled together. Raises ValueError where
    the examples differ.
    """
    if variant["example_id"].to_list() != reference["example_id"].to_list():
        raise ValueError("the two variants answered different examples")
    groups = reference["group_id"].to_list()
    score = _bounded(variant, reference, "score", confidence, seed)
    unseen = smallest_margin(len(set(groups)), confidence)
    return Comparison(
        score=Bounded(score.difference, None if score.bound is None else min(score.bound, -unseen)),
        log_likelihood=_bounded(variant, reference, "log_likelihood", confidence, seed),
        capabilities=_by_capability(variant, reference, seed),
    )


def mean_over_capabilities(frame: pl.DataFrame, measure: Measure) -> float:
    """The mean of the capabilities' means."""
    return float(_weighted(frame, measure).sum())


def mean_by_capability(frame: pl.DataFrame, measure: Measure) -> dict[str, float]:
    """The mean of each capability."""
    means = frame.group_by("capability").agg(pl.col(measure).mean()).sort("capability")
    return dict(zip(means["capability"].to_list(), means[measure].to_list(), strict=True))


def _weighted(frame: pl.DataFrame, measure: Measure) -> Any:
    """Each item's share of the mean over capabilities, so that a plain sum is that mean.

    The counts of a capability's items are fixed by design, not drawn: a resample that lacks a
    capability has a value too.
    """
    counts = frame.select(pl.len().over("capability")).to_series().to_numpy()
    return frame[measure].to_numpy() / (counts * frame["capability"].n_unique())


def _sum(sums: Any) -> Any:
    return sums[..., 0]


def _bounded(variant: pl.DataFrame, reference: pl.DataFrame, measure: Measure, confidence: float, seed: int) -> Bounded:
    found = paired_bootstrap(
        _weighted(variant, measure),
        _weighted(reference, measure),
        _sum,
        groups=reference["group_id"].to_list(),
        resamples=RESAMPLES,
        confidence=2 * confidence - 1,  # the lower end of this two-sided interval is the one-sided bound
        seed=seed,
    )
    return Bounded(found.difference, found.low)


def _by_capability(variant: pl.DataFrame, reference: pl.DataFrame, seed: int) -> tuple[CapabilityTest, ...]:
    names: Sequence[str] = sorted(set(reference["capability"].to_list()))
    results = []
    for name in names:
        mine, theirs = (frame.filter(pl.col("capability") == name) for frame in (variant, reference))
        results.append(
            approximate_randomisation(
                _weighted(mine, "score"),
                _weighted(theirs, "score"),
                _sum,
                groups=theirs["group_id"].to_list(),
                trials=RESAMPLES,
                seed=seed,
            )
        )
    corrected = holm([result.p for result in results])
    return tuple(
        CapabilityTest(name, result.difference, p) for name, result, p in zip(names, results, corrected, strict=True)
    )
