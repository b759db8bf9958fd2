"""What the report rests on: how to read it, what was measured, what is assumed, sources and coverage."""

from html import escape
from typing import Any

from roleshift.impact.assumptions import CLASSES
from roleshift.impact.capability import CAPABILITIES
from roleshift.impact.catalogue import bundled_capabilities
from roleshift.impact.charts import COLOURS, rate_bar
from roleshift.impact.markup import table
from roleshift.impact.reported import SHARES, Reported
from roleshift.impact.roles import Analysis
from roleshift.impact.setting import Setting
from roleshift.impact.text import percent
from roleshift.impact.tolerance import COST_SYMBOLS
from roleshift.impact.words import Words


def reading_guide(words: Words) -> str:
    """The four decisions with their colours, and what certified and expected mean."""
    dots = {
        name: f'<span class="key"><i style="background:{COLOURS[name]}"></i>{words(name)}</span>' for name in SHARES
    }
    heads = dots | {"certified": words("certified"), "expected": words("expected_word")}
    entries = [f"<div><dt>{head}</dt><dd>{words(f'{name}_means')}</dd></div>" for name, head in heads.items()]
    return f'<h2>{words("how_to_read")}</h2><dl class="guide">{"".join(entries)}</dl>'


def evidence_section(told: Reported) -> str:
    """What was measured, in which kind of text, on how many items, and how it was judged."""
    words, rows = told.words, []
    for cell in (told.analysis.cells[key] for key in sorted(told.analysis.cells)):
        origins = [escape(words.origin(name)) for name in cell.origins]
        grade = words(cell.grade)
        if cell.reviewed:
            grade += f"<br><span class=note>{words('judged_by', count=f'{cell.reviewed.judged:,}')}</span>"
        name = words.capabilities[cell.capability]
        rows.append(
            [
                escape(name),
                escape(words.domains.get(cell.domain, cell.domain)),
                f"{cell.items:,}",
                percent(cell.observed),
                f"{percent(cell.lower)}{rate_bar(cell.lower, cell.observed, None, name)}",
                grade,
                "; ".join(origins),
            ]
        )
    head = ("capability", "domain", "items", "passed", "bound", "grade", "origin")
    measured = {cell.capability for cell in told.analysis.cells.values()}
    absent = words.plain("and_so_on").join(words.capabilities[name] for name in CAPABILITIES if name not in measured)
    note = f"<p>{words('unmeasured', names=absent)}</p>" if absent else ""
    return (
        f"<h2>{words('evidence')}</h2><p>{words('evidence_note')}</p>"
        f"{table([words(key) for key in head], rows, numbers={2, 3})}{note}{told.source}"
        f"<h3>{words('abilities')}</h3>{_abilities(words)}"
    )


def _abilities(words: Words) -> str:
    entries = [
        f"<div><dt>{escape(getattr(entry.name, words.language))}</dt>"
        f"<dd>{escape(getattr(entry.definition, words.language))}</dd></div>"
        for entry in bundled_capabilities().values()
    ]
    return f'<dl class="guide">{"".join(entries)}</dl>'


def assumed_section(told: Reported) -> str:
    """Costs by consequence class, and every other assumption with its reason."""
    words, given = told.words, told.analysis.assumptions
    costs = {name: given.costs[name].model_dump(by_alias=True) for name in CLASSES}
    rows = [[words(symbol), *(f"{costs[name][symbol]:g}" for name in CLASSES)] for symbol in COST_SYMBOLS]
    head = [words("cost"), *(words(name) for name in CLASSES)]
    others = [
        [words(name), f"{entry.value:g}", escape(entry.reason.get(words.language) or "")]
        for group in (given.elasticities, given.emerging)
        for name, entry in ((name, getattr(group, name)) for name in type(group).model_fields)
    ]
    draws = words("draws_note", draws=f"{given.draws:,}", seed=given.seed, jitter=f"{given.jitter:g}")
    return (
        f"<h2>{words('assumptions')}</h2><p>{words('assumptions_note')}</p>"
        f"{table(head, rows, numbers={1, 2, 3, 4})}<h3>{words('other_assumptions')}</h3>"
        f"{table([words(name) for name in ('assumption', 'value', 'reason')], others, numbers={1})}"
        f'<p class="note">{draws}</p>{told.source}'
    )


def source_lines(analysis: Analysis, setting: Setting, words: Words) -> list[str]:
    """Where jobs, tasks, employment and pay come from and what they cover, a sentence each."""
    sources: dict[str, Any] = setting.sources
    name = words.plain(sources["roles"]) if sources["roles"] in words.texts else sources["roles"]
    counts = {"roles": f"{analysis.work.roles.height:,}", "tasks": f"{analysis.work.tasks.height:,}"}
    lines = [words.plain("roles_from", name=name, **counts)]
    if "own_roles" in sources:
        lines.append(words.plain("own_roles_from", count=sources["own_roles"]))
    lines.append(words.plain("activity_source"))
    if wages := sources.get("wages"):
        share = percent(wages["employment_share"])
        lines.append(words.plain("employment", matched=wages["matched_roles"], share=share))
        if wages["joint_codes"]:
            lines.append(words.plain("joint_codes", count=wages["joint_codes"]))
    elif analysis.work.roles["employment"].is_null().all():
        lines.append(words.plain("no_employment"))
    if "onet" in sources:
        absent = sources["onet"]["absent"]
        lines += [words.plain("absent", table=name, fallback=words.plain(f"fallback {name}")) for name in absent]
        lines.append(sources["attribution"])
    else:
        lines.append(words.plain("weights_note"))
    return lines


def sources_section(told: Reported) -> str:
    """The sources, a paragraph each."""
    words = told.words
    lines = [*source_lines(told.analysis, told.setting, words), words.plain("figures_from")]
    return f"<h2>{words('sources')}</h2>{''.join(f'<p>{escape(line)}</p>' for line in lines)}{told.source}"
