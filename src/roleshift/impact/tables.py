"""The five tables of a version's impact, each with its contract, and the summary beside them.

Every row names the model and the assumption set with its hash. Only measured evidence enters: what
an assumption set supposes ("what if") is taken out before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from roleshift.contracts import Contract
from roleshift.impact.capability import CAPABILITIES, capability_table
from roleshift.impact.catalogue import EmergingEntry
from roleshift.impact.decision import DECISIONS
from roleshift.impact.emerging import appearing_work
from roleshift.impact.roles import MEASURES, Analysis, bottleneck
from roleshift.impact.scenario import shrinking_table
from roleshift.impact.totals import totals
from roleshift.impact.transitions import COMFORTS, MOVES, Landscape, moves
from roleshift.impact.work import TASKS

MOST_MOVES = 10  # kept per role and comfort with error
STAMP: dict[str, pl.DataType] = {
    "model_id": pl.String(),
    "variant": pl.String(),
    "assumptions": pl.String(),  # the set's name
    "assumptions_hash": pl.String(),
}
STRINGS, TEXT, NUMBER, COUNT, FLAG = pl.List(pl.String()), pl.String(), pl.Float64(), pl.Int64(), pl.Boolean()

CAPABILITY_LEVELS = Contract(
    "impact-capabilities",
    1,
    pl.Schema(
        {
            "capability": TEXT,
            "domain": TEXT,  # "task:ID": a user's own items for that task
            "items": COUNT,
            "passes": COUNT,
            "design_effect": NUMBER,
            "observed": NUMBER,
            "lower": NUMBER,  # one-sided 95% bound
            "grade": TEXT,
            "judged": COUNT,
            "task_definitions": STRINGS,
            "origins": STRINGS,
            "evidence_hash": TEXT,
            **STAMP,
        }
    ),
    ("capability", "domain"),
)
TASK_DECISIONS = Contract(
    "impact-tasks",
    1,
    pl.Schema(
        {
            **{name: dtype() if isinstance(dtype, type) else dtype for name, dtype in TASKS.items()},
            "decision": TEXT,
            "decision_weakest_link": TEXT,
            "success_lower": NUMBER,
            "success_observed": NUMBER,
            "success_expected": NUMBER,
            "tolerance": NUMBER,
            "automate_from": NUMBER,
            "augment_above": NUMBER,
            "grade": TEXT,
            "transferred": FLAG,
            "binding": TEXT,
            "binding_capability": TEXT,
            "flip_to": TEXT,
            "flip_at": NUMBER,
            "items_to_certify": COUNT,
            "time_freed": NUMBER,
            "cost_saved": NUMBER,
            "expected_automate": NUMBER,
            "expected_augment": NUMBER,
            "certifiable": FLAG,
            **STAMP,
        }
    ),
    ("task_id",),
    frozenset(
        {
            "title_zh", "success_lower", "success_observed", "success_expected", "grade", "binding_capability",
            "flip_to", "flip_at", "items_to_certify", "certifiable",
        }
    ),
)  # fmt: skip
ROLE_SHARES = Contract(
    "impact-roles",
    1,
    pl.Schema(
        {
            "role_id": TEXT,
            "title_en": TEXT,
            "title_zh": TEXT,
            "soc": TEXT,
            "employment": NUMBER,
            "mean_wage": NUMBER,
            "measure": TEXT,
            **dict.fromkeys(("certified", "weakest_link", "expected", "low", "high"), NUMBER),
            "spread": NUMBER,  # output per person, freed time moving to what is left
            "stuck": NUMBER,  # the same, freed time not moving
            "labour_change": NUMBER,  # the shrinking scenario at the certified decisions
            "labour_change_low": NUMBER,
            "labour_change_high": NUMBER,
            **STAMP,
        }
    ),
    ("role_id", "measure"),
    frozenset({"title_zh", "soc", "employment", "mean_wage", "spread", "stuck"}),
)
ROLE_MOVES = Contract(
    "impact-transitions",
    1,
    pl.Schema(
        {
            "origin": TEXT,
            "comfort": TEXT,
            "rank": COUNT,
            **{name: dtype() if isinstance(dtype, type) else dtype for name, dtype in MOVES.items()},
            **STAMP,
        }
    ),
    ("origin", "comfort", "rank"),
    frozenset({"similarity", "tolerance_fit", "score", "pay_change", "education_change"}),
)
EMERGING_HOURS = Contract(
    "impact-emerging",
    1,
    pl.Schema(
        {
            "emerging_role": TEXT,
            "review": NUMBER,  # hours a year, as are the next four; null: no head-count is known
            "curation": NUMBER,
            "evaluation": NUMBER,
            "integration": NUMBER,
            "hours": NUMBER,
            "full_time": NUMBER,  # persons
            "status": TEXT,
            **STAMP,
        }
    ),
    ("emerging_role",),
    frozenset({"review", "curation", "hours", "full_time"}),
)


def impact_tables(
    landscape: Landscape, entries: Sequence[EmergingEntry], model_id: str, variant: str
) -> dict[str, tuple[pl.DataFrame, Contract]]:
    """The tables by file name, complete to their contracts."""
    analysis = landscape.analysis
    frames = {
        "capabilities": (capability_table(analysis.cells), CAPABILITY_LEVELS),
        "tasks": (analysis.task_table, TASK_DECISIONS),
        "roles": (_roles(analysis), ROLE_SHARES),
        "transitions": (_moves(landscape), ROLE_MOVES),
        "emerging": (
            appearing_work(analysis, entries).roles.with_columns(status=pl.lit("hypothesis")),
            EMERGING_HOURS,
        ),
    }
    given = analysis.assumptions
    stamp = {"model_id": model_id, "variant": variant, "assumptions": given.name, "assumptions_hash": given.hash}
    return {
        name: (
            frame.with_columns(**{key: pl.lit(value) for key, value in stamp.items()})
            .select(contract.schema.names())
            .cast(dict(contract.schema)),  # type: ignore[arg-type]
            contract,
        )
        for name, (frame, contract) in frames.items()
    }


def _roles(analysis: Analysis) -> pl.DataFrame:
    scenario = shrinking_table(analysis).select(
        "role_id", labour_change="certified", labour_change_low="low", labour_change_high="high"
    )
    table = analysis.role_table.join(analysis.work.roles, on="role_id", how="left", maintain_order="left")
    for other in (bottleneck(analysis), scenario):
        table = table.join(other, on="role_id", how="left", maintain_order="left")
    return table


def _moves(landscape: Landscape) -> pl.DataFrame:
    frames = []
    for comfort in COMFORTS:
        for origin in landscape.profiles.role_ids:
            found = moves(landscape, origin, comfort, MOST_MOVES).drop_nulls("score")
            frames.append(
                found.with_columns(origin=pl.lit(origin), comfort=pl.lit(comfort), rank=pl.int_range(1, pl.len() + 1))
            )
    return pl.concat(frames)


DECIMALS = 6  # of every figure in the summary


def impact_summary(
    analysis: Analysis, entries: Sequence[EmergingEntry], model_id: str, variant: str, sources: Mapping[str, Any]
) -> dict[str, Any]:
    """metrics/impact.json: the version, the assumptions, levels, decisions, mean and weighted shares, hours.

    `sources` says where roles, employment and pay came from. Means over roles give every role the
    same weight; the totals are those of the employment that is known.
    """
    levels: dict[str, dict[str, Any]] = {}
    for cell in analysis.cells.values():
        figures = {"items": cell.items, "observed": cell.observed, "lower": cell.lower, "grade": cell.grade}
        if cell.reviewed:
            figures["judged"] = cell.reviewed.judged
        levels.setdefault(cell.capability, {})[cell.domain] = figures
    decided = analysis.task_table["decision"].value_counts()
    counts = dict(decided.iter_rows())
    shares = analysis.role_table.group_by("measure").agg(pl.col("certified", "expected").mean())
    appearing = appearing_work(analysis, entries)
    weighted = {}
    for weighting in ("employment", "wage bill"):
        found = totals(analysis, weighting)
        if found.covered > 0:
            rows = {row["measure"]: {k: v for k, v in row.items() if k != "measure"} for row in found.table.to_dicts()}
            weighted[weighting.replace(" ", "_")] = {
                "covered": found.covered,
                "roles_unknown": len(found.unknown),
            } | rows
    by_measure = {row["measure"]: row for row in shares.to_dicts()}
    summary = {
        "model_id": model_id,
        "variant": variant,
        "assumptions": {"name": analysis.assumptions.name, "hash": analysis.assumptions.hash},
        "draws": analysis.assumptions.draws,
        "sources": dict(sources),
        "roles": analysis.work.roles.height,
        "tasks": {"all": analysis.work.tasks.height} | {name: counts.get(name, 0) for name in DECISIONS},
        "capabilities": {name: levels[name] for name in CAPABILITIES if name in levels},
        "not_assessed": [name for name in CAPABILITIES if name not in levels],
        "mean_over_roles": {
            name: {"certified": by_measure[name]["certified"], "expected": by_measure[name]["expected"]}
            for name in MEASURES
        },
        "totals": weighted,
        "emerging_hours": dict(appearing.drivers.drop_nulls("hours").select("driver", "hours").iter_rows()),
    }
    rounded: dict[str, Any] = _rounded(summary)
    return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return round(value, DECIMALS) if isinstance(value, float) else value
