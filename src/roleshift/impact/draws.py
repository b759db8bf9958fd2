"""Joint draws of success rates for one version, or for two that are compared.

A rate's posterior is Beta(passes + 1/2, fails + 1/2). A Beta is a ratio of Gammas, and Gammas add
up; so two versions share the Gammas of the items that they have in common (counts + 1/4 in each
field of the 2x2 table) and have Gammas of their own for the rest. With all items in common this is
the Dirichlet over the table; with none, independence; the margins are the Betas above in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from roleshift.impact.capability import Cell, CellKey, Floats

Pairing = Literal["same evidence", "paired", "partly paired", "unpaired"]
Draws = dict[CellKey, Floats]


@dataclass(frozen=True)
class PairedDraws:
    """Draws of two versions, each [draws] per cell, and how each common cell was paired."""

    first: Draws
    second: Draws
    pairing: dict[CellKey, Pairing]


def draw_levels(cells: Mapping[CellKey, Cell], draws: int, seed: int) -> Draws:
    """Draws [draws] of each cell's success rate; the same content gives the same draws."""
    return {key: _draw_one(cell, draws, seed) for key, cell in cells.items()}


def draw_pair(first: Mapping[CellKey, Cell], second: Mapping[CellKey, Cell], draws: int, seed: int) -> PairedDraws:
    """Joint draws of two versions' cells; a cell that only one of them has is drawn as it is alone."""
    one, two = draw_levels(first, draws, seed), draw_levels(second, draws, seed)
    pairing: dict[CellKey, Pairing] = {}
    for key in sorted(first.keys() & second.keys()):
        a, b = first[key], second[key]
        if _content(a) == _content(b):
            pairing[key] = "same evidence"
        elif a.reviewed or b.reviewed or not set(a.example_ids) & set(b.example_ids):
            pairing[key] = "unpaired"
        else:
            pairing[key] = "paired" if set(a.example_ids) == set(b.example_ids) else "partly paired"
            one[key], two[key] = _draw_two(a, b, draws, seed)
    return PairedDraws(one, two, pairing)


def _content(cell: Cell) -> tuple[object, ...]:
    reviewed = (cell.reviewed.estimate, cell.reviewed.lower, cell.reviewed.draws.tobytes()) if cell.reviewed else None
    return (cell.evidence_hash, cell.design_effect, reviewed)


def _generator(seed: int, *hashes: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(int(h[:16], 16) for h in hashes)])


def _draw_one(cell: Cell, draws: int, seed: int) -> Floats:
    rng = _generator(seed, cell.evidence_hash)
    if cell.reviewed:
        return rng.choice(cell.reviewed.draws, draws)
    passes, fails = cell.passes / cell.design_effect, (cell.items - cell.passes) / cell.design_effect
    return rng.beta(passes + 0.5, fails + 0.5, draws)


def _draw_two(a: Cell, b: Cell, draws: int, seed: int) -> tuple[Floats, Floats]:
    rng = _generator(seed, a.evidence_hash, b.evidence_hash)
    index = {example: i for i, example in enumerate(b.example_ids)}
    common = [(i, index[example]) for i, example in enumerate(a.example_ids) if example in index]
    left = a.passed[[i for i, _ in common]]
    right = b.passed[[j for _, j in common]]
    # The larger design effect shrinks the shared part; each version's own part fills up to its own counts.
    effect = max(a.design_effect, b.design_effect)
    shared = {
        (x, y): rng.standard_gamma(float(((left == x) & (right == y)).sum()) / effect + 0.25, draws)
        for x in (True, False)
        for y in (True, False)
    }

    def rate(cell: Cell, common_passed: np.ndarray, passing: Floats, failing: Floats) -> Floats:
        own = cell.passes / cell.design_effect - common_passed.sum() / effect
        rest = (cell.items - cell.passes) / cell.design_effect - (~common_passed).sum() / effect
        high = passing + rng.standard_gamma(max(own, 0.0), draws)
        low = failing + rng.standard_gamma(max(rest, 0.0), draws)
        return high / (high + low)

    first = rate(a, left, shared[True, True] + shared[True, False], shared[False, True] + shared[False, False])
    second = rate(b, right, shared[True, True] + shared[False, True], shared[True, False] + shared[False, False])
    return first, second
