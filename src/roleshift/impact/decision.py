"""Automate, augment, human or not assessed: what is decided, what binds it, what would flip it."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import Assumptions
from roleshift.impact.capability import CAPABILITIES, GRADES, Floats, lower_bound
from roleshift.impact.matching import NOTHING, Matched
from roleshift.impact.tolerance import CostTable
from roleshift.impact.work import Ints, Units

Decision = Literal["automate", "augment", "human", "not assessed"]
Binding = Literal["gate", "no activity", "no evidence", "tolerance", "grade", "domain", "sample size", "capability"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
BINDINGS: tuple[Binding, ...] = get_args(Binding)
AUTOMATE, AUGMENT, HUMAN, NOT_ASSESSED = range(4)
MOST_ITEMS = 10_000_000  # beyond this many, certifying is out of reach

Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """Per unit [U]: costs, the two thresholds, and the rules that no success rate overrides."""

    costs: CostTable
    automate_from: Floats
    augment_above: Floats
    live: Flags  # gate open, described, every needed capability assessed
    assessed: Flags  # live, or decided by the gate
    may_automate: Flags  # evidence verifiable or reviewed, and none transferred


def rules(units: Units, matched: Matched, assumptions: Assumptions) -> Rules:
    """The rules of every unit; a consequence class without costs is an error that names it."""
    for name in units.classes:
        if name not in assumptions.costs:
            raise RoleShiftError(
                f"assumption set {assumptions.name!r}: costs.{name} is missing, and tasks are of this class; "
                f"there are {', '.join(assumptions.costs)}"
            )
    table = CostTable.of([assumptions.costs[name] for name in units.classes])
    covered = ~matched.missing.any(axis=1)
    live = units.gate & units.described & covered
    weak = (units.required > 0) & (matched.grade == GRADES.index("overlap"))
    return Rules(
        table.take(units.consequence),
        table.automate_from[units.consequence],
        table.augment_above[units.consequence],
        live,
        live | (units.described & ~units.gate),
        ~weak.any(axis=1) & ~matched.transferred.any(axis=1),
    )


def success(units: Units, matched: Matched, rates: Floats) -> tuple[Floats, Floats]:
    """p_vt = prod p^R and its weakest link min p per unit, from one rate per level [n]; NaN: a need without a level."""
    table = np.append(rates, np.nan)[matched.level]
    needed = units.required > 0
    product = np.where(needed, table**units.required, 1.0).prod(axis=1)
    weakest = np.where(needed, table, 1.0).min(axis=1)
    return np.where(units.gate, product, 0.0), np.where(units.gate, weakest, 0.0)


def decide(p: Floats, rule: Rules) -> Codes:
    """The decision per unit at success rates `p` [U], as an index into DECISIONS."""
    chosen = np.where(p > rule.augment_above, AUGMENT, HUMAN)
    chosen = np.where(rule.may_automate & (p >= rule.automate_from), AUTOMATE, chosen)
    chosen = np.where(rule.live, chosen, HUMAN)
    return np.where(rule.assessed, chosen, NOT_ASSESSED).astype(np.int8)


def time_freed(decision: Codes, p: Floats, costs: CostTable) -> tuple[Floats, Floats]:
    """Human time freed (signed) and cost saved, in units of the task's human time."""
    freed = np.where(decision == AUTOMATE, 1.0, np.where(decision == AUGMENT, costs.freed_by_review(p), 0.0))
    return freed, freed - np.where(decision <= AUGMENT, costs.attempt, 0.0)


@dataclass(frozen=True)
class Reasons:
    """What binds each decision [U], and what would flip it.

    `binding` indexes BINDINGS, `capability` is the one that binds or -1. `flip_to` is the decision
    on the other side of the success rate `flip_at` (NaN and -1: no success rate flips it). `items`
    is how many items of each needed capability would certify the flip at the observed rates; -1:
    not certifiable at this success rate; 0: nothing to certify.
    """

    binding: Codes
    capability: Ints
    flip_to: Codes
    flip_at: Floats
    items: Ints


