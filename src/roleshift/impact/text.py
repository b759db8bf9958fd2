"""An analysis as lines for a terminal."""

from collections.abc import Sequence

import polars as pl

from roleshift.impact.roles import Analysis, bottleneck, role_table, task_table
from roleshift.impact.versions import Difference


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table; columns as wide as their widest cell."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *rows)]
    return "\n".join(line.rstrip() for line in lines)


def percent(value: float | None, signed: bool = False) -> str:
    """A share as a percentage; unknown is a dash."""
    if value is None:
        return "-"
    shown = round(value, 3) + 0.0  # never -0.0%
    return f"{shown:{'+' if signed and shown else ''}.1%}"


def flip(row: dict[str, object]) -> str:
    """What would change a task's decision, in words."""
    if row["flip_to"] is None:
        return "-"
    needed = f"{row['flip_to']} at {percent(row['flip_at'])}"  # type: ignore[arg-type]
    if row["certifiable"] is False:
        return f"{needed}; not certifiable at this success rate"
    return f"{needed}; {row['items_to_certify']:,} items" if row["items_to_certify"] else needed


def binding(row: dict[str, object]) -> str:
    """What binds a task's decision, with its capability."""
    return f"{row['binding']}: {row['binding_capability']}" if row["binding_capability"] else str(row["binding"])


def evidence_lines(analysis: Analysis) -> str:
    """What was measured, on how many items, and what of it came from elsewhere."""
    rows = []
    for cell in (analysis.cells[key] for key in sorted(analysis.cells)):
        origin = ", ".join("measured here" if name == "measured" else f"imported: {name}" for name in cell.origins)
        rates = [percent(cell.observed), percent(cell.lower)]
        rows.append([cell.capability, cell.domain, f"{cell.items}", *rates, cell.grade, origin])
    return table(["capability", "domain", "items", "pass", "bound", "grade", "origin"], rows)


def role_page(analysis: Analysis, role: str, version: str, language: str) -> str:
    """One role: shares, bottleneck, and its tasks with decision, binding reason and what would flip it."""
    shares = role_table(analysis).filter(pl.col("role_id") == role)
    rows = []
    for row in shares.to_dicts():
        expected = f"{percent(row['expected'])} [{percent(row['low'])}, {percent(row['high'])}]"
        cells = [row["measure"].replace("_", " "), percent(row["certified"]), percent(row["weakest_link"]), expected]
        rows.append(cells + ([f"{percent(row['assumed'])} assumed"] if "assumed" in row else []))
    head = ["share of the role", "certified", "weakest link", "expected [90%]"]
    head += ["what if"] if analysis.assumed else []
    tasks = task_table(analysis).filter(pl.col("role_id") == role).sort("weight", descending=True)
    title = f"title_{language}"
    lines = [
        [
            percent(row["weight"]),
            row[title] or row["title_en"],
            row["decision"] + (" (transferred)" if row["transferred"] and row["success_lower"] is not None else ""),
            percent(row["success_lower"]),
            percent(row["tolerance"]),
            binding(row),
            flip(row),
        ]
        for row in tasks.to_dicts()
    ]
    named = analysis.work.roles.row(by_predicate=pl.col("role_id") == role, named=True)
    growth = bottleneck(analysis).row(by_predicate=pl.col("role_id") == role, named=True)
    factors = [f"{growth[k]:.2f}" if growth[k] is not None else "without limit" for k in ("spread", "stuck")]
    given = analysis.assumptions
    return "\n\n".join(
        [
            f"{named[title] or named['title_en']} ({role}); {version}; assumptions {given.name} {given.hash}",
            table(head, rows),
            f"output per person at the certified decisions: times {factors[1]} to {factors[0]}",
            evidence_lines(analysis),
            table(["time", "task", "decision", "success (bound)", "tolerance", "bound by", "would flip"], lines),
        ]
    )


def difference_page(found: Difference, first: str, second: str) -> str:
    """Two versions: tasks whose decision changes, roles whose shares change, and how the items were paired."""
    pairing = [[capability, domain, how] for (capability, domain), how in sorted(found.pairing.items())]
    tasks = [
        [row["role_id"], row["title_en"], row["before"], row["after"]]
        for row in found.tasks.sort("role_id", "task_id").to_dicts()
    ]
    changed = found.roles.filter(
        pl.col("measure").is_in(["automate", "augment", "time_freed"]),
        (pl.col("certified") != 0) | (pl.col("low") > 0) | (pl.col("high") < 0),
    )
    roles = [
        [
            row["role_id"], row["measure"].replace("_", " "), percent(row["certified"], signed=True),
            f"{percent(row['expected'], signed=True)} "
            f"[{percent(row['low'], signed=True)}, {percent(row['high'], signed=True)}]",
        ]
        for row in changed.sort("expected", descending=True).to_dicts()
    ]  # fmt: skip
    parts = [f"{second} minus {first}", table(["capability", "domain", "items"], pairing)]
    parts.append(table(["role", "task", "before", "after"], tasks) if tasks else "no certified decision changes")
    parts.append(table(["role", "share", "certified", "expected [90%]"], roles) if roles else "no role's shares change")
    return "\n\n".join(parts)
