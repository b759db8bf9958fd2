"""The bundled catalogue, read and validated: an error names the file and the line or key.

A company's own roles come as a YAML file of the same form and lie beside the bundled ones.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import CLASSES
from roleshift.impact.capability import CAPABILITIES
from roleshift.impact.company import company_table
from roleshift.impact.work import ROLES, TASKS, Activities, Work
from roleshift.params import read_yaml
from roleshift.params.section import problem_of

Driver = Literal["review", "curation", "evaluation", "integration"]
DRIVERS: tuple[Driver, ...] = ("review", "curation", "evaluation", "integration")
COLUMNS = (
    "iwa_id", "gate", *CAPABILITIES, "jitter", "consequence", "label_en", "label_zh", "reason_en", "reason_zh",
)  # fmt: skip
Filled = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """A part of a catalogue file: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Both(Entry):
    """A text in English and Chinese."""

    en: Filled
    zh: Filled


class Titles(Entry):
    """Other names of a role."""

    en: tuple[Filled, ...] = ()
    zh: tuple[Filled, ...] = ()


class TaskEntry(Entry):
    """One task of a role; `weight` is its share of the role's time."""

    id: Filled
    description: Both
    activities: tuple[Filled, ...] = ()
    weight: float = Field(gt=0, le=1)
    domains: tuple[Filled, ...] = ()
    consequence: Filled


class RoleEntry(Entry):
    """One role. `employment` (persons) and `mean_wage` (a year) are a company's own; absent is unknown."""

    id: Filled
    name: Both
    aliases: Titles = Titles()
    soc: str | None = Field(default=None, pattern=r"^\d\d-\d{4}$")
    isco: str | None = Field(default=None, pattern=r"^\d{1,4}$")
    employment: float | None = Field(default=None, gt=0)
    mean_wage: float | None = Field(default=None, gt=0)
    tasks: tuple[TaskEntry, ...] = Field(min_length=1)


class DriverEntry(Entry):
    """The part of a driver's hours that falls to an emerging role."""

    driver: Driver
    share: float = Field(gt=0, le=1)
    assumption: Both


class EmergingEntry(Entry):
    """One emerging role: a hypothesis."""

    id: Filled
    role: str | None = None
    name: Both
    definition: Both
    drivers: tuple[DriverEntry, ...] = Field(min_length=1)


class CapabilityEntry(Entry):
    """One capability in words, and the metric, threshold and grade that its evidence has by default."""

    name: Both
    definition: Both
    metric: Filled
    tau: float = Field(ge=0, le=1)
    grade: Literal["verifiable", "overlap"]
    measured_here: bool
    tau_reason: Both


Model = TypeVar("Model", bound=BaseModel)


def bundled_text(name: str) -> str:
    """A file of the bundled catalogue."""
    return files("roleshift.catalog").joinpath(name).read_text(encoding="utf-8")


def parse_activities(text: str, where: str) -> Activities:
    """The activity matrix from CSV; an error names the line and the column."""
    reader = csv.DictReader(io.StringIO(text))
    absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if absent:
        raise RoleShiftError(f"{where}: line 1: the column {absent[0]!r} is missing")
    rows: list[dict[str, str]] = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in enumerate(reader, start=2):
        fault = _activity_fault(row)
        if fault is None:
            for column in ("iwa_id", "reason_en", "reason_zh"):
                first = seen.setdefault((column, row[column]), line)
                if first != line:
                    fault = f"{column} is that of line {first}: {row[column][:60]!r}"
        if fault:
            raise RoleShiftError(f"{where}: line {line}: {fault}")
        rows.append(row)
    return Activities(
        tuple(row["iwa_id"] for row in rows),
        np.array([row["gate"] == "1" for row in rows], dtype=bool),
        np.array([[int(row[c]) for c in CAPABILITIES] for row in rows], dtype=np.int8).reshape(-1, len(CAPABILITIES)),
        np.array([float(row["jitter"]) for row in rows], dtype=float),
        tuple(row["consequence"] for row in rows),
        {language: tuple(row[f"label_{language}"] for row in rows) for language in ("en", "zh")},
        {language: tuple(row[f"reason_{language}"] for row in rows) for language in ("en", "zh")},
    )


def _activity_fault(row: Mapping[str, Any]) -> str | None:
    if None in row or None in row.values():
        return "has another number of fields than the header"
    for column in ("iwa_id", "label_en", "label_zh", "reason_en", "reason_zh"):
        if not row[column].strip():
            return f"{column} is empty"
    if row["gate"] not in ("0", "1"):
        return f"gate must be 0 or 1 (found {row['gate']!r})"
    for capability in CAPABILITIES:
        if row[capability] not in ("0", "1", "2"):
            return f"{capability} must be 0, 1 or 2 (found {row[capability]!r})"
    if row["gate"] == "1" and all(row[capability] == "0" for capability in CAPABILITIES):
        return "gate is 1 and no capability is required: nothing may be automated without evidence"
    try:
        jitter = float(row["jitter"])
    except ValueError:
        jitter = -1.0
    if not 0 <= jitter <= 1:
        return f"jitter must be between 0 and 1 (found {row['jitter']!r})"
    if row["consequence"] not in CLASSES:
        return f"consequence must be one of {', '.join(CLASSES)} (found {row['consequence']!r})"
    return None


def bundled_activities() -> Activities:
    """The bundled activity matrix."""
    return parse_activities(bundled_text("activities.csv"), "catalog/activities.csv")


