"""metrics/evaluate.json in one table: base, base with shots, best floor and shipped model per capability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Figure:
    """A value with its interval, in [0, 1]; the interval is None where the items are too few."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Times 100, as the field shows scores."""
        if self.low is None or self.high is None:
            return f"{100 * self.value:.1f}"
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class OverviewRow:
    """One capability by its primary metric."""

    capability: str
    metric: str
    items: int
    base: Figure | None
    base_shots: Figure | None
    floor: Figure | None
    floor_name: str | None
    tuned: Figure
    beats_all: bool | None


def overview(summary: Mapping[str, Any]) -> list[OverviewRow]:
    """The rows of metrics/evaluate.json, by capability."""
    shipped = summary["tuned"]["shipped"]
    rows = []
    for name, part in summary["capabilities"].items():
        metric = part["primary_metric"]
        floor = part["best_floor"]
        tuned = _figure(part, shipped, metric)
        if tuned is None:
            continue
        rows.append(
            OverviewRow(
                name,
                metric,
                part["items"],
                _figure(part, "base", metric),
                _figure(part, "base-shots", metric),
                _figure(part, floor, metric),
                floor.removeprefix("floor-") if floor else None,
                tuned,
                part["beats_all"],
            )
        )
    return rows


def _figure(part: Mapping[str, Any], system: str | None, metric: str) -> Figure | None:
    found = part["systems"].get(system, {}).get("metrics", {}).get(metric) if system else None
    return None if found is None else Figure(found["value"], found["low"], found["high"])


def figures_frame(rows: list[OverviewRow]) -> pl.DataFrame:
    """One row per capability and system (base, base_shots, floor, tuned): value, low and high times 100."""
    figures = [
        (row.capability, name, figure)
        for row in rows
        for name, figure in (
            ("base", row.base),
            ("base_shots", row.base_shots),
            ("floor", row.floor),
            ("tuned", row.tuned),
        )
        if figure
    ]
    schema = {"capability": pl.String, "system": pl.String, **dict.fromkeys(("value", "low", "high"), pl.Float64)}
    values = [
        (capability, name, *(None if part is None else 100 * part for part in (figure.value, figure.low, figure.high)))
        for capability, name, figure in figures
    ]
    return pl.DataFrame(values, schema=schema, orient="row")
