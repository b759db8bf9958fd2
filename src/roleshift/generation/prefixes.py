"""Prompt prefixes whose keys and values were computed once, in float32, and are stored with a variant.

Prompts of one task begin with the same tokens. Their cache is copied instead of computed; and the
first token of every prompt, whose activations would leave a quantised graph no range for the
others, never passes through such a graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from roleshift.errors import RoleShiftError


@dataclass(frozen=True)
class Prefix:
    """Token ids, and their cache [2 x layers, key-value heads, tokens, head size]: keys, values, layer by layer."""

    tokens: list[int]
    cache: np.ndarray

    def common(self, tokens: Sequence[int]) -> int:
        """How many of its tokens begin `tokens`; a cache's positions depend on no later token."""
        length = 0
        for mine, theirs in zip(self.tokens, tokens, strict=False):
            if mine != theirs:
                break
            length += 1
        return length


class Prefixes:
    """The prefixes of a variant."""

    def __init__(self, prefixes: Sequence[Prefix] = ()) -> None:
        self._prefixes = list(prefixes)

    def longest(self, tokens: Sequence[int]) -> np.ndarray | None:
        """The cache of the longest beginning of `tokens` that is stored; None where there is none."""
        found = max(((prefix.common(tokens), prefix) for prefix in self._prefixes), default=None, key=lambda f: f[0])
        if found is None or found[0] == 0:
            return None
        length, prefix = found
        cache: np.ndarray = prefix.cache[:, :, :length]
        return cache

    def save(self, path: Path) -> None:
        """Write them as safetensors: the same bytes for the same prefixes."""
        from safetensors.numpy import save_file

        tensors: dict[str, Any] = {}
        for index, prefix in enumerate(self._prefixes):
            tensors[f"{index}.tokens"] = np.asarray(prefix.tokens, dtype=np.int64)
            tensors[f"{index}.cache"] = np.ascontiguousarray(prefix.cache, dtype=np.float32)
        save_file(tensors, str(path))

    @classmethod
    def load(cls, path: Path, *, arrays: int, heads: int, head_size: int) -> Self:
        """Read them; a cache of another shape than the model's is an error that names the file."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(str(path))
        except (OSError, SafetensorError) as error:
            raise RoleShiftError(f"{path}: not readable prefixes ({error}); run `dvc repro export` again") from error
        prefixes = []
        for index in range(len(tensors) // 2):
            tokens, cache = tensors.get(f"{index}.tokens"), tensors.get(f"{index}.cache")
            if tokens is None or cache is None or cache.shape != (arrays, heads, len(tokens), head_size):
                raise RoleShiftError(f"{path}: prefix {index} does not fit the model; run `dvc repro export` again")
            prefixes.append(Prefix(tokens.tolist(), cache))
        return cls(prefixes)
