"""What one exported report is about: an analysis with its tables by role, read once, and the words for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import polars as pl

from roleshift.impact.roles import Analysis, bottleneck
from roleshift.impact.scenario import shrinking_table
from roleshift.impact.setting import Setting
from roleshift.impact.text import named_set
from roleshift.impact.transitions import Landscape
from roleshift.impact.words import Language, Words

SHARES = ("automate", "augment", "human", "not_assessed")


@dataclass(frozen=True)
class Reported:
    """`shares` [role][measure], `tasks`, `growth` and `scenario` by role id: rows of the library's tables."""

    analysis: Analysis
    setting: Setting
    landscape: Landscape
    words: Words
    version: str
    shares: Mapping[str, Mapping[str, Mapping[str, Any]]]
    tasks: Mapping[str, pl.DataFrame]
    growth: Mapping[str, Mapping[str, Any]]
    scenario: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, analysis: Analysis, setting: Setting, version: str, language: Language) -> "Reported":
        """Read every table once."""
        shares: dict[str, dict[str, Mapping[str, Any]]] = {}
        for row in analysis.role_table.iter_rows(named=True):
            shares.setdefault(row["role_id"], {})[row["measure"]] = row
        tasks = analysis.task_table.sort("role_id", "weight", "task_id", descending=[False, True, False])
        return cls(
            analysis,
            setting,
            setting.landscape(analysis),
            Words(language),
            version,
            shares,
            {str(key[0]): frame for key, frame in tasks.partition_by("role_id", as_dict=True).items()},
            {row["role_id"]: row for row in bottleneck(analysis).iter_rows(named=True)},
            {row["role_id"]: row for row in shrinking_table(analysis).iter_rows(named=True)},
        )

    @property
    def names(self) -> dict[str, str]:
        """The shares and drivers in words, not escaped."""
        keys = (*SHARES, "time_freed", "review", "curation", "evaluation", "integration")
        return {key: self.words.plain(key) for key in keys}

    @property
    def source(self) -> str:
        """The line under every figure: version, assumption set and its hash."""
        text = escape(named_set(self.analysis, self.version, self.words))
        attribution = self.setting.sources.get("attribution")
        release = f"; O*NET {escape(self.setting.archive.release)}" if attribution and self.setting.archive else ""
        return f'<p class="src">{text}{release}</p>'
