"""Two versions: the tasks whose decision changes and the roles whose shares change, on joint draws."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from roleshift.impact.capability import Cell, CellKey
from roleshift.impact.decision import DECISIONS
from roleshift.impact.draws import Pairing
from roleshift.impact.roles import MEASURES, Analysis, interval


@dataclass(frozen=True)
class Difference:
    """`tasks` whose certified decision changes; per role and measure the change with its 90% interval.

    `pairing` says per capability and domain whether the two versions answered the same items; `cells` is
    the evidence of each, None where one was not measured.
    """

    tasks: pl.DataFrame
    roles: pl.DataFrame
    pairing: dict[CellKey, Pairing]
    cells: dict[CellKey, tuple[Cell | None, Cell | None]]


def difference(first: Analysis, second: Analysis, pairing: dict[CellKey, Pairing]) -> Difference:
    """Second minus first; both from `analyse_pair`. The same evidence gives exactly 0 everywhere."""
    frames = []
    for name in MEASURES:
        change = second.expected.roles[name] - first.expected.roles[name]
        low, high = interval(change)
        frames.append(
            pl.DataFrame(
                {
                    "role_id": first.work.roles["role_id"],
                    "measure": [name] * first.work.roles.height,
                    "certified": second.certified[name] - first.certified[name],
                    "expected": change.mean(axis=-1),
                    "low": low,
                    "high": high,
                }
            )
        )
    roles = pl.concat(frames).sort(pl.int_range(pl.len()).over("measure"), maintain_order=True)
    before, after = (a.decision[a.units.of_task] for a in (first, second))
    changed = np.flatnonzero(before != after)
    tasks = first.work.tasks[changed].with_columns(
        before=pl.Series([DECISIONS[i] for i in before[changed]], dtype=pl.String),
        after=pl.Series([DECISIONS[i] for i in after[changed]], dtype=pl.String),
        success_lower_before=pl.Series(first.lower[first.units.of_task][changed], dtype=pl.Float64),
        success_lower_after=pl.Series(second.lower[second.units.of_task][changed], dtype=pl.Float64),
    )
    keys = sorted(first.cells.keys() | second.cells.keys())
    return Difference(tasks, roles, pairing, {key: (first.cells.get(key), second.cells.get(key)) for key in keys})
