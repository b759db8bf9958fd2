"""What one version means for roles: shares certified at the bound, and expected with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from roleshift.impact.assumptions import Assumptions
from roleshift.impact.capability import Cell, CellKey, Floats
from roleshift.impact.decision import (
    AUGMENT,
    AUTOMATE,
    BINDINGS,
    DECISIONS,
    HUMAN,
    NOT_ASSESSED,
    Codes,
    Rules,
    capability_names,
    decide,
    reasons,
    rules,
    success,
    time_freed,
)  # fmt: skip
from roleshift.impact.draws import Draws, PairedDraws, draw_levels, draw_pair
from roleshift.impact.matching import Matched, match, tasks_with_own_evidence
from roleshift.impact.work import Units, Work, compile_units

MEASURES = ("automate", "augment", "human", "not_assessed", "time_freed", "cost_saved", "success")
INTERVAL = (0.05, 0.95)  # a 90% interval
CHUNK = 512  # units whose draws are computed together, so that memory stays small


@dataclass(frozen=True)
class Reading:
    """Role measures from joint draws: `roles` [measure][roles, draws]; per unit the expected shares."""

    roles: dict[str, Floats]
    automate: Floats
    augment: Floats
    success: Floats


@dataclass(frozen=True)
class Analysis:
    """One version under one assumption set.

    `certified` holds the measures [roles] at the lower bound, `weakest_link` the same under
    p = min p_c; `expected` is the reading from draws of measured evidence; `assumed` the one with
    the set's what-if levels, or None. Nothing of `assumed` enters the other figures.
    """

    work: Work
    units: Units
    cells: Mapping[CellKey, Cell]
    assumptions: Assumptions
    matched: Matched
    rule: Rules
    lower: Floats
    observed: Floats
    weakest: Floats
    decision: Codes
    freed: Floats
    saved: Floats
    certified: dict[str, Floats]
    weakest_link: dict[str, Floats]
    expected: Reading
    assumed: Reading | None

    @cached_property
    def task_table(self) -> pl.DataFrame:
        """One row per task: decision at the bound, what binds it, what would flip it, and the expected shares."""
        return _task_table(self)

    @cached_property
    def role_table(self) -> pl.DataFrame:
        """One row per role and measure: certified, weakest link, expected with its 90% interval, assumed if any."""
        return _role_table(self)


def analyse(work: Work, cells: Mapping[CellKey, Cell], assumptions: Assumptions) -> Analysis:
    """Analyse one version's evidence."""
    units = compile_units(work, tasks_with_own_evidence(work, cells))
    two = work.activities.requires_two(assumptions.draws, assumptions.seed, assumptions.jitter)
    return _analyse(
        work, units, cells, assumptions, draws=draw_levels(cells, assumptions.draws, assumptions.seed), two=two
    )


def analyse_pair(
    work: Work, first: Mapping[CellKey, Cell], second: Mapping[CellKey, Cell], assumptions: Assumptions
) -> tuple[Analysis, Analysis, PairedDraws]:
    """Analyse two versions on joint draws, so that their difference has an interval."""
    units = compile_units(work, tasks_with_own_evidence(work, first, second))
    two = work.activities.requires_two(assumptions.draws, assumptions.seed, assumptions.jitter)
    paired = draw_pair(first, second, assumptions.draws, assumptions.seed)
    one = _analyse(work, units, first, assumptions, draws=paired.first, two=two)
    return one, _analyse(work, units, second, assumptions, draws=paired.second, two=two), paired


def _analyse(
    work: Work,
    units: Units,
    cells: Mapping[CellKey, Cell],
    assumptions: Assumptions,
    *,
    draws: Draws,
    two: NDArray[np.bool_],
) -> Analysis:
    matched = match(units, cells, draws, {}, assumptions.draws)
    rule = rules(units, matched, assumptions)
    lower, weakest = success(units, matched, matched.lower)
    observed, _ = success(units, matched, matched.observed)
    decision = decide(lower, rule)
    freed, saved = time_freed(decision, lower, rule.costs)
    assumed = None
    if assumptions.what_if:
        hypothetical = match(
            units, cells, draws, {str(k): v for k, v in assumptions.what_if.items()}, assumptions.draws
        )
        assumed = read_draws(units, hypothetical, rules(units, hypothetical, assumptions), two)
    return Analysis(
        work, units, cells, assumptions, matched, rule, lower, observed, weakest, decision, freed, saved,
        _at_one_rate(units, rule, lower),
        _at_one_rate(units, rule, weakest),
        read_draws(units, matched, rule, two),
        assumed,
    )  # fmt: skip


