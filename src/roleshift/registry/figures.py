"""Nested JSON and YAML as the flat, bounded names and values that MLflow takes."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DEPTH = 8
LIST_LENGTH = 4
"""Longer lists are series or rows of items; they are in the artifacts."""
NAME_LENGTH = 250
PARAM_LENGTH = 6000


def numbers(value: Any, prefix: str) -> dict[str, float]:
    """Every finite number below `value` by its path; a list's entries by `id`, `name` or position."""
    return {
        mlflow_name(path): float(leaf)
        for path, leaf in _leaves(value, prefix, DEPTH)
        if isinstance(leaf, int | float) and math.isfinite(leaf)
    }


def settings(value: Mapping[str, Any]) -> dict[str, str]:
    """Every setting by its dotted path, as text."""
    return {mlflow_name(path): str(leaf)[:PARAM_LENGTH] for path, leaf in _leaves(value, "", DEPTH) if leaf is not None}


def mlflow_name(path: str) -> str:
    """A path in the characters and the length that MLflow allows."""
    return re.sub(r"[^\w./ :-]", "_", path, flags=re.ASCII)[:NAME_LENGTH]


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        entries = [(str(key), entry) for key, entry in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        named = [entry.get("id", entry.get("name")) if isinstance(entry, Mapping) else None for entry in value]
        if None in named and len(value) > LIST_LENGTH:
            return
        entries = [
            (str(i if name is None else name), entry) for i, (name, entry) in enumerate(zip(named, value, strict=True))
        ]
    else:
        yield path, value
        return
    if depth:
        for key, entry in entries:
            yield from _leaves(entry, f"{path}.{key}" if path else key, depth - 1)
