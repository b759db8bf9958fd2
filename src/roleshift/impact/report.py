"""The exported report: one self-contained HTML file, English or Chinese, for a reader who knows no metric's name."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Literal

import polars as pl
import yaml

from roleshift.impact.assumptions import CLASSES
from roleshift.impact.capability import CAPABILITIES
from roleshift.impact.catalogue import bundled_capabilities, bundled_domains
from roleshift.impact.charts import COLOURS, rate_bar, stacked_bar
from roleshift.impact.roles import Analysis, role_table, task_table
from roleshift.impact.setting import Setting
from roleshift.impact.text import percent
from roleshift.impact.tolerance import COST_SYMBOLS

Language = Literal["en", "zh"]
STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem}h2{margin-top:2rem;border-bottom:1px solid #ddd}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid #eee;vertical-align:top}th{font-weight:600}
.bar{width:100%;height:26px}.rate{width:160px;height:12px}.note{color:#555}.key{display:inline-block;margin-right:1rem}
.key i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}td.n{white-space:nowrap}
@media(max-width:700px){table{display:block;overflow-x:auto}}@media print{body{max-width:none}}
"""


class Words:
    """The report's texts in one language."""

    def __init__(self, language: Language) -> None:
        raw = files("roleshift.impact").joinpath("report_texts.yaml").read_text(encoding="utf-8")
        self.language = language
        self.texts: dict[str, dict[str, str]] = yaml.safe_load(raw)
        self.capabilities = {k: getattr(v.name, language) for k, v in bundled_capabilities().items()}
        self.domains = {k: getattr(v, language) for k, v in bundled_domains().items()}

    def __call__(self, key: str, **names: object) -> str:
        """A text with its names filled in, escaped for HTML."""
        return escape(self.plain(key, **names))

    def plain(self, key: str, **names: object) -> str:
        """The same, not escaped."""
        return self.texts[key][self.language].format(**names)

    def title(self, row: Mapping[str, Any]) -> str:
        """A role's or task's title; the English one where there is no other."""
        return escape(self.plain_title(row))

    def plain_title(self, row: Mapping[str, Any]) -> str:
        """The same, not escaped."""
        return str(row[f"title_{self.language}"] or row["title_en"])


def report_html(analysis: Analysis, setting: Setting, roles: Sequence[str], version: str, language: Language) -> str:
    """The report on `roles` (ids); more than one also get a table of all of them."""
    words, given = Words(language), analysis.assumptions
    shares, tasks = role_table(analysis), task_table(analysis)
    chosen = analysis.work.roles.filter(pl.col("role_id").is_in(list(roles)))
    by_role = {str(key[0]): frame for key, frame in shares.partition_by("role_id", as_dict=True).items()}
    tasks_of = {str(key[0]): frame for key, frame in tasks.partition_by("role_id", as_dict=True).items()}
    sections = [
        _role(row, by_role[row["role_id"]], tasks_of.get(row["role_id"], tasks.clear()), words)
        for row in chosen.to_dicts()
    ]
    overview = _overview(chosen.to_dicts(), by_role, words) if len(roles) > 1 else ""
    keys = "".join(f'<span class="key"><i style="background:{c}"></i>{words(k)}</span>' for k, c in COLOURS.items())
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{words("title")}</title><style>{STYLE}</style></head><body>'
        f"<h1>{words('title')}</h1><p>{words('version')}: {escape(version)}. {words('assumption_set')}: "
        f"{escape(given.name)} ({given.hash}).</p><p>{words('intro')}</p><p>{words('means')}</p><p>{keys}</p>"
        f"{overview}{''.join(sections)}{_evidence(analysis, words)}{_assumed(analysis, words)}"
        f"{_sources(analysis, setting, words)}</body></html>\n"
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _bar(shares: pl.DataFrame, words: Words, label: str) -> str:
    certified = dict(shares.select("measure", "certified").iter_rows())
    names = {key: words.texts[key][words.language] for key in COLOURS}
    return stacked_bar({key: certified[key] for key in COLOURS}, names, label)


def _overview(roles: list[dict[str, Any]], shares: Mapping[str, pl.DataFrame], words: Words) -> str:
    rows = []
    for row in roles:
        link = f'<a href="#{escape(row["role_id"])}">{words.title(row)}</a>'
        rows.append([link, _bar(shares[row["role_id"]], words, words.plain_title(row))])
    return _rows([words("role"), words("certified")], rows)


