"""A sentence as a key and values: stored once, read in any language that statements.yaml has."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Statement:
    """What is said (`key`) and of what (`values`: text, numbers, statements, or lists of them)."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: str = "en", names: Mapping[str, str] = MappingProxyType({})) -> str:
        """The sentence in a language; `names` are what ids in it are called there, such as a capability's."""
        shown = {name: _shown(value, language, names) for name, value in self.values.items()}
        return sentences()[self.key][language].format(**shown)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Statement":
        """A statement from its JSON."""
        return cls(stored["key"], {name: _restored(value) for name, value in stored["values"].items()})


def say(key: str, **values: Any) -> Statement:
    """A statement by its key in statements.yaml."""
    return Statement(key, values)


@functools.cache
def sentences() -> dict[str, dict[str, str]]:
    """Every sentence by key and language."""
    text = files("roleshift.registry").joinpath("statements.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = yaml.safe_load(text)
    return found


def _shown(value: Any, language: str, names: Mapping[str, str]) -> Any:
    if isinstance(value, Statement):
        return value.text(language, names)
    if isinstance(value, list | tuple):
        return sentences()["between"][language].join(str(_shown(entry, language, names)) for entry in value)
    return names.get(value, value) if isinstance(value, str) else value


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Statement.of(value)
    return [_restored(entry) for entry in value] if isinstance(value, list) else value
