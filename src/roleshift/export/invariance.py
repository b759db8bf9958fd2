"""Batch invariance: whether a variant answers alike whoever shares its batch.

Kernels for one row and for several round differently, and an activation that is quantised for a
whole batch depends on all of it. Evidence that was measured in one company would then not hold in
another.
"""

from dataclasses import dataclass

import polars as pl

ALONE, TOGETHER = 1, 8
"""The batch sizes whose greedy answers are compared."""


@dataclass(frozen=True)
class BatchCheck:
    """On how many prompts the greedy answers at both batch sizes were compared, and the examples that differ."""

    prompts: int
    differing: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every answer is the same."""
        return not self.differing

    @property
    def text(self) -> str:
        """The result in words."""
        return (
            f"its answers differ between batch {ALONE} and {TOGETHER} on {len(self.differing)} of {self.prompts} "
            f"prompts (first: example {self.differing[0]})"
            if self.differing
            else f"its answers are the same at batch {ALONE} and {TOGETHER} on {self.prompts} prompts"
        )


def compare_batches(alone: pl.DataFrame, together: pl.DataFrame) -> BatchCheck:
    """Compare the outputs (frames of ITEMS, any order) of the same examples; ValueError where they are others."""
    first, second = (frame.select("example_id", "output").sort("example_id") for frame in (alone, together))
    if first["example_id"].to_list() != second["example_id"].to_list():
        raise ValueError("the two batch sizes answered different examples")
    differing = first.filter(first["output"] != second["output"])["example_id"].to_list()
    return BatchCheck(first.height, tuple(differing))