def _at_one_rate(units: Units, rule: Rules, p: Floats) -> dict[str, Floats]:
    decision = decide(p, rule)
    freed, saved = time_freed(decision, p, rule.costs)
    columns = {
        "automate": decision == AUTOMATE,
        "augment": decision == AUGMENT,
        "human": decision == HUMAN,
        "not_assessed": decision == NOT_ASSESSED,
        "time_freed": freed,
        "cost_saved": saved,
        "success": np.where(rule.assessed, p, 0.0),
    }
    measures = {name: units.shares @ column.astype(float) for name, column in columns.items()}
    measures["not_assessed"] += without_tasks(units)
    return measures


def without_tasks(units: Units) -> Floats:
    """1 for each role [roles] that has no task, which is not assessed as a whole, else 0."""
    return np.asarray(np.diff(units.shares.indptr) == 0, dtype=float)


def read_draws(units: Units, matched: Matched, rule: Rules, two: NDArray[np.bool_]) -> Reading:
    """Apply section 4 in every draw and sum up by role. `two` [needs, draws] says which levels are 2.

    `success` is the weighted mean of p_vt, with 0 for tasks that the gate closes or that are not assessed.
    """
    count = matched.draws.shape[1]
    live = np.flatnonzero(rule.live)
    totals = {name: np.zeros((units.shares.shape[0], count)) for name in MEASURES}
    automate, augment, mean = np.zeros(units.count), np.zeros(units.count), np.zeros(units.count)
    by_unit = units.shares.tocsc()
    for start in range(0, len(live), CHUNK):
        rows = live[start : start + CHUNK]
        p = draw_success(units, matched, two, rows)
        costs = rule.costs.take((rows, None))
        alone = (p >= rule.automate_from[rows, None]) & rule.may_automate[rows, None]
        reviewed = (p > rule.augment_above[rows, None]) & ~alone
        freed = np.where(alone, 1.0, np.where(reviewed, costs.freed_by_review(p), 0.0))
        shares = by_unit[:, rows].tocsr()
        for name, values in (("automate", alone), ("augment", reviewed), ("time_freed", freed), ("success", p)):
            totals[name] += shares @ values.astype(float)
        totals["cost_saved"] -= shares @ ((alone | reviewed) * costs.attempt)
        automate[rows], augment[rows], mean[rows] = alone.mean(axis=1), reviewed.mean(axis=1), p.mean(axis=1)
    totals["cost_saved"] += totals["time_freed"]
    totals["not_assessed"] += (units.shares @ (~rule.assessed).astype(float) + without_tasks(units))[:, None]
    totals["human"] = np.maximum(1.0 - totals["automate"] - totals["augment"] - totals["not_assessed"], 0.0)
    return Reading(totals, automate, augment, mean)


def draw_success(units: Units, matched: Matched, two: NDArray[np.bool_], rows: NDArray[np.int64]) -> Floats:
    """p_vt per draw [len(rows), draws] of live units (ascending `rows`), with requirement levels as drawn."""
    first = np.searchsorted(units.pair_unit, rows)
    last = np.searchsorted(units.pair_unit, rows, side="right")
    pairs = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    ends = np.append(units.pair_start, len(units.need_rows))
    needs = np.concatenate([np.arange(ends[k], ends[k + 1]) for k in pairs])
    sizes = ends[pairs + 1] - ends[pairs]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    squared = np.logical_or.reduceat(two[units.need_rows[needs]], starts, axis=0)
    factor = matched.draws[matched.level[units.pair_unit[pairs], units.pair_capability[pairs]]]
    factor = np.where(squared, factor * factor, factor)
    sizes = last - first
    return np.multiply.reduceat(factor, np.concatenate([[0], np.cumsum(sizes)[:-1]]), axis=0)


