"""Two to five systems side by side on their common items: values, and differences from the first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import ITEM_KEY
from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import ALLOWED, Side, compare
from roleshift.evaluation.evidence import Evidence, load_tables
from roleshift.evaluation.floors import FLOOR
from roleshift.evaluation.measures import Precision, is_approximate, measure
from roleshift.evaluation.verdicts import verdict
from roleshift.tasks import TaskDefinition

FEWEST, MOST = 2, 5
PARTS = ("candidate", "baseline")
VALUES = pl.Schema(
    {
        "capability": pl.String(),
        "metric": pl.String(),
        "primary": pl.Boolean(),
        "system": pl.String(),
        "value": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "items": pl.Int64(),
        "approximate": pl.Boolean(),  # the interval, see `measures.is_approximate`
    }
)


@dataclass(frozen=True)
class Several:
    """`values` has a row per capability, metric and system (VALUES); `comparisons` one per further system.

    Each comparison is that of `compare`: the further system minus the first.
    """

    values: pl.DataFrame
    comparisons: dict[str, dict[str, Any]]


def run_sides(folder: Path) -> dict[str, Side]:
    """Every system that a run measured on unperturbed test items, by name: its variant, and shots where it had some.

    `folder` holds evidence/candidate and evidence/baseline.
    """
    folders = [folder / "evidence" / part for part in PARTS if (folder / "evidence" / part).is_dir()]
    if not folders:
        raise RoleShiftError(f"{folder}: holds no evidence; run `make repro`")
    items, scores = load_tables(folders)
    items = items.filter(
        pl.col("perturbation") == "none", pl.col("split") == "test", ~pl.col("variant").str.ends_with("-likelihood")
    )
    sides = {}
    floors = items.filter(pl.col("model_id") == FLOOR)
    floor = (floors, scores.join(floors, on=list(ITEM_KEY), how="semi"))
    for (variant, shots), part in sorted(items.partition_by("variant", "shots", as_dict=True).items()):
        name = f"{variant}, {shots} shots" if shots else str(variant)
        sides[name] = Side(name, part, scores.join(part, on=list(ITEM_KEY), how="semi"), floor)
    return sides


def compare_several(sides: Mapping[str, Side], tasks: Mapping[str, TaskDefinition], precision: Precision) -> Several:
    """Measure every side on the items and capabilities that all have, and each further side against the first.

    Verdicts need a margin: `differences_frame` gives them for any, without measuring again.
    """
    if not FEWEST <= len(sides) <= MOST:
        raise RoleShiftError(f"{len(sides)} systems chosen; a comparison takes {FEWEST} to {MOST}")
    common = set.intersection(*(set(side.items["example_id"]) for side in sides.values()))
    if not common:
        raise RoleShiftError("the chosen systems have no item in common; evaluate them on the same test split")
    kept = pl.col("example_id").is_in(sorted(common))
    parts = {
        name: replace(side, name=name, items=side.items.filter(kept), scores=side.scores.filter(kept))
        for name, side in sides.items()
    }
    first, *others = parts.values()
    return Several(
        pl.DataFrame(
            [row for side in parts.values() for row in _values(side, tasks, precision)], schema=VALUES, orient="row"
        ),
        {
            side.name: compare(side, first, tasks, margin=0.0, precision=precision, intersect=True, allow=ALLOWED)
            for side in others
        },
    )


def differences_frame(several: Several, margin: float) -> pl.DataFrame:
    """One row per further system and capability, by its primary metric; value, low and high times 100.

    `margin` (score, [0, 1]) says how much worse still counts as not worse.
    """
    rows = []
    for name, comparison in several.comparisons.items():
        for capability, part in comparison["capabilities"].items():
            entry = part["metrics"][part["primary_metric"]]
            said, needed = verdict(entry, part["primary_metric"], comparison["confidence"], margin)
            scaled = {
                column: None if entry[key] is None else 100 * entry[key]
                for column, key in (("value", "difference"), ("low", "low"), ("high", "high"))
            }
            rows.append(
                {
                    "capability": capability,
                    "metric": part["primary_metric"],
                    "system": name,
                    **scaled,
                    "p_corrected": entry["p_corrected"],
                    "verdict": said,
                    "needed_items": needed,
                    "items": entry["n"],
                    "approximate": is_approximate(entry),
                }
            )
    floats = dict.fromkeys(("value", "low", "high", "p_corrected"), pl.Float64)  # all null where items are too few
    return pl.DataFrame(
        rows, infer_schema_length=None, schema_overrides={**floats, "verdict": pl.String, "needed_items": pl.Int64}
    )


def verdict_counts(differences: pl.DataFrame) -> dict[str, dict[str, int]]:
    """How many capabilities have each verdict, by further system; from `differences_frame`."""
    counted = differences.group_by("system", "verdict", maintain_order=True).len()
    found: dict[str, dict[str, int]] = {}
    for system, said, count in counted.iter_rows():
        found.setdefault(system, {})[said] = count
    return found


def best_floors(several: Several) -> dict[str, dict[str, Any]]:
    """By capability, name and value (times 100) of the best trivial floor on the compared items, where one is known."""
    found = {}
    for comparison in several.comparisons.values():
        for capability, part in comparison["capabilities"].items():
            floor = part["best_floor"]
            if floor is not None:
                found[capability] = {"name": floor["name"], "value": 100 * floor["value"]}
    return found


def slices_frame(several: Several) -> pl.DataFrame:
    """Every slice, those on which a further system is worse than the first after correction first.

    first and other (the two scores), difference, low and high are times 100; low and high are null where a
    slice has too few items for a statement.
    """
    shown = {"first": "b", "other": "a", "difference": "difference", "low": "low", "high": "high"}
    rows = [
        {
            "system": name,
            "capability": capability,
            **{key: entry[key] for key in ("slice", "value")},
            **{column: None if entry[key] is None else 100 * entry[key] for column, key in shown.items()},
            **{key: entry[key] for key in ("p_corrected", "regressed")},
            "items": entry["n"],
        }
        for name, comparison in several.comparisons.items()
        for capability, part in comparison["capabilities"].items()
        for entry in part["slices"]
    ]
    floats = dict.fromkeys((*shown, "p_corrected"), pl.Float64)
    schema = dict.fromkeys(("system", "capability", "slice", "value"), pl.String) | floats
    return pl.DataFrame(rows, schema={**schema, "regressed": pl.Boolean, "items": pl.Int64}).sort(
        ~pl.col("regressed"), "system", "capability", "slice", "value"
    )


def item_differences(first: Side, other: Side, tasks: Mapping[str, TaskDefinition]) -> pl.DataFrame:
    """The items that both answered, by their tasks' metrics, the largest difference first; scores times 100.

    Columns: example_id, capability, metric, slices (`name: value`), first, other, difference (other minus
    first), output_first, output_other (null where a copy leaves texts out).
    """
    metrics = {task.id: task.metric for task in tasks.values()}
    scored = [
        side.scores.join(side.items.select(*ITEM_KEY, "task_definition"), on=list(ITEM_KEY))
        .filter(pl.col("metric") == pl.col("task_definition").replace_strict(metrics, default=None))
        .select("example_id", "metric", name=pl.col("score") * 100)
        .join(side.items.select("example_id", output="output"), on="example_id")
        for side in (first, other)
    ]
    slices = pl.col("slices").list.eval(
        pl.concat_str(pl.element().struct.field("name"), pl.lit(": "), pl.element().struct.field("value"))
    )
    about = first.items.select("example_id", "capability", slices=slices.list.join(", "))
    return (
        about.join(scored[0].rename({"name": "first", "output": "output_first"}), on="example_id")
        .join(scored[1].drop("metric").rename({"name": "other", "output": "output_other"}), on="example_id")
        .with_columns(difference=pl.col("other") - pl.col("first"))
        .sort(pl.col("difference").abs(), "example_id", descending=[True, False])
        .select("example_id", "capability", "metric", "slices", "first", "other", "difference", "output_first",
                "output_other")
    )  # fmt: skip


def _values(side: Side, tasks: Mapping[str, TaskDefinition], precision: Precision) -> list[tuple[Any, ...]]:
    evidence = Evidence(side.items, side.scores, tasks)
    key = evidence.systems[0]
    rows = []
    for capability in evidence.capabilities:
        for metric in evidence.metrics(key, capability):
            figure = measure(evidence.corpus(key, capability, metric), metric, precision)
            scaled = (None if figure[part] is None else 100 * figure[part] for part in ("value", "low", "high"))
            primary = metric == evidence.primary[capability]
            rows.append((capability, metric, primary, side.name, *scaled, figure["n"], is_approximate(figure)))
    return rows