def _role(role: dict[str, Any], shares: pl.DataFrame, tasks: pl.DataFrame, words: Words) -> str:
    measures = [
        [words(row["measure"]), percent(row["certified"]),
         f"{percent(row['expected'])} [{percent(row['low'])}, {percent(row['high'])}]"]
        for row in shares.to_dicts()
        if row["measure"] in (*COLOURS, "time_freed")
    ]  # fmt: skip
    rows = [_task(row, words) for row in tasks.sort("weight", descending=True).to_dicts()]
    head = ("share", "task", "decision", "right", "tolerance", "why", "flips")
    return (
        f'<h2 id="{escape(role["role_id"])}">{words.title(role)}</h2>{_bar(shares, words, words.plain_title(role))}'
        f"{_rows([words('share'), words('certified'), words('expected')], measures)}"
        f"{_rows([words(key) for key in head], rows)}"
    )


def _task(row: dict[str, Any], words: Words) -> list[str]:
    live = row["success_lower"] is not None
    capability = words.capabilities.get(row["binding_capability"] or "", "")
    decision = words(row["decision"]) + (
        f"<br><span class=note>{words('transferred')}</span>" if live and row["transferred"] else ""
    )
    rate = (
        f"{percent(row['success_lower'])}<br>"
        + rate_bar(row["success_lower"], row["success_observed"], row["flip_at"], words.plain_title(row))
        if live
        else "-"
    )
    why = words(f"why_{row['binding']}", capability=capability)
    return [
        percent(row["weight"]), words.title(row), decision, rate, percent(row["tolerance"]), why, _flip(row, words),
    ]  # fmt: skip


def _flip(row: dict[str, Any], words: Words) -> str:
    if row["flip_to"] is None:
        return "-"
    decision = words.texts[row["flip_to"]][words.language]
    text = words.texts["flip"][words.language].format(decision=decision, rate=percent(row["flip_at"]))
    if row["certifiable"] is False:
        return words("flip_never", flip=text)
    if row["items_to_certify"]:
        return words("flip_items", flip=text, items=f"{row['items_to_certify']:,}")
    return escape(text)


def _evidence(analysis: Analysis, words: Words) -> str:
    rows = []
    for cell in (analysis.cells[key] for key in sorted(analysis.cells)):
        origins = [words("measured") if o == "measured" else words("imported", name=o) for o in cell.origins]
        domain = escape(words.domains.get(cell.domain, cell.domain))
        figures = [f"{cell.items}", percent(cell.observed), percent(cell.lower)]
        rows.append(
            [escape(words.capabilities[cell.capability]), domain, *figures, words(cell.grade), "; ".join(origins)]
        )
    head = ("capability", "domain", "items", "passed", "bound", "grade", "origin")
    measured = {cell.capability for cell in analysis.cells.values()}
    absent = ", ".join(words.capabilities[name] for name in CAPABILITIES if name not in measured)
    note = f"<p>{words('unmeasured', names=absent)}</p>" if absent else ""
    return f"<h2>{words('evidence')}</h2>{_rows([words(key) for key in head], rows)}{note}"


def _assumed(analysis: Analysis, words: Words) -> str:
    costs = {name: analysis.assumptions.costs[name].model_dump(by_alias=True) for name in CLASSES}
    rows = [[words(symbol), *(f"{costs[name][symbol]:g}" for name in CLASSES)] for symbol in COST_SYMBOLS]
    head = [words("cost"), *(words(name) for name in CLASSES)]
    return f"<h2>{words('assumptions')}</h2><p>{words('assumptions_note')}</p>{_rows(head, rows)}"


def source_lines(analysis: Analysis, setting: Setting, words: Words) -> list[str]:
    """Where jobs, tasks, employment and pay come from and what they cover, a sentence each."""
    name, wages = setting.sources["roles"], setting.sources.get("wages")
    lines = [words.plain("roles_from", name=name, roles=analysis.work.roles.height, tasks=analysis.work.tasks.height)]
    if wages:
        share = percent(wages["employment_share"])
        lines.append(words.plain("employment", matched=wages["matched_roles"], share=share))
    else:
        lines.append(words.plain("no_employment"))
    if "onet" in setting.sources:
        lines += [f"{table}: {text}" for table, text in setting.sources["onet"]["absent"].items()]
        lines.append(setting.sources["attribution"])
    else:
        lines.append(words.plain("weights_note"))
    return lines


def _sources(analysis: Analysis, setting: Setting, words: Words) -> str:
    lines = source_lines(analysis, setting, words)
    return f"<h2>{words('sources')}</h2>" + "".join(f"<p>{escape(line)}</p>" for line in lines)
