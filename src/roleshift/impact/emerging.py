"""Work that appears: the hours of review, curation, evaluation and integration that a version creates.

Every figure is sized from this version's own decisions and rates, the known employment and stated
assumptions, and is a hypothesis. Review hours need head-counts: roles without one add nothing and
are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from roleshift.impact.capability import CAPABILITIES, TASK_DOMAIN
from roleshift.impact.catalogue import DRIVERS, Driver, EmergingEntry
from roleshift.impact.decision import AUGMENT, AUTOMATE
from roleshift.impact.matching import NOTHING
from roleshift.impact.roles import Analysis
from roleshift.impact.totals import role_weights
from roleshift.impact.work import Units


@dataclass(frozen=True)
class Appearing:
    """`drivers` [hours a year by driver, with the count behind it]; `roles` hours per emerging role.

    `unknown` names the roles whose head-count is unknown: their review and curation is in no figure.
    """

    drivers: pl.DataFrame
    roles: pl.DataFrame
    unknown: tuple[str, ...]


def appearing_work(analysis: Analysis, entries: Sequence[EmergingEntry]) -> Appearing:
    """Size the drivers at the certified decisions and share them out to the emerging roles.

    review = employment x weight x augment x c_rev x hours a year; curation = rejected results of
    augmented work (its hours over the time behind one result, times the failure rate at the
    bound), times the share that is worth curating, times minutes each; evaluation = pairs of
    capability and domain that tasks need and no item covers, times hours each; integration =
    automated and augmented tasks, times hours each. Where no head-count is known at all, review,
    curation and what rests on them are unknown (null), which is not 0.
    """
    given = analysis.assumptions.emerging
    units = analysis.units
    persons = role_weights(analysis.work.roles, "employment")
    nobody = not np.isfinite(persons).any()
    hours = np.nan_to_num(persons, nan=0.0) * given.hours_per_year.value
    by_unit = units.shares.T @ hours  # human hours a year spent on each unit's tasks
    augmented = analysis.decision == AUGMENT
    review = float((by_unit * augmented * analysis.rule.costs.review).sum())
    wrong = np.where(augmented, 1 - analysis.lower, 0.0)
    results = by_unit * augmented * 60 / given.task_minutes_per_item.value
    curated = float((results * wrong).sum()) * given.curation_share_of_rejected.value
    uncovered = len(uncovered_needs(analysis, units))
    used = (analysis.decision == AUTOMATE) | augmented
    integrated = int(used[units.of_task].sum())
    sized: dict[Driver, tuple[float | None, float | None]] = {
        "review": (None, None) if nobody else (float(results.sum()), review),
        "curation": (None, None) if nobody else (curated, curated * given.curation_minutes_per_item.value / 60),
        "evaluation": (uncovered, uncovered * given.evaluation_hours_per_capability.value),
        "integration": (integrated, integrated * given.integration_hours_per_task.value),
    }
    drivers = pl.DataFrame(
        [(name, *sized[name]) for name in DRIVERS],
        schema={"driver": pl.String, "count": pl.Float64, "hours": pl.Float64},
        orient="row",
    )
    rows = []
    for entry in entries:
        parts = {part.driver: _times(part.share, sized[part.driver][1]) for part in entry.drivers}
        known = [hours for hours in parts.values() if hours is not None]
        total = sum(known) if len(known) == len(parts) else None
        persons_needed = _times(1 / given.hours_per_year.value, total)
        rows.append((entry.id, *(parts.get(name, 0.0) for name in DRIVERS), total, persons_needed))
    schema = {"emerging_role": pl.String, **dict.fromkeys((*DRIVERS, "hours", "full_time"), pl.Float64)}
    unknown = tuple(analysis.work.roles.filter(pl.Series(~np.isfinite(persons)))["role_id"])
    return Appearing(drivers, pl.DataFrame(rows, schema=schema, orient="row"), unknown)


def _times(factor: float, hours: float | None) -> float | None:
    return None if hours is None else factor * hours


def uncovered_needs(analysis: Analysis, units: Units) -> set[tuple[int, str]]:
    """Pairs of capability index and domain that open tasks need and that have no evidence of their own.

    A task without a domain counts with the domain "" (unknown).
    """
    covered = {key for key in analysis.cells if not key[1].startswith(TASK_DOMAIN)}
    names = analysis.matched.names
    pairs: set[tuple[int, str]] = set()
    for unit, capability in zip(units.pair_unit.tolist(), units.pair_capability.tolist(), strict=True):
        task, domains = units.contexts[units.context[unit]]
        level = analysis.matched.level[unit, capability]
        own = level != NOTHING and task is not None and names[level][1] == TASK_DOMAIN + task
        if own:
            continue
        known = {domain for name, domain in covered if name == CAPABILITIES[capability]}
        pairs |= {(capability, domain) for domain in domains or ("",) if domain not in known}
    return pairs
