"""Ids of the library in the reader's words: capabilities, metrics, systems, versions."""

from collections.abc import Mapping
from typing import Any, cast

from components.language import language, texts
from components.safe import literal
from roleshift.impact.words import Language, Words
from roleshift.registry.versions import Version

VERSION = "version "
"""How a version is named among the systems of a comparison: `version 3`."""


def capability_name(capability: str) -> str:
    """A capability as the catalogue names it in the language; its id where the catalogue has none."""
    return capability_names().get(capability, capability)


def capability_names() -> Mapping[str, str]:
    """Every capability of the catalogue by id, as the language names it."""
    return Words(cast(Language, language())).capabilities


def metric_name(metric: str) -> str:
    """A metric as the field writes it."""
    t = texts("names")
    key = f"metric_{metric}"
    return t(key) if t.knows(key) else metric


def system_name(system: str, summary: Mapping[str, Any] | None = None) -> str:
    """A measured system in words; with metrics/evaluate.json it says which is the base and which ships."""
    t = texts("names")
    if system.startswith(VERSION):
        return t("version", number=system.removeprefix(VERSION))
    if system.startswith("floor-"):
        key = f"floor_{system.removeprefix('floor-').replace('-', '_')}"
        return t("floor", name=t(key) if t.knows(key) else system.removeprefix("floor-"))
    variant, _, shots = system.partition(", ")
    if summary is not None:
        base, tuned = summary.get("base", {}), summary.get("tuned", {})
        if variant == base.get("variant"):
            count = shots.split()[0] if shots else "0"
            return t({"0": "base", "1": "base_shot"}.get(count, "base_shots"), shots=count)
        if variant == tuned.get("shipped"):
            return t("shipped", variant=variant)
        return t("tuned", variant=system)
    return system


def version_name(version: Version) -> str:
    """A version's number, what it is, and its aliases."""
    t = texts("names")
    aliases = "".join(f" · {alias}" for alias in version.aliases)
    return t("version", number=version.number) + f" ({kind_name(version.kind)}, {version.variant})" + aliases


def kind_name(kind: str) -> str:
    """What a version is: the base or a tuned model."""
    t = texts("names")
    return t(f"kind_{kind}") if t.knows(f"kind_{kind}") else literal(kind)