def interval(draws: Floats) -> tuple[Floats, Floats]:
    """The 5% and 95% quantiles over the last axis, as order statistics that enclose at least 90%."""
    count = draws.shape[-1]
    low, high = int(np.floor(INTERVAL[0] * (count - 1))), int(np.ceil(INTERVAL[1] * (count - 1)))
    ordered = np.partition(draws, (low, high), axis=-1)
    return ordered[..., low], ordered[..., high]


def _task_table(analysis: Analysis) -> pl.DataFrame:
    a, units = analysis, analysis.units
    why = reasons(units, a.matched, a.rule, a.decision, lower=a.lower, observed=a.observed)
    grade_names = np.array(["overlap", "reviewed", "verifiable"])
    needed = units.required > 0
    weakest_grade = grade_names[np.where(needed, a.matched.grade, 2).min(axis=1)]
    by_unit = pl.DataFrame(
        {
            "decision": [DECISIONS[i] for i in a.decision],
            "decision_weakest_link": [DECISIONS[i] for i in decide(a.weakest, a.rule)],
            "success_lower": a.lower,
            "success_observed": a.observed,
            "success_expected": a.expected.success,
            "tolerance": a.rule.costs.tolerance,
            "automate_from": a.rule.automate_from,
            "augment_above": a.rule.augment_above,
            "grade": weakest_grade,
            "transferred": a.matched.transferred.any(axis=1),
            "binding": [BINDINGS[i] for i in why.binding],
            "binding_capability": capability_names(why.capability),
            "flip_to": [DECISIONS[i] if i >= 0 else None for i in why.flip_to],
            "flip_at": why.flip_at,
            "items_to_certify": why.items,
            "time_freed": a.freed,
            "cost_saved": a.saved,
            "expected_automate": a.expected.automate,
            "expected_augment": a.expected.augment,
        }
    )
    live = pl.Series(a.rule.live)
    measured = ["success_lower", "success_observed", "success_expected"]
    by_unit = by_unit.with_columns(
        *(pl.when(pl.lit(live)).then(pl.col(name)).alias(name) for name in measured),
        pl.when(pl.lit(live)).then("grade").alias("grade"),
        pl.col("flip_at").fill_nan(None),
        certifiable=pl.when(pl.col("flip_to").is_null()).then(None).otherwise(pl.col("items_to_certify") >= 0),
        items_to_certify=pl.when(pl.col("items_to_certify") > 0).then("items_to_certify"),
    )
    return pl.concat([a.work.tasks, by_unit[units.of_task]], how="horizontal")


def _role_table(analysis: Analysis) -> pl.DataFrame:
    frames = []
    for name in MEASURES:
        draws = analysis.expected.roles[name]
        low, high = interval(draws)
        columns: dict[str, object] = {
            "role_id": analysis.work.roles["role_id"],
            "measure": [name] * analysis.work.roles.height,
            "certified": analysis.certified[name],
            "weakest_link": analysis.weakest_link[name],
            "expected": draws.mean(axis=-1),
            "low": low,
            "high": high,
        }
        if analysis.assumed:
            assumed = analysis.assumed.roles[name]
            columns |= {"assumed": assumed.mean(axis=-1)}
            columns["assumed_low"], columns["assumed_high"] = interval(assumed)
        frames.append(pl.DataFrame(columns))
    order = pl.int_range(pl.len()).over("measure")
    return pl.concat(frames).sort(order, maintain_order=True)


def bottleneck(analysis: Analysis) -> pl.DataFrame:
    """By how much a role's output per person could grow at the certified decisions, as two factors.

    `spread`: freed time moves to what is left, 1 / sum w k; `stuck`: it cannot, 1 / max k; with
    k = 1 - time freed of a task. Null where nothing is left to bind.
    """
    left = 1 - analysis.freed[analysis.units.of_task]
    frame = analysis.work.tasks.select("role_id", "weight").with_columns(left=pl.Series(left))
    by_role = frame.group_by("role_id", maintain_order=True).agg(
        total=(pl.col("weight") * pl.col("left")).sum(), longest=pl.col("left").max()
    )
    grown = by_role.select(
        "role_id",
        spread=pl.when(pl.col("total") > 1e-12).then(1 / pl.col("total")),
        stuck=pl.when(pl.col("longest") > 1e-12).then(1 / pl.col("longest")),
    )
    return analysis.work.roles.select("role_id").join(grown, on="role_id", how="left", maintain_order="left")
