"""What `catalog check` looks for beyond what reading refuses: every finding names the file and the entry."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import CLASSES, default_assumptions
from roleshift.impact.catalogue import (
    RoleEntry,
    bundled_activities,
    bundled_capabilities,
    bundled_domains,
    bundled_elements,
    bundled_emerging,
    bundled_roles,
    bundled_text,
    load_roles,
    work_of,
)
from roleshift.impact.work import Activities, activity_of
from roleshift.tasks import catalogue_tasks


def check_catalogue(own: Path | None = None) -> list[str]:
    """Every fault of the bundled catalogue and of a company's own roles; empty where all is well."""
    findings: list[str] = []
    try:
        activities = bundled_activities()
        bundled_capabilities()
        default_assumptions()
        roles = bundled_roles()
        findings += role_faults(roles, activities, "catalog/roles.yaml")
        known = {role.id for role in roles}
        for entry in bundled_emerging():
            if entry.role is not None and entry.role not in known:
                findings.append(f"catalog/emerging.yaml: {entry.id}: unknown role {entry.role!r}")
        findings += [f"catalog/tasks.yaml: {fault}" for fault in _task_faults()]
        unnamed = {activity_of(name) for name in activities.ids} - set(bundled_elements())
        findings += [f"catalog/elements.yaml: no name for {name}" for name in sorted(unnamed)]
        for name in ("roles.yaml", "capabilities.yaml", "consequences.yaml", "emerging.yaml", "elements.yaml"):
            findings += [f"catalog/{name}: {fault}" for fault in untranslated(yaml.safe_load(bundled_text(name)))]
        if own is not None:
            findings += role_faults(load_roles(own), activities, str(own))
    except RoleShiftError as error:
        findings.append(str(error))
    return findings


def role_faults(roles: Sequence[RoleEntry], activities: Activities, where: str) -> Iterator[str]:
    """Unknown activities and classes, ids that stand twice, titles that several roles share."""
    tasks = Counter(task.id for role in roles for task in role.tasks)
    yield from (f"{where}: the task {name!r} stands {count} times" for name, count in tasks.items() if count > 1)
    names = Counter(title.casefold() for role in roles for title in {role.name.en, role.name.zh})
    yield from (f"{where}: {count} roles are called {name!r}" for name, count in names.items() if count > 1)
    for role in roles:
        for task in role.tasks:
            place = f"{where}: roles.{role.id}.tasks.{task.id}"
            unknown = [activity for activity in task.activities if activity not in activities.index]
            yield from (f"{place}: unknown activity {activity!r}" for activity in unknown)
            if not task.activities:
                yield f"{place}: names no activity, so it is not assessed"
            if task.consequence not in CLASSES:
                yield f"{place}: unknown consequence class {task.consequence!r} ({', '.join(CLASSES)})"
    if not any(": unknown activity" in fault for fault in _activities_of(roles, activities)):
        work_of(roles, activities, where)


def _activities_of(roles: Sequence[RoleEntry], activities: Activities) -> list[str]:
    named = {activity for role in roles for task in role.tasks for activity in task.activities}
    return [f": unknown activity {activity}" for activity in sorted(named - set(activities.ids))]


def untranslated(value: Any, path: str = "") -> Iterator[str]:
    """Entries that have one of `en` and `zh` and not the other."""
    if isinstance(value, dict):
        if {"en", "zh"} & value.keys():
            yield from (f"{path}: no text in {code!r}" for code in ("en", "zh") if not value.get(code))
        for key, entry in value.items():
            yield from untranslated(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            name = entry.get("id", i) if isinstance(entry, dict) else i
            yield from untranslated(entry, f"{path}.{name}")


def _task_faults() -> Iterator[str]:
    domains = bundled_domains()
    for task in catalogue_tasks().values():
        if task.domain not in domains:
            yield f"{task.id}: unknown domain {task.domain!r}"
