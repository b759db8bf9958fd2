"""Roles, their tasks, and what tasks need: the tables that every source of roles is brought into.

Tasks that need the same (activities, domains, consequence class) are computed once, as one unit:
the 18,796 tasks of O*NET are far fewer units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from roleshift.errors import RoleShiftError
from roleshift.impact.capability import CAPABILITIES

Ints = NDArray[np.int64]

ROLES = pl.Schema(
    {
        "role_id": pl.String,
        "title_en": pl.String,
        "title_zh": pl.String,  # null where the source has none
        "soc": pl.String,  # SOC 2018 code, 11-1011; null where unknown
        "employment": pl.Float64,  # persons; null is unknown, never 0
        "mean_wage": pl.Float64,  # a year; null is unknown
    }
)
TASKS = pl.Schema(
    {  # type: ignore[arg-type]
        "task_id": pl.String,
        "role_id": pl.String,
        "title_en": pl.String,
        "title_zh": pl.String,
        "activities": pl.List(pl.String),  # intermediate work activities; empty: not assessed
        "weight": pl.Float64,  # share of the role; of each role they sum to 1
        "domains": pl.List(pl.String),  # the kinds of text it is about; empty: unknown
        "consequence": pl.String,  # a class of the assumption set's costs
    }
)


@dataclass(frozen=True)
class Activities:
    """The matrix of work activities: `gate` [A], requirement `levels` [A, 13], `jitter` [A]."""

    ids: tuple[str, ...]
    gate: NDArray[np.bool_]
    levels: NDArray[np.int8]
    jitter: NDArray[np.float64]
    consequence: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]  # language -> labels [A]
    reasons: Mapping[str, tuple[str, ...]]

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each activity."""
        return {activity: i for i, activity in enumerate(self.ids)}

    @cached_property
    def needs(self) -> tuple[Ints, Ints]:
        """Activity and capability of every requirement level of at least 1, in row order."""
        rows, columns = np.nonzero(self.levels)
        return rows, columns

    def requires_two(self, draws: int, seed: int, scale: float) -> NDArray[np.bool_]:
        """Whether each of `needs` is at level 2, per draw [needs, draws].

        With probability jitter * scale a level is the other one of 1 and 2. The draw belongs to
        the activity and the capability: tasks and versions share it.
        """
        rows, columns = self.needs
        two = self.levels[rows, columns] == 2
        if scale == 0:
            return np.broadcast_to(two[:, None], (len(rows), draws))
        swaps = np.random.default_rng([seed, 1]).random((len(rows), draws), dtype=np.float32)
        swapped: NDArray[np.bool_] = swaps < (self.jitter[rows] * scale)[:, None]
        return np.asarray(two[:, None] ^ swapped, dtype=bool)


def activity_of(intermediate: str) -> str:
    """The generalized work activity that an intermediate one belongs to, by its id."""
    return intermediate.rsplit(".I", 1)[0]


@dataclass(frozen=True)
class Work:
    """Roles and tasks (see ROLES, TASKS) with the activities that the tasks name."""

    roles: pl.DataFrame
    tasks: pl.DataFrame
    activities: Activities

    @classmethod
    def of(cls, roles: pl.DataFrame, tasks: pl.DataFrame, activities: Activities, where: str) -> "Work":
        """Check the references, scale each role's weights to a sum of 1, keep the order of rows."""
        roles, tasks = roles.select(ROLES.names()).cast(ROLES), tasks.select(TASKS.names()).cast(TASKS)
        for frame, key in ((roles, "role_id"), (tasks, "task_id")):
            if frame[key].is_duplicated().any():
                name = frame.filter(pl.col(key).is_duplicated())[key][0]
                raise RoleShiftError(f"{where}: the {key} {name!r} stands twice")
        strange = tasks.filter(~pl.col("role_id").is_in(roles["role_id"].to_list()))
        if strange.height:
            raise RoleShiftError(
                f"{where}: task {strange['task_id'][0]!r} belongs to no role ({strange['role_id'][0]!r})"
            )
        bad = tasks.filter(~(pl.col("weight").is_finite() & (pl.col("weight") > 0)).fill_null(False))
        if bad.height:
            raise RoleShiftError(
                f"{where}: task {bad['task_id'][0]!r}: weight must be above 0 (found {bad['weight'][0]})"
            )
        named = tasks.select("task_id", pl.col("activities")).explode("activities", empty_as_null=True).drop_nulls()
        unknown = named.filter(~pl.col("activities").is_in(list(activities.ids)))
        if unknown.height:
            task, activity = unknown.row(0)
            raise RoleShiftError(f"{where}: task {task!r} names the unknown activity {activity!r}")
        tasks = tasks.with_columns(
            (pl.col("weight") / pl.col("weight").sum().over("role_id")).alias("weight"),
            pl.col("activities").list.unique().list.sort(),
            pl.col("domains").list.unique().list.sort(),
        )
        return cls(roles, tasks, activities)


