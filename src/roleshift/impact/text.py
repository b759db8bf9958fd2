"""An analysis as lines for a terminal."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from roleshift.impact.assumptions import Assumptions
from roleshift.impact.catalogue_views import Changes
from roleshift.impact.roles import Analysis, bottleneck
from roleshift.impact.totals import totals
from roleshift.impact.views import PERCENT, ranked_roles
from roleshift.impact.words import Language, Words

TOLD = ("automate", "augment", "human", "not_assessed", "time_freed")
"""The measures of a total."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table; columns as wide as their widest cell, a Chinese character counting as two."""
    widths = [max(columns(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(line, widths, strict=True))
        for line in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def percent(value: float | None, signed: bool = False) -> str:
    """A share as a percentage; unknown is a dash."""
    if value is None:
        return "-"
    shown = round(value, 3) + 0.0  # never -0.0%
    return f"{shown:{'+' if signed and shown else ''}.1%}"


def evidence_lines(analysis: Analysis, words: Words) -> str:
    """What was measured, on how many items, and what of it came from elsewhere or from people's judgements."""
    rows = []
    for cell in (analysis.cells[key] for key in sorted(analysis.cells)):
        origins = [words.origin(name) for name in cell.origins]
        judged = [words.plain("judged_by", count=cell.reviewed.judged)] if cell.reviewed else []
        rows.append(
            [
                words.capabilities[cell.capability],
                words.domains.get(cell.domain, cell.domain),
                f"{cell.items}",
                percent(cell.observed),
                percent(cell.lower),
                words.plain(cell.grade),
                ", ".join([*origins, *judged]),
            ]
        )
    head = ("capability", "domain", "items", "passed", "bound", "grade", "origin")
    return table([words.plain(name) for name in head], rows)


def totals_lines(analysis: Analysis, words: Words) -> str:
    """Shares over all roles by persons and by pay, with what they cover; or that nothing is known of either."""
    parts = []
    for weighting, unit in (("employment", "persons"), ("wage bill", "money")):
        found = totals(analysis, weighting)  # type: ignore[arg-type]
        if found.covered <= 0:
            continue
        line = words.plain(
            "totals_by",
            weighting=words.plain(f"by_{weighting}"),
            covered=words.plain(unit, count=about(found.covered)),
            unknown=len(found.unknown),
            roles=analysis.work.roles.height,
        )
        rows = [
            [words.plain(row["measure"]), percent(row["certified"]), spread(row)]
            for row in found.table.to_dicts()
            if row["measure"] in TOLD
        ]
        parts.append(f"{line}\n{table([words.plain(key) for key in ('share', 'certified', 'expected')], rows)}")
    return "\n\n".join(parts) if parts else words.plain("no_employment")


def spread(row: Mapping[str, float]) -> str:
    """An expected share with its 90% interval."""
    return f"{percent(row['expected'])} [{percent(row['low'])}, {percent(row['high'])}]"


def points(value: float | None, signed: bool = False) -> str:
    """A figure that is in per cent already."""
    return percent(None if value is None else value / PERCENT, signed)


def spread_points(row: Mapping[str, float], signed: bool = False) -> str:
    """An expected figure in per cent with its 90% interval."""
    return f"{points(row['expected'], signed)} [{points(row['low'], signed)}, {points(row['high'], signed)}]"


def named_set(analysis: Analysis, version: str, words: Words) -> str:
    """What every figure stands with: version, assumption set and its hash, and evidence that was not measured here."""
    given = analysis.assumptions
    source = words.plain("set_named", version=words.version(version), name=given.name, hash=given.hash)
    origins = sorted({origin for cell in analysis.cells.values() for origin in cell.origins} - {"measured"})
    return "; ".join([source, *(words.origin(name) for name in origins)])


def about(value: float) -> str:
    """A number to three digits: more would claim an exactness that assumptions do not have."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.10g}"


def flip(row: Mapping[str, Any], words: Words) -> str:
    """What would change a task's decision, in words; "-" where no success rate would."""
    if row["flip_to"] is None:
        return "-"
    text = words.plain("flip", decision=words.plain(row["flip_to"]), rate=percent(row["flip_at"]))
    if row["certifiable"] is False:
        return words.plain("flip_never", flip=text)
    if row["items_to_certify"]:
        kind = f"flip_items_{row['binding']}" if row["binding"] in ("grade", "domain") else "flip_items"
        return words.plain(kind, flip=text, items=f"{row['items_to_certify']:,}")
    return text


def role_page(analysis: Analysis, role: str, version: str, language: Language) -> str:
    """One role: shares, bottleneck, its tasks with what binds and what would flip each, and totals over all roles."""
    words = Words(language)
    rows = []
    for row in analysis.role_table.filter(pl.col("role_id") == role).to_dicts():
        cells = [words.plain(row["measure"]), percent(row["certified"]), percent(row["weakest_link"]), spread(row)]
        rows.append(cells + ([percent(row["assumed"])] if "assumed" in row else []))
    head = [words.plain(key) for key in ("share", "certified", "weakest_link", "expected")]
    head += [words.plain("what_if")] if analysis.assumed else []
    tasks = analysis.task_table.filter(pl.col("role_id") == role).sort("weight", descending=True)
    lines = [
        [
            percent(row["weight"]),
            words.plain_title(row),
            words.plain(row["decision"])
            + (f" ({words.plain('transferred')})" if row["transferred"] and row["success_lower"] is not None else ""),
            percent(row["success_lower"]),
            percent(row["tolerance"]),
            words.plain(
                f"why_{row['binding']}", capability=words.capabilities.get(row["binding_capability"] or "", "")
            ),
            flip(row, words),
        ]
        for row in tasks.to_dicts()
    ]
    named = analysis.work.roles.row(by_predicate=pl.col("role_id") == role, named=True)
    growth = bottleneck(analysis).row(by_predicate=pl.col("role_id") == role, named=True)
    factors = {k: f"{growth[k]:.2f}" if growth[k] is not None else words.plain("no_limit") for k in ("spread", "stuck")}
    source = named_set(analysis, version, words)
    task_head = ("time", "task", "decision", "right", "tolerance", "why", "flips")
    return "\n\n".join(
        [
            f"{words.plain_title(named)} ({role}); {source}",
            table(head, rows),
            words.plain("output_growth", **factors),
            table([words.plain(key) for key in task_head], lines),
            evidence_lines(analysis, words),
            f"{words.plain('all_jobs')}: {totals_lines(analysis, words)}",
        ]
    )


def ranking_page(analysis: Analysis, measure: str, count: int, version: str, language: Language) -> str:
    """The roles with the largest share of one measure, certified first, then expected."""
    words = Words(language)
    rows = [
        [row["role_id"], row["role"], points(row["certified"]), spread_points(row)]
        for row in ranked_roles(analysis, measure, language).head(count).to_dicts()
    ]
    head = [words.plain(key) for key in ("role_id", "role", "certified", "expected")]
    source = words.plain("ranked_by", source=named_set(analysis, version, words), measure=words.plain(measure))
    return f"{source}\n\n{table(head, rows)}"


def difference_page(found: Changes, given: Assumptions, first: str, second: str, language: Language) -> str:
    """Two versions: tasks whose decision changes, roles whose shares change, and how the items were paired."""
    words = Words(language)
    tasks = found.tasks.select("role", "task", "before", "after").rows()
    roles = [
        [row["role"], words.plain(row["measure"]), points(row["certified"], signed=True),
         spread_points(row, signed=True)]
        for row in found.roles.to_dicts()
    ]  # fmt: skip
    abilities = [
        [row["capability"], row["domain"], points(row["passed_before"]), points(row["passed_after"]),
         row["pairing"]]
        for row in found.paired.to_dicts()
    ]  # fmt: skip
    names = {"first": words.version(first), "second": words.version(second)}

    def part(keys: Sequence[str], lines: Sequence[Sequence[str]], without: str) -> str:
        return table([words.plain(key) for key in keys], lines) if lines else words.plain(without)

    return "\n\n".join(
        [
            words.plain("difference_named", **names, name=given.name, hash=given.hash),
            part(("capability", "domain", "passed_before", "passed_after", "items"), abilities, "nothing_in_common"),
            part(("role", "task", "before", "after"), tasks, "no_decision_changes"),
            part(("role", "share", "certified", "expected"), roles, "no_share_changes"),
        ]
    )