def parse_roles(raw: Mapping[str, Any], where: str, extra_domains: Mapping[str, Both] | None = None) -> list[RoleEntry]:
    """Roles from a mapping with `domains` and `roles`; weights, ids and domains are checked."""
    domains = set(extra_domains or {}) | set(parse_domains(raw, where))
    entries: list[RoleEntry] = []
    for fields in _list(raw, "roles", where):
        name = f"{where}: roles.{fields.get('id', len(entries)) if isinstance(fields, Mapping) else len(entries)}"
        entry = _validated(RoleEntry, fields, name)
        total = sum(task.weight for task in entry.tasks)
        if abs(total - 1) > 1e-6:
            raise RoleShiftError(f"{name}: the tasks' weights add up to {total:g}, not to 1")
        for task in entry.tasks:
            strange = [domain for domain in task.domains if domain not in domains]
            if strange:
                raise RoleShiftError(f"{name}.tasks.{task.id}: unknown domain {strange[0]!r}; list it under `domains`")
        entries.append(entry)
    return entries


def parse_domains(raw: Mapping[str, Any], where: str) -> dict[str, Both]:
    """The domains with their names."""
    return {k: _validated(Both, v, f"{where}: domains.{k}") for k, v in (raw.get("domains") or {}).items()}


@cache
def _bundled_roles_file() -> Mapping[str, Any]:
    raw: Mapping[str, Any] = yaml.safe_load(bundled_text("roles.yaml"))
    return raw


@cache
def bundled_roles() -> tuple[RoleEntry, ...]:
    """The bundled roles."""
    return tuple(parse_roles(_bundled_roles_file(), "catalog/roles.yaml"))


@cache
def bundled_domains() -> Mapping[str, Both]:
    """The bundled domains with their names."""
    return MappingProxyType(parse_domains(_bundled_roles_file(), "catalog/roles.yaml"))


def load_roles(path: Path) -> list[RoleEntry]:
    """A company's own roles: YAML of the bundled form, or CSV with a row per task; the bundled domains are known."""
    if path.suffix.lower() == ".csv":
        return parse_roles(company_table(path), str(path), bundled_domains())
    return parse_roles(read_yaml(path), str(path), bundled_domains())


def work_of(entries: Sequence[RoleEntry], activities: Activities, where: str) -> Work:
    """Roles and their tasks as the engine's tables, in the order of the file."""
    roles = [
        {
            "role_id": e.id, "title_en": e.name.en, "title_zh": e.name.zh, "soc": e.soc,
            "employment": e.employment, "mean_wage": e.mean_wage,
        }
        for e in entries
    ]  # fmt: skip
    tasks = [
        {
            "task_id": t.id, "role_id": e.id, "title_en": t.description.en, "title_zh": t.description.zh,
            "activities": list(t.activities), "weight": t.weight, "domains": list(t.domains),
            "consequence": t.consequence,
        }
        for e in entries
        for t in e.tasks
    ]  # fmt: skip
    return Work.of(pl.DataFrame(roles, schema=ROLES), pl.DataFrame(tasks, schema=TASKS), activities, where)


def bundled_work() -> Work:
    """The bundled roles with the bundled activities."""
    return work_of(bundled_roles(), bundled_activities(), "catalog/roles.yaml")


def parse_capabilities(raw: Mapping[str, Any], where: str) -> dict[str, CapabilityEntry]:
    """Every capability's entry, in the engine's order; a missing or unknown one is an error."""
    strange = sorted(set(raw) ^ set(CAPABILITIES))
    if strange:
        raise RoleShiftError(f"{where}: {strange[0]!r} is {'unknown' if strange[0] in raw else 'missing'}")
    return {name: _validated(CapabilityEntry, raw[name], f"{where}: {name}") for name in CAPABILITIES}


@cache
def bundled_capabilities() -> Mapping[str, CapabilityEntry]:
    """The bundled descriptions of the thirteen capabilities."""
    raw = yaml.safe_load(bundled_text("capabilities.yaml"))
    return MappingProxyType(parse_capabilities(raw, "catalog/capabilities.yaml"))


@cache
def bundled_elements() -> Mapping[str, Both]:
    """Names of O*NET's generalized work activities and skills, in our own words, by element id."""
    raw = yaml.safe_load(bundled_text("elements.yaml"))
    found = {name: _validated(Both, texts, f"catalog/elements.yaml: {name}") for name, texts in raw.items()}
    return MappingProxyType(found)


def parse_emerging(raw: Mapping[str, Any], where: str) -> list[EmergingEntry]:
    """The emerging roles; the shares of each driver must add up to 1 over all of them."""
    entries = [
        _validated(EmergingEntry, fields, f"{where}: emerging_roles.{fields.get('id', i)}")
        for i, fields in enumerate(_list(raw, "emerging_roles", where))
    ]
    for driver in DRIVERS:
        total = sum(part.share for entry in entries for part in entry.drivers if part.driver == driver)
        if abs(total - 1) > 1e-6:
            raise RoleShiftError(f"{where}: the shares of the driver {driver!r} add up to {total:g}, not to 1")
    return entries


@cache
def bundled_emerging() -> tuple[EmergingEntry, ...]:
    """The bundled emerging roles."""
    return tuple(parse_emerging(yaml.safe_load(bundled_text("emerging.yaml")), "catalog/emerging.yaml"))


def _list(raw: Mapping[str, Any], key: str, where: str) -> list[Any]:
    if not isinstance(raw.get(key), list):
        raise RoleShiftError(f"{where}: {key} must be a list")
    return list(raw[key])


def _validated(model: type[Model], fields: Any, where: str) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise RoleShiftError(problem_of(error, where)) from None
