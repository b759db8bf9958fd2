"""Resamples as weights: the sums of all resamples are one matrix product."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CorpusScore = Callable[[Floats], Floats]

MINIMUM_GROUPS = 20
"""With fewer independent groups no bootstrap interval is given."""
VERIFIED_GROUPS = 200
"""From here on the simulations in the tests hold the intervals to their nominal coverage."""

_CELLS = 4_000_000
"""Weights held in memory at a time (32 MB as float64)."""


def group_sums(statistics: Floats, groups: Sequence[Any] | NDArray[Any] | None) -> Floats:
    """Statistics summed within each group, shape (groups, k), groups in sorted order.

    `statistics` has shape (n, k) or (n,) for plain values; without `groups` every item is its own.
    """
    values = np.asarray(statistics, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if groups is None:
        return values
    if len(groups) != len(values):
        raise ValueError(f"{len(groups)} groups for {len(values)} items")
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def bootstrap_weights(groups: int, resamples: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each group stands in each resample, in blocks of shape (up to resamples, groups)."""
    block = max(1, _CELLS // max(groups, 1))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)


def swap_weights(groups: int, trials: int, generator: np.random.Generator) -> Iterator[Floats]:
    """1 where a group's two systems change places in a trial, 0 elsewhere, in blocks as above."""
    block = max(1, _CELLS // max(groups, 1))
    for start in range(0, trials, block):
        rows = min(block, trials - start)
        yield generator.integers(0, 2, size=(rows, groups), dtype=np.int8).astype(np.float64)
