"""The words of every exported report, page and table about job roles, in one language."""

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Literal

import yaml

from roleshift.impact.catalogue import bundled_capabilities, bundled_domains
from roleshift.impact.reviewed import FROM_USE

Language = Literal["en", "zh"]
REGISTERED = re.compile(r"version (\d+) \(([^()]+)\)")


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    raw = files("roleshift.impact").joinpath("report_texts.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, str]] = yaml.safe_load(raw)
    return found


class Words:
    """The report's texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.texts = _texts()
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

    def version(self, name: str) -> str:
        """A version's or run's name in the language; the name itself where it is a path or the like."""
        registered = REGISTERED.fullmatch(name)
        if registered:
            return self.plain("version_named", number=registered[1], variant=registered[2])
        return self.plain(name) if name in self.texts else name

    def origin(self, name: str) -> str:
        """Where evidence came from."""
        return self.plain(name) if name in ("measured", FROM_USE) else self.plain("imported", name=name)

    def why(self, task: Mapping[str, Any]) -> str:
        """What binds a task's decision, from a row of `task_table`."""
        capability = self.capabilities.get(task["binding_capability"] or "", "")
        return self.plain(f"why_{task['binding']}", capability=capability)
