"""Assumption sets: everything that is assumed and not measured, in one named file.

The default takes its costs from catalog/consequences.yaml and the figures for emerging work from
catalog/emerging.yaml, where each has its reason. A set that a user writes holds only what differs
from the default and lies over it. Its hash covers the values, not the name or the reasons, so two
sets with the same values are recognised as equal.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, write_text
from roleshift.impact.tolerance import COST_SYMBOLS, Costs, Part
from roleshift.params import merge_params, read_yaml
from roleshift.params.section import problem_of
from roleshift.tasks import Capability

CLASSES = ("low", "medium", "high", "critical")  # of consequence, mildest first


class Group(BaseModel):
    """A section of the file: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Assumed(Group):
    """One assumed figure with the reason for it. In a user's file a bare number will do."""

    value: float = Field(allow_inf_nan=False)
    unit: str | None = None
    reason: dict[str, str] = Field(default_factory=lambda: {"en": "set by the user", "zh": "用户设定"})

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, raw: Any) -> Any:
        return {"value": raw} if isinstance(raw, int | float) and not isinstance(raw, bool) else raw


class Elasticities(Group):
    """The three sliders of the scenario of work that shrinks."""

    demand: Assumed = Field(description="|eta|: per cent more demanded for one per cent lower price")
    cost_share: Assumed = Field(description="kappa: share of the labour in the unit cost of what it helps to produce")
    pass_through: Assumed = Field(description="phi: share of a cost saving that reaches the price")

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.demand.value < 0:
            raise ValueError("demand is an absolute value and cannot be negative")
        for name, share in (("cost_share", self.cost_share), ("pass_through", self.pass_through)):
            if not 0 <= share.value <= 1:
                raise ValueError(f"{name} must be between 0 and 1")
        return self


class Weights(Group):
    """How much a core task counts against a supplemental one where no rating of tasks is known."""

    core: float = Field(gt=0)
    supplemental: float = Field(gt=0)


class EmergingWork(Group):
    """What the sizing of emerging work assumes; the reasons are in catalog/emerging.yaml."""

    hours_per_year: Assumed = Field(description="of one full-time person")
    task_minutes_per_item: Assumed = Field(description="human time behind one result")
    curation_share_of_rejected: Assumed = Field(description="share of rejected results worth turning into data")
    curation_minutes_per_item: Assumed
    evaluation_items_per_capability: Assumed
    evaluation_minutes_per_item: Assumed
    evaluation_hours_per_capability: Assumed
    integration_hours_per_task: Assumed

    @model_validator(mode="after")
    def _positive(self) -> Self:
        for name in type(self).model_fields:
            if getattr(self, name).value <= 0:
                raise ValueError(f"{name} must be above 0")
        return self


class Assumptions(Group):
    """A complete set."""

    name: str = Field(min_length=1)
    costs: dict[str, Costs]
    jitter: Part = Field(
        description="scales the catalogue's probability that a requirement is 1 instead of 2 or 2 instead of 1"
    )
    weights: Weights
    elasticities: Elasticities
    emerging: EmergingWork
    what_if: dict[Capability, Part] = Field(default_factory=dict)
    draws: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _every_class_has_costs(self) -> Self:
        for name in CLASSES:
            if name not in self.costs:
                raise ValueError(f"costs.{name} is missing")
        return self

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the sha256 of the values."""
        return hash_json(self.values())[:16]

    def values(self) -> dict[str, Any]:
        """Every value by its dotted key, without name and reasons."""
        return dict(_flatten(self.model_dump(mode="json", by_alias=True, exclude={"name"}), ""))

    def measured_only(self) -> "Assumptions":
        """The same set without what-if levels: what certified figures are computed with."""
        return self.model_copy(update={"what_if": {}})


def _flatten(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if value.keys() == {"value", "unit", "reason"}:
            return [(prefix, value["value"])]
        return [
            pair for key in sorted(value) for pair in _flatten(value[key], f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, value)]


def default_assumptions() -> Assumptions:
    """The bundled set."""
    return parse_assumptions({}, "the default assumptions")


def load_assumptions(path: Path) -> Assumptions:
    """A user's set: the file's keys over the bundled ones; without a `name` it is the file's stem."""
    return parse_assumptions({"name": path.stem, **read_yaml(path)}, str(path))


def parse_assumptions(raw: Mapping[str, Any], where: str) -> Assumptions:
    """A set from a mapping laid over the default; an error names the file and the key."""
    costs = {
        name: {symbol: entry[symbol]["value"] for symbol in COST_SYMBOLS}
        for name, entry in _bundled("catalog", "consequences.yaml").items()
    }
    parts = {"costs": costs, "emerging": _bundled("catalog", "emerging.yaml")["assumptions"]}
    strange = sorted(set(raw.get("costs") or {}) - set(CLASSES)) if isinstance(raw.get("costs"), Mapping) else []
    if strange:
        raise RoleShiftError(f"{where}: costs.{strange[0]}: no consequence class; known are {', '.join(CLASSES)}")
    try:
        return Assumptions.model_validate(merge_params({**_bundled("impact", "assumptions.yaml"), **parts}, raw))
    except ValidationError as error:
        raise RoleShiftError(f"{where}: {problem_of(error)}") from None


@cache
def _bundled(package: str, name: str) -> Mapping[str, Any]:
    raw = yaml.safe_load(files(f"roleshift.{package}").joinpath(name).read_text(encoding="utf-8"))
    return cast(Mapping[str, Any], raw)


def save_assumptions(path: Path, assumptions: Assumptions) -> None:
    """Write a complete set for a user to copy, name and edit."""
    values = assumptions.model_dump(mode="json", by_alias=True)
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100))


def compare_assumptions(first: Assumptions, second: Assumptions) -> list[tuple[str, Any, Any]]:
    """The dotted keys whose values differ, with both values (None where a set lacks the key)."""
    one, two = first.values(), second.values()
    return [
        (key, one.get(key), two.get(key)) for key in sorted(one.keys() | two.keys()) if one.get(key) != two.get(key)
    ]