def reasons(
    units: Units, matched: Matched, rule: Rules, decision: Codes, *, lower: Floats, observed: Floats
) -> Reasons:
    """Explain every decision made at the lower bound."""
    can_automate, can_augment = rule.automate_from <= 1, rule.augment_above < 1
    flip_to = np.full(units.count, -1, dtype=np.int8)
    human, augment = (decision == HUMAN) & rule.live, decision == AUGMENT
    nearer = can_augment & (~rule.may_automate | (rule.augment_above < rule.automate_from))
    flip_to[human & can_automate] = AUTOMATE
    flip_to[human & nearer] = AUGMENT
    flip_to[augment & can_automate] = AUTOMATE
    automated = decision == AUTOMATE
    below = rule.automate_from > rule.augment_above
    flip_to[automated] = np.where(below[automated], AUGMENT, HUMAN)
    flip_at = np.where(flip_to == AUGMENT, rule.augment_above, rule.automate_from)
    flip_at = np.where(automated, rule.automate_from, flip_at)
    flip_at = np.where(flip_to < 0, np.nan, flip_at)

    log_lower = _contributions(units, matched, matched.lower)
    log_observed = _contributions(units, matched, matched.observed)
    weak_grade = (units.required > 0) & (matched.grade == GRADES.index("overlap"))
    barred = (flip_to == AUTOMATE) & ~rule.may_automate
    conditions: list[tuple[Flags, Binding, Ints | int]] = [
        (~units.described, "no activity", NOTHING),
        (~units.gate, "gate", NOTHING),
        (np.asarray(matched.missing.any(axis=1)), "no evidence", matched.missing.argmax(axis=1)),
        (flip_to < 0, "tolerance", NOTHING),
        (barred & weak_grade.any(axis=1), "grade", weak_grade.argmax(axis=1)),
        (barred, "domain", matched.transferred.argmax(axis=1)),
        (~automated & (observed >= flip_at), "sample size", (log_observed - log_lower).argmax(axis=1)),
    ]
    with np.errstate(invalid="ignore"):
        binding = np.select(
            [c for c, _, _ in conditions], [BINDINGS.index(b) for _, b, _ in conditions], BINDINGS.index("capability")
        )
        capability = np.select([c for c, _, _ in conditions], [k for _, _, k in conditions], log_lower.argmin(axis=1))
    items = items_to_certify(units, matched, flip_at, observed, (flip_to >= 0) & ~automated)
    return Reasons(binding.astype(np.int8), capability, flip_to, flip_at, items)


def _contributions(units: Units, matched: Matched, rates: Floats) -> Floats:
    """R log p per unit and capability, finite; 0 where nothing is needed or known."""
    logs = np.log(np.append(np.maximum(rates, 1e-300), 1.0))
    return np.asarray(units.required * logs[matched.level], dtype=float)


def items_to_certify(units: Units, matched: Matched, target: Floats, observed: Floats, wanted: Flags) -> Ints:
    """Items of each needed capability until the product of lower bounds reaches `target` at the observed rates.

    For one capability at level 1 without failures this is ln(0.05) / ln(target), rounded up. A
    design effect multiplies it. -1: the observed rate itself does not exceed the target, or more
    than MOST_ITEMS would be needed.
    """
    items = np.where(wanted, -1, 0).astype(np.int64)
    rows = np.flatnonzero(wanted & (observed > target))
    if not len(rows):
        return items
    keys = np.column_stack([matched.level[rows], units.required[rows], np.round(target[rows], 12)])
    distinct, back = np.unique(keys, axis=0, return_inverse=True)
    count = len(CAPABILITIES)
    level, power, goal = distinct[:, :count].astype(int), distinct[:, count : 2 * count], distinct[:, -1]
    rates = np.append(matched.observed, 1.0)[level]
    effect = np.append(matched.effect, 1.0)[level].max(axis=1)
    case, column = np.nonzero(power)
    low, high = np.zeros(len(distinct)), np.full(len(distinct), float(MOST_ITEMS))

    def reaches(n: Floats) -> Flags:
        bounds = np.ones(power.shape)
        bounds[case, column] = lower_bound(rates[case, column] * n[case], n[case]) ** power[case, column]
        return np.asarray(bounds.prod(axis=1) >= goal)

    possible = reaches(high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = reaches(np.maximum(middle, 1))
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    items[rows] = np.where(possible, np.ceil(high * effect), -1).astype(np.int64)[np.ravel(back)]
    return items


def capability_names(index: Ints) -> list[str | None]:
    """Capability ids of indices; None for -1."""
    return [CAPABILITIES[i] if i >= 0 else None for i in index.tolist()]