@dataclass(frozen=True)
class Units:
    """Distinct kinds of tasks.

    Per unit [U]: `gate`, `described` (has an activity), `required` [U, 13], `consequence` (index
    into `classes`), `context` (index into `contexts`: a task with evidence of its own or None, and
    its domains). `shares` [roles, U] are the weights of the roles' tasks. The pairs (unit,
    capability) that the gate lets through stand in unit order, each with the rows of
    `Activities.needs` that it is the union of (`need_rows` from `pair_start` on).
    """

    of_task: Ints
    gate: NDArray[np.bool_]
    described: NDArray[np.bool_]
    required: NDArray[np.int8]
    classes: tuple[str, ...]
    consequence: Ints
    contexts: tuple[tuple[str | None, tuple[str, ...]], ...]
    context: Ints
    shares: csr_array
    pair_unit: Ints
    pair_capability: Ints
    pair_start: Ints
    need_rows: Ints

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.gate)


def compile_units(work: Work, own_tasks: frozenset[str] = frozenset()) -> Units:
    """Reduce tasks to units; a task in `own_tasks` has evidence of its own and so a unit of its own."""
    index = work.activities.index
    units: dict[tuple[object, ...], int] = {}
    of_task = np.empty(work.tasks.height, dtype=np.int64)
    columns = [work.tasks[name].to_list() for name in ("task_id", "activities", "domains", "consequence")]
    for t, (task, activities, domains, consequence) in enumerate(zip(*columns, strict=True)):
        key = (tuple(activities), (task if task in own_tasks else None, tuple(domains)), consequence)
        of_task[t] = units.setdefault(key, len(units))
    keys = list(units)
    classes, consequence_index = _indexed([key[2] for key in keys])
    contexts, context_index = _indexed([key[1] for key in keys])
    members: list[list[int]] = [[index[a] for a in key[0]] for key in keys]  # type: ignore[attr-defined]
    described = np.array([bool(rows) for rows in members])
    gate, required = _union(work.activities, members)
    roles = {role: i for i, role in enumerate(work.roles["role_id"])}
    role_of_task = np.array([roles[role] for role in work.tasks["role_id"]], dtype=np.int64)
    shares = csr_array(
        (work.tasks["weight"].to_numpy(), (role_of_task, of_task)),
        shape=(work.roles.height, len(keys)),
        dtype=np.float64,
    )
    return Units(
        of_task, gate, described, required, tuple(map(str, classes)), consequence_index,
        tuple(contexts), context_index, shares, *_pairs(work.activities, members, gate),
    )  # fmt: skip


def _indexed(values: Sequence[object]) -> tuple[list, Ints]:  # type: ignore[type-arg]
    distinct = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return list(distinct), np.array([distinct[value] for value in values], dtype=np.int64)


def _union(activities: Activities, members: list[list[int]]) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Gate = min and requirement = max over each unit's activities; without one: closed, nothing."""
    gate = np.array([bool(rows) and bool(activities.gate[rows].all()) for rows in members], dtype=bool)
    required = np.zeros((len(members), len(CAPABILITIES)), dtype=np.int8)
    for unit, rows in enumerate(members):
        if rows:
            required[unit] = activities.levels[rows].max(axis=0)
    return gate, required


def _pairs(activities: Activities, members: list[list[int]], gate: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
    rows, columns = activities.needs
    needs_of: list[list[tuple[int, int]]] = [[] for _ in activities.ids]
    for need, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        needs_of[row].append((column, need))
    pair_unit: list[int] = []
    pair_capability: list[int] = []
    pair_start: list[int] = []
    need_rows: list[int] = []
    for unit in np.flatnonzero(gate).tolist():
        by_capability: dict[int, list[int]] = {}
        for row in members[unit]:
            for column, need in needs_of[row]:
                by_capability.setdefault(column, []).append(need)
        for column in sorted(by_capability):
            pair_unit.append(unit)
            pair_capability.append(column)
            pair_start.append(len(need_rows))
            need_rows.extend(by_capability[column])
    return tuple(np.array(values, dtype=np.int64) for values in (pair_unit, pair_capability, pair_start, need_rows))  # type: ignore[return-value]
