"""The exported report: one self-contained HTML file, English or Chinese, for a reader who knows no metric's name."""

from collections.abc import Sequence
from html import escape

import polars as pl

from roleshift.impact.charts import HATCH
from roleshift.impact.markup import page
from roleshift.impact.report_basis import (
    assumed_section,
    evidence_section,
    reading_guide,
    source_lines,
    sources_section,
)
from roleshift.impact.report_role import role_section
from roleshift.impact.report_work import emerging_section, overview, totals_section
from roleshift.impact.reported import Reported
from roleshift.impact.roles import Analysis
from roleshift.impact.setting import Setting
from roleshift.impact.words import Language, Words

__all__ = ["Language", "Words", "report_html", "source_lines"]
FEW = 3  # up to so many roles have moves for every comfort with error; more have a few for a medium one


def report_html(analysis: Analysis, setting: Setting, roles: Sequence[str], version: str, language: Language) -> str:
    """The report on `roles` (ids); more than one also get a ranking, totals and the work that appears.

    `analysis` must be of the setting's own work. Every figure stands with the version and the
    assumption set; with an imported archive the attribution stands under the sources.
    """
    told = Reported.of(analysis, setting, version, language)
    words = told.words
    chosen = analysis.work.roles.filter(pl.col("role_id").is_in(list(roles))).to_dicts()
    title = words.plain("title") if len(chosen) != 1 else f"{words.plain('title_one')}{words.plain_title(chosen[0])}"
    few = len(chosen) <= FEW
    parts = [
        f'<svg width="0" height="0" aria-hidden="true">{HATCH}</svg><h1>{escape(title)}</h1>{told.source}',
        f"<p>{words('intro')}</p>",
        overview(told, chosen) if len(chosen) > 1 else "",
        reading_guide(words),
        totals_section(told) if len(chosen) > 1 else "",
        *(role_section(told, row) if few else role_section(told, row, ("medium",), 3) for row in chosen),
        totals_section(told) if len(chosen) == 1 else "",
        emerging_section(told),
        evidence_section(told),
        assumed_section(told),
        sources_section(told),
    ]
    return page(language, title, "".join(parts))
