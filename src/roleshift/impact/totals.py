"""Shares over many roles, weighted by employment or by wage bill; what is unknown is left out and said."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from roleshift.impact.capability import Floats
from roleshift.impact.roles import MEASURES, Analysis, interval


@dataclass(frozen=True)
class Totals:
    """`table`: per measure certified, expected, low, high. `covered`: persons (or wage bill) behind it.

    `share` is `covered` over the sum of the source's whole, null where the whole is unknown;
    `unknown` names the roles that could not be weighted.
    """

    weighting: Literal["employment", "wage bill"]
    table: pl.DataFrame
    covered: float
    share: float | None
    unknown: tuple[str, ...]


def role_weights(roles: pl.DataFrame, weighting: Literal["employment", "wage bill"]) -> Floats:
    """Persons, or persons times mean wage, per role [roles]; NaN where unknown."""
    weight = pl.col("employment") * (pl.col("mean_wage") if weighting == "wage bill" else 1.0)
    return roles.select(weight.alias("weight"))["weight"].fill_null(float("nan")).to_numpy()


def totals(analysis: Analysis, weighting: Literal["employment", "wage bill"], whole: float | None = None) -> Totals:
    """The weighted totals; `whole` is the employment or wage bill of the economy or company, if known."""
    weights = role_weights(analysis.work.roles, weighting)
    known = np.isfinite(weights) & (weights > 0)
    covered = float(weights[known].sum())
    unknown = tuple(analysis.work.roles.filter(pl.Series(~np.isfinite(weights)))["role_id"])
    rows = []
    for name in MEASURES if covered > 0 else ():
        share = weights[known] / covered
        draws = share @ analysis.expected.roles[name][known]
        low, high = interval(draws)
        rows.append(
            (name, float(share @ analysis.certified[name][known]), float(draws.mean()), float(low), float(high))
        )
    schema = {
        "measure": pl.String,
        "certified": pl.Float64,
        "expected": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return Totals(weighting, table, covered, covered / whole if whole else None, unknown)
