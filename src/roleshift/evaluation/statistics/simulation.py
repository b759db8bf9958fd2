"""Simulated test sets whose truth is known, to see whether intervals hold what they promise.

Each draws the sufficient statistics of `items` independent items, a row each, as the metric of the
same name makes them.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roleshift.evaluation.statistics.intervals import bootstrap_interval
from roleshift.evaluation.statistics.simulated_texts import draw_texts, rouge_l_f1, rouge_n_f1

Floats = NDArray[np.float64]
Method = Literal["percentile", "bca"]
Draw = Callable[[np.random.Generator, int], Floats]
TRUTH_ITEMS = 100_000
"""A test set so large that its value stands for the true one."""


def right_or_wrong(generator: np.random.Generator, items: int) -> Floats:
    """Scores of 0 or 1, one in four of them 1: accuracy, exact match."""
    return np.stack([generator.random(items) < 0.25, np.ones(items)], axis=-1).astype(float)


def rouge_l_statistics(generator: np.random.Generator, items: int) -> Floats:
    """ROUGE-L of simulated texts: many low, some exactly 0 or 1."""
    return np.stack([rouge_l_f1(*draw_texts(generator, items)), np.ones(items)], axis=-1)


def rouge_2_statistics(generator: np.random.Generator, items: int) -> Floats:
    """ROUGE-2 of simulated texts: half of them exactly 0."""
    return np.stack([rouge_n_f1(*draw_texts(generator, items), order=2), np.ones(items)], axis=-1)


def bleu_statistics(generator: np.random.Generator, items: int) -> Floats:
    """Lengths and n-gram matches of answers whose quality varies from item to item."""
    reference = generator.integers(6, 30, size=items)
    hypothesis = np.maximum(4, reference + generator.integers(-4, 5, size=items))
    quality = generator.beta(4, 4, size=items)
    totals = np.stack([hypothesis - n for n in range(4)], axis=-1)
    matches = generator.binomial(totals, np.stack([quality ** (1 + 0.6 * n) for n in range(4)], axis=-1))
    return np.concatenate([hypothesis[:, None], reference[:, None], matches, totals], axis=-1).astype(float)


def chrf_statistics(generator: np.random.Generator, items: int) -> Floats:
    """(hypothesis, reference, matches) for six orders."""
    reference = generator.integers(20, 120, size=items)
    hypothesis = np.maximum(8, reference + generator.integers(-15, 16, size=items))
    quality = generator.beta(4, 3, size=items)
    columns = []
    for n in range(6):
        most = np.minimum(hypothesis, reference) - n
        columns += [hypothesis - n, reference - n, generator.binomial(np.maximum(most, 0), quality ** (1 + 0.4 * n))]
    return np.stack(columns, axis=-1).astype(float)


def class_statistics(generator: np.random.Generator, items: int) -> Floats:
    """(correct, answered, true) for three classes of unequal size, answered rightly seven times in ten."""
    true = generator.choice(3, size=items, p=(0.6, 0.3, 0.1))
    answered = np.where(generator.random(items) < 0.7, true, generator.integers(0, 3, size=items))
    columns = [((true == k) & (answered == k), answered == k, true == k) for k in range(3)]
    return np.stack([column for of_class in columns for column in of_class], axis=-1).astype(float)


def coverage(
    draw: Draw,
    corpus: Callable[[Floats], Floats],
    *,
    items: int,
    simulations: int,
    resamples: int,
    seed: int,
) -> dict[Method, float]:
    """The share of nominal 95% bootstrap intervals that hold the true value, by method, on the same test sets."""
    generator = np.random.default_rng(seed)
    truth = float(corpus(draw(generator, TRUTH_ITEMS).sum(axis=0)))
    covered: dict[Method, int] = {"percentile": 0, "bca": 0}
    for number in range(simulations):
        drawn = draw(generator, items)
        for method in covered:
            interval = bootstrap_interval(drawn, corpus, resamples=resamples, method=method, seed=number)
            assert interval.low is not None and interval.high is not None, f"{items} items are too few for an interval"
            covered[method] += interval.low <= truth <= interval.high
    return {method: count / simulations for method, count in covered.items()}
