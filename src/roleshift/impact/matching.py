"""Which evidence a task takes for each capability that it needs.

A user's own items for the task come first, then evidence of the task's own domains (the lowest
bound if several, the weakest grade among them), else that of the domain with the lowest bound,
which is *transferred*. What no cell covers is not assessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roleshift.impact.capability import CAPABILITIES, GRADES, TASK_DOMAIN, Cell, CellKey, Floats
from roleshift.impact.draws import Draws
from roleshift.impact.work import Ints, Units, Work

NOTHING = -1
ASSUMED = "assumed"


@dataclass(frozen=True)
class Matched:
    """Per unit and capability: the level's row, or -1 where nothing is needed or known.

    Levels [n]: `observed`, `lower`, `effect` (design effect), `draws` [n, draws], `names` (capability,
    domain; the domain is "assumed" for a what-if level). Per unit: `level` [U, 13], `transferred`
    [U, 13], `grade` [U, 13] (index into GRADES), `missing` [U, 13] (needed, no evidence).
    """

    names: tuple[CellKey, ...]
    observed: Floats
    lower: Floats
    effect: Floats
    draws: Floats
    level: Ints
    transferred: NDArray[np.bool_]
    grade: Ints
    missing: NDArray[np.bool_]


def tasks_with_own_evidence(work: Work, *versions: Mapping[CellKey, Cell]) -> frozenset[str]:
    """Tasks for which a version has items of their own."""
    named = {
        domain.removeprefix(TASK_DOMAIN) for cells in versions for _, domain in cells if domain.startswith(TASK_DOMAIN)
    }
    return frozenset(named & set(work.tasks["task_id"])) if named else frozenset()


def match(
    units: Units, cells: Mapping[CellKey, Cell], draws: Draws, what_if: Mapping[str, float], count: int
) -> Matched:
    """Match every unit's needs to levels; a capability in `what_if` has its assumed level everywhere."""
    names = [*sorted(cells), *((capability, ASSUMED) for capability in sorted(what_if))]
    row_of = {name: i for i, name in enumerate(names)}
    found = np.full((len(units.contexts), len(CAPABILITIES)), NOTHING, dtype=np.int64)
    transferred = np.zeros(found.shape, dtype=bool)
    grade = np.full(found.shape, len(GRADES) - 1, dtype=np.int64)
    bounds = {key: cell.lower for key, cell in cells.items()}
    for i, (task, domains) in enumerate(units.contexts):
        for j, capability in enumerate(CAPABILITIES):
            if capability in what_if:
                found[i, j] = row_of[capability, ASSUMED]
                continue
            keys, foreign = _candidates(cells, capability, task, domains)
            if keys:
                found[i, j] = row_of[min(keys, key=lambda key: (bounds[key], key))]
                transferred[i, j] = foreign
                grade[i, j] = min(GRADES.index(cells[key].grade) for key in keys)
    level, needed = found[units.context], units.required > 0
    known = [(cells[n].observed, cells[n].lower, cells[n].design_effect) for n in names if n in cells]
    table = np.array(known + [(what_if[c], what_if[c], 1.0) for c, d in names if d == ASSUMED]).reshape(-1, 3)
    rows = [draws[n] if n in cells else np.full(count, what_if[n[0]]) for n in names]
    return Matched(
        tuple(names),
        table[:, 0],
        table[:, 1],
        table[:, 2],
        np.array(rows).reshape(len(names), count),
        np.where(needed, level, NOTHING),
        transferred[units.context] & needed,
        grade[units.context],
        needed & (level == NOTHING),
    )


def _candidates(
    cells: Mapping[CellKey, Cell], capability: str, task: str | None, domains: tuple[str, ...]
) -> tuple[list[CellKey], bool]:
    if task is not None and (capability, TASK_DOMAIN + task) in cells:
        return [(capability, TASK_DOMAIN + task)], False
    own = [(capability, domain) for domain in domains if (capability, domain) in cells]
    if own:
        return own, False
    other = [key for key in cells if key[0] == capability and not key[1].startswith(TASK_DOMAIN)]
    return other, True
