"""The report's sections on work as a whole: ranking of roles, totals by people and pay, work that appears."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from roleshift.impact.catalogue import DRIVERS
from roleshift.impact.catalogue_views import emerging_hours
from roleshift.impact.charts import COLOURS, DRIVER_COLOURS, hours_bar, interval_bar, key, stacked_bar
from roleshift.impact.markup import bullets, table
from roleshift.impact.reported import SHARES, Reported
from roleshift.impact.text import about, percent, spread
from roleshift.impact.totals import totals

Row = Mapping[str, Any]


def overview(told: Reported, roles: Sequence[Row]) -> str:
    """All roles of the report, those with most time freed first."""
    words = told.words

    def freed(role: Row) -> tuple[float, float, str]:
        row = told.shares[role["role_id"]]["time_freed"]
        return (-row["certified"], -row["expected"], role["role_id"])

    rows = []
    for role in sorted(roles, key=freed):
        shares = told.shares[role["role_id"]]
        bar = stacked_bar({name: shares[name]["certified"] for name in SHARES}, told.names, words.plain_title(role))
        row = shares["time_freed"]
        link = f'<a href="#{escape(role["role_id"])}">{words.title(role)}</a>'
        rows.append([link, bar, spread(row)])
    every = [told.shares[role["role_id"]] for role in roles]
    means = {name: sum(row[name]["certified"] for row in every) / len(every) for name in SHARES}
    brief = words("brief_all", roles=f"{len(every):,}", **{name: percent(mean) for name, mean in means.items()})
    freed_head = f"{words('time_freed')}, {words('expected')}"
    return (
        f'<div class="brief"><strong>{words("in_brief")}</strong>{bullets([brief])}</div>'
        f"<h2>{words('all_jobs')}</h2><p>{key(COLOURS, told.names)}</p>"
        f"{table([words('role'), words('certified'), freed_head], rows, numbers={2}, wide={1})}{told.source}"
    )


def totals_section(told: Reported) -> str:
    """Totals by employment and by wage bill with what they cover; nothing where no head-count is known."""
    words, parts = told.words, []
    for weighting, unit in (("employment", "persons"), ("wage bill", "money")):
        found = totals(told.analysis, weighting)  # type: ignore[arg-type]
        if found.covered <= 0:
            continue
        rows = []
        for row in found.table.to_dicts():
            if row["measure"] in (*SHARES, "time_freed"):
                chart = "" if row["low"] < 0 else interval_bar(row, words.plain(row["measure"]))
                rows.append(
                    [
                        words(row["measure"]),
                        percent(row["certified"]),
                        spread(row),
                        chart,
                    ]
                )
        covered = words.plain(unit, count=about(found.covered))
        line = words(
            "totals_by",
            weighting=words.plain(f"by_{weighting}"),
            covered=covered,
            unknown=f"{len(found.unknown):,}",
            roles=f"{told.analysis.work.roles.height:,}",
        )
        head = [words("share"), words("certified"), words("expected"), words("scale")]
        parts.append(f"<h3>{line}</h3>{table(head, rows, numbers={1, 2}, wide={3})}{told.source}")
    note = f'<p class="note">{words("dot_key")}</p>'
    return f"<h2>{words('totals')}</h2>{note}{''.join(parts)}" if parts else ""


def emerging_section(told: Reported) -> str:
    """Hours a year of work that the version creates, by emerging role and driver."""
    words = told.words
    found = emerging_hours(told.analysis, words.language)
    known = [row for row in found.table.to_dicts() if row["hours"] is not None]
    longest = max((row["hours"] for row in known), default=0.0)
    rows = []
    for row in found.table.to_dicts():
        sized = row["hours"] is not None
        parts: dict[str, float] = {name: row[name] or 0.0 for name in DRIVERS}
        rows.append(
            [
                escape(row["emerging_role"]),
                about(row["hours"]) if sized else words("unknown"),
                about(row["full_time"]) if sized else words("unknown"),
                hours_bar(parts, told.names, longest, row["emerging_role"]) if sized else "",
            ]
        )
    head = [words(name) for name in ("emerging_role", "hours", "full_time")]
    note = words("appears_unknown", unknown=found.unknown, roles=found.roles) if found.unknown else ""
    return (
        f"<h2>{words('appears')}</h2><p>{words('appears_note')}</p><p>{key(DRIVER_COLOURS, told.names)}</p>"
        f"{table([*head, words('hours')], rows, numbers={1, 2}, wide={3})}"
        f'<p class="note">{note}</p>{told.source}'
    )
