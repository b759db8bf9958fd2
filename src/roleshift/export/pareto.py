"""Trade-offs, such as quality, speed, memory and size: which of several things nothing beats in all respects."""

from collections.abc import Mapping, Sequence
from typing import Any

MORE_IS_BETTER = ("quality", "tokens_per_second")
LESS_IS_BETTER = ("peak_memory_bytes", "bytes")


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether a is at least as good as b in every respect and better in one; more is better in each."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Of each point, whether no other dominates it."""
    return [not any(dominates(other, point) for other in points) for point in points]


def with_front(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The variants, each with `on_front`."""
    points = [[row[name] for name in MORE_IS_BETTER] + [-row[name] for name in LESS_IS_BETTER] for row in rows]
    return [dict(row) | {"on_front": first} for row, first in zip(rows, pareto_front(points), strict=True)]
