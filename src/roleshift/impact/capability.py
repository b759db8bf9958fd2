"""How good one version is at each capability, per domain: counts from items, bounds, grades.

A pass is derived on read: score by the task's primary metric >= the task's threshold. Nothing here
knows of roles.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import betaincinv

from roleshift.contracts import ITEM_KEY
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json
from roleshift.tasks import Capability, TaskDefinition

Floats = NDArray[np.float64]
Grade = Literal["overlap", "reviewed", "verifiable"]
CellKey = tuple[str, str]

CAPABILITIES: tuple[str, ...] = get_args(Capability)
GRADES: tuple[Grade, ...] = get_args(Grade)  # weakest first
METRIC_GRADES: dict[str, Grade] = {
    "exact_match": "verifiable",
    "accuracy": "verifiable",
    "token_f1": "verifiable",
    "entity_f1": "verifiable",
    "rouge_1": "overlap",
    "rouge_2": "overlap",
    "rouge_l": "overlap",
    "bleu": "overlap",
    "chrf": "overlap",
}
CONFIDENCE = 0.95
TASK_DOMAIN = "task:"  # "task:<task id>": a user's own items, which hold for that task alone


@dataclass(frozen=True)
class Reviewed:
    """A reviewed acceptance rate in the place of a share of passes.

    `estimate` and `lower` in [0, 1]; `draws` [k] are bootstrap draws of it; `judged` is the number
    of judgements that entered.
    """

    estimate: float
    lower: float
    draws: Floats
    judged: int


@dataclass(frozen=True)
class Cell:
    """The evidence for one capability in one domain.

    `example_ids` [n] (sorted by task and id) and `passed` [n]; `design_effect` >= 1 divides passes
    and items wherever they become a bound or a draw; `evidence_hash` names the content.
    """

    capability: str
    domain: str
    task_definitions: tuple[str, ...]
    example_ids: tuple[str, ...]
    passed: NDArray[np.bool_]
    grade: Grade
    design_effect: float
    evidence_hash: str
    origins: tuple[str, ...]
    reviewed: Reviewed | None = None

    @property
    def key(self) -> CellKey:
        """Capability and domain."""
        return (self.capability, self.domain)

    @property
    def items(self) -> int:
        """Measured items."""
        return len(self.passed)

    @property
    def passes(self) -> int:
        """Items that pass."""
        return int(self.passed.sum())

    @property
    def observed(self) -> float:
        """The share that passes, or the reviewed estimate of the acceptance rate."""
        return self.reviewed.estimate if self.reviewed else self.passes / self.items

    @property
    def lower(self) -> float:
        """The level: the one-sided 95% lower bound of the success rate."""
        if self.reviewed:
            return self.reviewed.lower
        return float(lower_bound(self.passes / self.design_effect, self.items / self.design_effect))


def lower_bound(passes: Any, items: Any, confidence: float = CONFIDENCE) -> Any:
    """The exact one-sided lower bound of Clopper and Pearson (1934), elementwise.

    `passes` and `items` may be fractions, since a design effect divides both.
    """
    passes, items = np.asarray(passes, dtype=float), np.asarray(items, dtype=float)
    bound = betaincinv(np.maximum(passes, 1e-12), items - passes + 1, 1 - confidence)
    return np.where(passes > 0, bound, 0.0)


def design_effect(passed: NDArray[np.bool_], groups: Iterable[str]) -> float:
    """How much less a sample in groups says than as many independent items (Kish, 1965), at least 1.

    The variance of the mean as a ratio estimator over groups, divided by that of a simple sample.
    Where every item passes or every item fails, nothing can be measured, and items of one group
    count as one; that is the upper limit in any case.
    """
    _, index = np.unique(np.asarray(list(groups)), return_inverse=True)
    sizes = np.bincount(index).astype(float)
    n, g = float(len(passed)), len(sizes)
    limit = float((sizes**2).sum() / n)
    if g == n or limit <= 1:
        return 1.0
    mean = float(passed.mean())
    if g == 1 or mean in (0.0, 1.0):
        return limit
    residual = np.bincount(index, weights=passed) - mean * sizes
    variance = g / (g - 1) * float((residual**2).sum()) / n**2
    return float(np.clip(variance / (mean * (1 - mean) / n), 1.0, limit))


def measured_cells(
    items: pl.DataFrame,
    scores: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    *,
    variant: str,
    split: str = "test",
    model_id: str | None = None,
) -> dict[CellKey, Cell]:
    """One version's cells from ITEMS and SCORES: 0-shot, unperturbed, one split, one variant.

    `model_id` may be left out where the variant has only one. An item without a score by its
    task's primary metric, a task without a definition, and a variant that chooses among labels
    instead of generating are errors.
    """
    if variant.endswith("-likelihood"):
        raise RoleShiftError(
            f"variant {variant!r} scores label likelihoods, which are no answers; name the variant itself"
        )
    chosen = items.filter(
        (pl.col("variant") == variant)
        & (pl.col("split") == split)
        & (pl.col("shots") == 0)
        & (pl.col("perturbation") == "none")
        & (pl.lit(True) if model_id is None else pl.col("model_id") == model_id)
    )
    if chosen.is_empty():
        there = ", ".join(sorted(items["variant"].unique())) or "none"
        raise RoleShiftError(f"no 0-shot items of variant {variant!r} in split {split!r}; variants there: {there}")
    models = sorted(chosen["model_id"].unique())
    if len(models) > 1:
        raise RoleShiftError(f"variant {variant!r} holds items of several models ({', '.join(models)}); name one")
    unknown = sorted(set(chosen["task_definition"]) - set(tasks))
    if unknown:
        raise RoleShiftError(f"items of task {unknown[0]!r}, which has no definition; add it under `tasks`")
    primary = pl.DataFrame(
        {
            "task_definition": list(tasks),
            "metric": [t.metric for t in tasks.values()],
            "tau": [t.threshold for t in tasks.values()],
        },
        schema={"task_definition": pl.String, "metric": pl.String, "tau": pl.Float64},
    )
    scored = chosen.join(primary, on="task_definition", how="left").join(
        scores.select(*ITEM_KEY, "metric", "score"), on=[*ITEM_KEY, "metric"], how="left"
    )
    missing = scored.filter(pl.col("score").is_null())
    if missing.height:
        row = missing.row(0, named=True)
        raise RoleShiftError(
            f"item {row['example_id']} of task {row['task_definition']!r} has no score by {row['metric']}; score it"
        )
    scored = scored.sort("task_definition", "example_id")
    cells = [
        _cell(str(capability), str(domain), rows, tasks)
        for (capability, domain), rows in scored.group_by("capability", "domain", maintain_order=True)
    ]
    return {cell.key: cell for cell in sorted(cells, key=lambda cell: cell.key)}


def _cell(capability: str, domain: str, rows: pl.DataFrame, tasks: Mapping[str, TaskDefinition]) -> Cell:
    if capability not in CAPABILITIES:
        raise RoleShiftError(f"items of capability {capability!r}, which is none of {', '.join(CAPABILITIES)}")
    passed = (rows["score"] >= rows["tau"]).to_numpy()
    definitions = tuple(sorted(rows["task_definition"].unique()))
    grade = min((METRIC_GRADES[tasks[name].metric] for name in definitions), key=GRADES.index)
    content = rows.select(
        "task_definition", "example_id", "artifact_id", "prompt_hash", "settings_hash", "score", "tau"
    )
    return Cell(
        capability,
        domain,
        definitions,
        tuple(rows["example_id"]),
        passed,
        grade,
        design_effect(passed, rows["group_id"]),
        hash_json([capability, domain, content.rows()]),
        tuple(sorted(rows["origin"].unique())),
    )


def capability_table(cells: Mapping[CellKey, Cell]) -> pl.DataFrame:
    """One row per cell, in stable order: counts, level, grade and where the evidence came from."""
    rows = [
        {
            "capability": cell.capability,
            "domain": cell.domain,
            "items": cell.items,
            "passes": cell.passes,
            "design_effect": cell.design_effect,
            "observed": cell.observed,
            "lower": cell.lower,
            "grade": cell.grade,
            "judged": cell.reviewed.judged if cell.reviewed else 0,
            "task_definitions": list(cell.task_definitions),
            "origins": list(cell.origins),
            "evidence_hash": cell.evidence_hash,
        }
        for cell in (cells[key] for key in sorted(cells))
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "capability": pl.String, "domain": pl.String, "items": pl.Int64, "passes": pl.Int64,
        "design_effect": pl.Float64, "observed": pl.Float64, "lower": pl.Float64, "grade": pl.String,
        "judged": pl.Int64, "task_definitions": pl.List(pl.String), "origins": pl.List(pl.String),
        "evidence_hash": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
