"""A role's section of the report: shares, tasks, output, scenario, what-if, moves."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from roleshift.impact.charts import COLOURS, interval_bar, rate_bar, stacked_bar
from roleshift.impact.markup import bullets, table
from roleshift.impact.moves_page import moves_table
from roleshift.impact.reported import SHARES, Reported
from roleshift.impact.roles import MEASURES, interval
from roleshift.impact.text import flip, percent, spread
from roleshift.impact.transitions import COMFORTS, Comfort
from roleshift.impact.words import Words

Row = Mapping[str, Any]


def role_section(told: Reported, role: Row, comforts: Sequence[Comfort] = COMFORTS, most: int = 5) -> str:
    """One role; `most` moves for each of `comforts`."""
    key, words = role["role_id"], told.words
    code = f' <span class="note">{escape(role["soc"])}</span>' if role["soc"] else ""
    return (
        f'<section class="role"><h2 id="{escape(key)}">{words.title(role)}{code}</h2>{_brief(told, key)}'
        f"{_shares(told, role)}<h3>{words('tasks')}</h3>{_tasks(told, key)}{_assumed(told, role)}"
        f"{_moves(told, key, comforts, most)}{_scenario(told, key)}</section>"
    )


def _brief(told: Reported, key: str) -> str:
    words, shares = told.words, told.shares[key]
    freed = shares["time_freed"]
    lines = [words("brief_role", **{name: percent(shares[name]["certified"]) for name in SHARES})]
    lines.append(
        words("brief_freed", **{name: percent(freed[name]) for name in ("certified", "expected", "low", "high")})
    )
    tasks = told.tasks[key].to_dicts() if key in told.tasks else []
    open_to_change = [row for row in tasks if row["flip_to"] is not None and row["success_observed"] is not None]
    if open_to_change:
        nearest = min(open_to_change, key=lambda row: (row["flip_at"] - row["success_observed"], row["task_id"]))
        enough = nearest["success_observed"] >= nearest["flip_at"]
        lines.append(
            words(
                "brief_flip_items" if enough else "brief_flip",
                task=words.plain_title(nearest),
                decision=words.plain(nearest["flip_to"]),
                needed=percent(nearest["flip_at"]),
                observed=percent(nearest["success_observed"]),
            )
        )
    else:
        lines.append(words("brief_no_flip"))
    if shares["not_assessed"]["certified"] > 0:
        waited: dict[str, float] = {}
        for row in tasks:
            if row["decision"] == "not assessed" and row["binding_capability"]:
                name = words.capabilities[row["binding_capability"]]
                waited[name] = waited.get(name, 0.0) + row["weight"]
        first = [name for name, _ in sorted(waited.items(), key=lambda pair: -pair[1])[:3]]
        lines += [words("brief_missing", names=words.plain("and_so_on").join(first))] if first else []
    return f'<div class="brief"><strong>{words("in_brief")}</strong>{bullets(lines)}</div>'


def _shares(told: Reported, role: Row) -> str:
    words, shares, label = told.words, told.shares[role["role_id"]], told.words.plain_title(role)
    rows = []
    for name in (*SHARES, "time_freed"):
        row = shares[name]
        colour = COLOURS.get(name, "#555")
        dot = f'<span class="key"><i style="background:{colour}"></i>{words(name)}</span>'
        rows.append(
            [
                dot,
                percent(row["certified"]),
                spread(row),
                "" if row["low"] < 0 else interval_bar(row, words.plain(name), colour),
            ]
        )
    head = [words("share"), words("certified"), words("expected"), words("scale")]
    growth = told.growth[role["role_id"]]
    factors = {
        name: f"{growth[name]:.2f}" if growth[name] is not None else words.plain("no_limit")
        for name in ("spread", "stuck")
    }
    certified = {name: shares[name]["certified"] for name in SHARES}
    return (
        f"{stacked_bar(certified, told.names, label)}{table(head, rows, numbers={1, 2}, wide={3})}"
        f'<p class="note">{words("dot_key")}</p><p class="note">{words("output_growth", **factors)}</p>{told.source}'
    )


def _tasks(told: Reported, key: str) -> str:
    if key not in told.tasks:
        return f"<p>{told.words('why_no activity')}</p>"
    head = [told.words(name) for name in ("time", "task", "decision", "right", "tolerance", "why", "flips")]
    rows = [_task(row, told.words) for row in told.tasks[key].to_dicts()]
    note = f'<p class="note">{told.words("rate_key")}</p>'
    return f"{table(head, rows, numbers={0, 4})}{note}{told.source}"


def _task(row: Row, words: Words) -> list[str]:
    live = row["success_lower"] is not None
    colour = COLOURS[row["decision"].replace(" ", "_")]
    decision = f'<span class="key"><i style="background:{colour}"></i>{words(row["decision"])}</span>'
    if live and row["transferred"]:
        decision += f"<br><span class=note>{words('transferred')}</span>"
    bar = (
        rate_bar(row["success_lower"], row["success_observed"], row["flip_at"], words.plain_title(row)) if live else ""
    )
    return [
        percent(row["weight"]),
        words.title(row),
        decision,
        f"{percent(row['success_lower'])}{bar}" if live else "-",
        percent(row["tolerance"]),
        escape(words.why(row)),
        escape(flip(row, words)),
    ]


def _assumed(told: Reported, role: Row) -> str:
    assumed, words = told.analysis.assumed, told.words
    if assumed is None:
        return ""
    place = told.analysis.work.roles["role_id"].to_list().index(role["role_id"])
    means = {name: float(assumed.roles[name][place].mean()) for name in MEASURES}
    low, high = interval(assumed.roles["time_freed"][place])
    levels = ", ".join(
        f"{words.capabilities[name]} = {percent(level)}" for name, level in told.analysis.assumptions.what_if.items()
    )
    bar = stacked_bar({name: means[name] for name in SHARES}, told.names, words.plain("what_if"), assumed=True)
    freed = words(
        "what_if_freed", value=percent(means["time_freed"]), low=percent(float(low)), high=percent(float(high))
    )
    return (
        f'<div class="assumed"><h3>{words("what_if")}</h3><p>{words("what_if_note", levels=levels)}</p>{bar}'
        f"<p>{freed}</p>{told.source}</div>"
    )


def _moves(told: Reported, key: str, comforts: Sequence[Comfort], most: int) -> str:
    words, parts = told.words, []
    for comfort in comforts:
        found = moves_table(told.landscape, told.setting, key, comfort, words.language, most).drop_nulls("similarity")
        rows = [_move(row) for row in found.to_dicts()]
        head = [words(name) for name in ("move_to", "fits", "similar", "pay", "schooling", "freed_there", "to_learn")]
        unknown = [i for i in range(len(head)) if all(row[i] == "-" for row in rows)]
        shown = [i for i in range(len(head)) if i not in unknown]
        if rows:
            kept = [[row[i] for i in shown] for row in rows]
            numbers = {place for place, i in enumerate(shown) if i in (1, 2, 3, 4, 5)}
            parts.append(f"<h4>{words(f'comfort_{comfort}')}</h4>")
            parts.append(table([head[i] for i in shown], kept, numbers=numbers))
    if not parts:
        return ""
    return f"<h3>{words('moves')}</h3><p>{words('moves_note')}</p>{''.join(parts)}{told.source}"


def _move(row: Row) -> list[str]:
    def number(name: str, form: str, unit: str = "") -> str:
        return "-" if row[name] is None else f"{row[name]:{form}}{unit}"

    freed = f"{row['exposure']:.1f}% [{row['exposure_low']:.1f}%, {row['exposure_high']:.1f}%]"
    return [
        escape(row["role"]), number("tolerance_fit", ".0f", "%"), number("similarity", "+.2f"),
        number("pay_change", "+.0f", "%"), number("education_change", "+.1f"), freed, escape(row["to_learn"] or "-"),
    ]  # fmt: skip


def _scenario(told: Reported, key: str) -> str:
    words, row, given = told.words, told.scenario[key], told.analysis.assumptions.elasticities
    text = words(
        "shrinks_note",
        demand=f"{given.demand.value:g}",
        cost_share=percent(given.cost_share.value),
        pass_through=percent(given.pass_through.value),
        **{name: percent(row[name], signed=True) for name in ("certified", "expected", "low", "high")},
        not_assessed=percent(row["not_assessed"]),
    )
    return f"<h3>{words('shrinks')}</h3><p>{text}</p>{told.source}"
