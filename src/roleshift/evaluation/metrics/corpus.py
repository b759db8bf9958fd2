"""From summed sufficient statistics to a corpus score, vectorised over resamples.

Every function takes an array of shape (..., k), the sums of k statistics over the items of a
corpus, and returns an array of shape (...). Undefined scores (nothing to divide by) are NaN.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from roleshift.errors import RoleShiftError

Floats = NDArray[np.float64]

BLEU_ORDER = 4
CHRF_BETA = 2


def ratio(sums: Floats) -> Floats:
    """Numerator over denominator; a mean where the denominator counts items."""
    return _divide(sums[..., 0], sums[..., 1])


def bleu(sums: Floats) -> Floats:
    """BLEU with exponential smoothing and effective order (sacreBLEU's `compute_bleu`).

    Statistics: hypothesis length, reference length, 4 matches, 4 totals.
    """
    hypothesis, reference = sums[..., 0], sums[..., 1]
    matches = sums[..., 2 : 2 + BLEU_ORDER]
    totals = sums[..., 2 + BLEU_ORDER : 2 + 2 * BLEU_ORDER]
    present = np.cumprod(totals > 0, axis=-1).astype(bool)
    smoothing = 2.0 ** np.cumsum((matches == 0) & present, axis=-1)
    numerators = np.where(matches > 0, matches, 1 / smoothing)
    logs = np.where(present, np.log(numerators / np.where(present, totals, 1)), 0.0)
    order = present.sum(axis=-1)
    precision = np.exp(logs.sum(axis=-1) / np.maximum(order, 1))
    safe = np.maximum(hypothesis, 1)
    brevity = np.where(hypothesis < reference, np.exp(1 - reference / safe), 1.0)
    return np.where((matches > 0).any(axis=-1), brevity * precision, 0.0)


def chrf(sums: Floats) -> Floats:
    """The chrF family: F-beta of the mean precision and recall over effective orders.

    Statistics: (hypothesis, reference, matches) for each order (sacreBLEU's `_compute_f_score`).
    """
    triples = sums.reshape(*sums.shape[:-1], -1, 3)
    hypothesis, reference, matches = triples[..., 0], triples[..., 1], triples[..., 2]
    present = (hypothesis > 0) & (reference > 0)
    order = np.maximum(present.sum(axis=-1), 1)
    precision = np.where(present, matches / np.maximum(hypothesis, 1), 0).sum(axis=-1) / order
    recall = np.where(present, matches / np.maximum(reference, 1), 0).sum(axis=-1) / order
    factor = CHRF_BETA**2
    denominator = factor * precision + recall
    return np.where(denominator > 0, (1 + factor) * precision * recall / np.where(denominator > 0, denominator, 1), 0.0)


def macro_f1(sums: Floats) -> Floats:
    """Mean F1 over the classes that occur in references or answers.

    Statistics: (true positives, answered, in the references) for each class.
    """
    triples = sums.reshape(*sums.shape[:-1], -1, 3)
    occurs = (triples[..., 1] + triples[..., 2]) > 0
    f1 = np.where(occurs, _f1(triples), 0.0)
    return _divide(f1.sum(axis=-1), occurs.sum(axis=-1).astype(np.float64))


def micro_f1(sums: Floats) -> Floats:
    """F1 of the counts summed over classes; statistics as for `macro_f1`."""
    return _f1(sums.reshape(*sums.shape[:-1], -1, 3).sum(axis=-2))


def entity_f1(sums: Floats) -> Floats:
    """Micro F1 over fields; 1 where there was nothing to find and nothing was answered.

    Statistics: malformed answers, answers, then (true positives, answered, in the reference) per field.
    """
    triple = sums[..., 2:].reshape(*sums.shape[:-1], -1, 3).sum(axis=-2)
    nothing = (triple[..., 1] + triple[..., 2]) == 0
    right = np.where(sums[..., 0] > 0, 0.0, 1.0)
    return np.where(nothing, right, _f1(triple))


def per_class(sums: Floats) -> Floats:
    """Precision, recall, F1 and support of each class, shape (classes, 4); NaN where undefined."""
    triples = sums.reshape(-1, 3)
    hits, answered, wanted = triples[:, 0], triples[:, 1], triples[:, 2]
    return np.stack([_divide(hits, answered), _divide(hits, wanted), _f1(triples), wanted], axis=-1)


def _f1(triples: Floats) -> Floats:
    return _divide(2 * triples[..., 0], triples[..., 1] + triples[..., 2])


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    defined = denominator > 0
    return np.where(defined, numerator / np.where(defined, denominator, 1), np.nan)


CORPUS_SCORES: dict[str, Callable[[Floats], Floats]] = {
    "rouge_1": ratio,
    "rouge_2": ratio,
    "rouge_l": ratio,
    "rouge_lsum": ratio,
    "bleu": bleu,
    "chrf": chrf,
    "exact_match": ratio,
    "token_f1": ratio,
    "semantic": ratio,
    "accuracy": ratio,
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "entity_f1": entity_f1,
    "length_ratio": ratio,
    "distinct_1": ratio,
    "distinct_2": ratio,
    "repetition": ratio,
    "copied_ngrams": ratio,
    "mean_primary": ratio,
}
"""By metric name. A mean-type metric's statistics are (score, 1).

`mean_primary` is made in reports where the tasks of one capability have different primary metrics.
"""

MEANS = frozenset(name for name, score in CORPUS_SCORES.items() if score is ratio)
"""Metrics whose corpus score is the mean of the items' scores."""

DESCRIPTIVE = frozenset({"length_ratio", "distinct_1", "distinct_2", "repetition", "copied_ngrams"})
"""Metrics that describe answers: more is neither better nor worse."""


def corpus_function(metric: str) -> Callable[[Floats], Floats]:
    """The corpus score of a metric; an unknown name is an error."""
    if metric not in CORPUS_SCORES:
        raise RoleShiftError(f"unknown metric {metric!r}; known are {', '.join(CORPUS_SCORES)}")
    return CORPUS_SCORES[metric]


def corpus_score(metric: str, statistics: Floats) -> float:
    """The corpus score of items with `statistics` of shape (n, k); NaN where it is undefined."""
    return float(corpus_function(metric)(np.asarray(statistics, dtype=np.float64).sum(axis=0)))
