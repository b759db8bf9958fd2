"""The trade-offs between variants: quality, speed, memory and size, and which of them nothing beats in all."""

from collections.abc import Mapping, Sequence
from typing import Any

MORE_IS_BETTER = ("quality", "tokens_per_second")
LESS_IS_BETTER = ("peak_memory_bytes", "bytes")


def dominates(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether a is at least as good as b in every figure and better in one."""
    gains = [a[name] - b[name] for name in MORE_IS_BETTER] + [b[name] - a[name] for name in LESS_IS_BETTER]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def with_front(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with `on_front`: whether no other dominates it."""
    return [dict(row) | {"on_front": not any(dominates(other, row) for other in rows)} for row in rows]
