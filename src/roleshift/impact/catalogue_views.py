"""Tables over the whole catalogue: totals, work that shrinks and appears, and what changed between two versions."""

from dataclasses import dataclass

import polars as pl

from roleshift.impact.catalogue import DRIVERS, bundled_emerging
from roleshift.impact.emerging import appearing_work
from roleshift.impact.roles import Analysis
from roleshift.impact.scenario import shrinking_table
from roleshift.impact.totals import totals
from roleshift.impact.versions import Difference
from roleshift.impact.views import PERCENT, SHARES, titled
from roleshift.impact.words import Language, Words


def totals_table(analysis: Analysis) -> pl.DataFrame:
    """Shares over all roles whose employment (or wage bill) is known, in per cent; empty where none is.

    `weighting`, `measure`, certified, expected, low, high (90%), `covered` (persons, or the wage bill a year).
    """
    parts = []
    for weighting in ("employment", "wage bill"):
        found = totals(analysis, weighting)
        kept = found.table.filter(pl.col("measure").is_in([*SHARES, "time_freed"]))
        rates = (pl.col(name) * PERCENT for name in ("certified", "expected", "low", "high"))
        parts.append(kept.select(pl.lit(weighting).alias("weighting"), "measure", *rates, covered=found.covered))
    return pl.concat(parts)


def shrinking_role(analysis: Analysis, role: str) -> dict[str, float]:
    """The scenario of one role in per cent: certified, expected, low, high; and not_assessed beside it."""
    row = shrinking_table(analysis).row(by_predicate=pl.col("role_id") == role, named=True)
    return {name: float(value) * PERCENT for name, value in row.items() if name != "role_id"}


@dataclass(frozen=True)
class Emerging:
    """`table`: hours a year per emerging role and driver, null where they rest on head-counts and none is known.

    `unknown` of `roles` roles have no head-count: their review and curation is in no figure.
    """

    table: pl.DataFrame
    unknown: int
    roles: int


def emerging_hours(analysis: Analysis, language: Language) -> Emerging:
    """Work that appears, by emerging role; most hours first."""
    entries = bundled_emerging()
    found, roles = appearing_work(analysis, entries), analysis.work.roles.height
    names = {entry.id: getattr(entry.name, language) for entry in entries}
    table = found.roles.sort("hours", "emerging_role", descending=[True, False], nulls_last=True).select(
        pl.col("emerging_role").replace_strict(names), *DRIVERS, "hours", "full_time"
    )
    return Emerging(table, len(found.unknown), roles)


PAIRED = pl.Schema(
    {
        "capability": pl.String(), "domain": pl.String(), "passed_before": pl.Float64(), "passed_after": pl.Float64(),
        "pairing": pl.String(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """Two versions: `tasks` whose decision changes, `roles` whose shares do (in points), and what was measured.

    `paired` has per capability and domain the share of items that pass in each, in per cent, and how items were paired.
    """

    tasks: pl.DataFrame
    roles: pl.DataFrame
    paired: pl.DataFrame


def changes(found: Difference, roles: pl.DataFrame, language: Language) -> Changes:
    """A difference in the language's words; `roles` are those of the work.

    A role and measure is listed where the certified share changes or the interval leaves out 0.
    """
    words = Words(language)
    titles = roles.select("role_id", role=titled(language))
    decisions = {name: words.plain(name) for name in ("automate", "augment", "human", "not assessed")}
    tasks = found.tasks.join(titles, on="role_id", maintain_order="left")
    moved = found.roles.filter(
        pl.col("measure").is_in([*SHARES, "time_freed"]),
        (pl.col("certified") != 0) | (pl.col("low") > 0) | (pl.col("high") < 0),
    ).join(titles, on="role_id", maintain_order="left")
    pairs = []
    for (capability, domain), cells in found.cells.items():
        origins = {name for cell in cells if cell for name in cell.origins} - {"measured"}
        kind = "; ".join([words.domains.get(domain, domain), *(words.origin(name) for name in sorted(origins))])
        passed = (cell.observed * PERCENT if cell else None for cell in cells)
        how = words.plain(f"pairing_{found.pairing.get((capability, domain), 'only one')}")
        pairs.append((words.capabilities[capability], kind, *passed, how))
    return Changes(
        tasks.select(
            "role",
            titled(language).alias("task"),
            pl.col("before", "after").replace(decisions),
            pl.col("success_lower_before", "success_lower_after") * PERCENT,
        ),
        moved.sort(pl.col("expected").abs(), "role_id", descending=[True, False]).select(
            "role", "measure", *(pl.col(name) * PERCENT for name in ("certified", "expected", "low", "high"))
        ),
        pl.DataFrame(pairs, schema=PAIRED, orient="row"),
    )
