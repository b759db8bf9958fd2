"""A company's own roles as a table: one row per task, the role's own fields on its first row."""

import csv
import io
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError

NEEDED = ("role_id", "role_en", "task_id", "task_en", "activities", "weight", "consequence")
OPTIONAL = ("role_zh", "soc", "isco", "employment", "mean_wage", "task_zh", "domains")
SEPARATOR = ";"  # of several activities or domains in one field


def company_table(path: Path) -> dict[str, Any]:
    """The file as the mapping that a YAML file of roles holds; a defect names the line and the column.

    `weight` is any positive number of hours or a share: each role's are scaled to a sum of 1. A
    title without a Chinese form stands in English there too.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RoleShiftError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise RoleShiftError(f"{path}: not UTF-8 ({error}); save it as CSV UTF-8") from None
    reader = csv.DictReader(io.StringIO(text))
    header = reader.fieldnames or []
    for name in NEEDED:
        if name not in header:
            raise RoleShiftError(f"{path}: line 1: the column {name!r} is missing")
    for name in header:
        if name not in (*NEEDED, *OPTIONAL):
            raise RoleShiftError(
                f"{path}: line 1: unknown column {name!r}; known are {', '.join((*NEEDED, *OPTIONAL))}"
            )
    roles: dict[str, dict[str, Any]] = {}
    for line, row in enumerate(reader, start=2):
        where = f"{path}: line {line}"
        if None in row or None in row.values():
            raise RoleShiftError(f"{where}: has another number of fields than the header")
        cells = {name: value.strip() for name, value in row.items()}
        for name in ("role_id", "task_id", "task_en", "consequence"):
            if not cells[name]:
                raise RoleShiftError(f"{where}: {name} is empty")
        if cells["role_id"] not in roles:
            roles[cells["role_id"]] = _role(cells, where)
        roles[cells["role_id"]]["tasks"].append(_task(cells, where))
    for role in roles.values():
        total = sum(task["weight"] for task in role["tasks"])
        for task in role["tasks"]:
            task["weight"] /= total
    return {"domains": {}, "roles": list(roles.values())}


def _role(cells: dict[str, str], where: str) -> dict[str, Any]:
    if not cells["role_en"]:
        raise RoleShiftError(f"{where}: role_en is empty; the first row of a role names it")
    role: dict[str, Any] = {"id": cells["role_id"], "name": _both(cells, "role"), "tasks": []}
    role |= {name: cells[name] for name in ("soc", "isco") if cells.get(name)}
    return role | {name: _number(cells, name, where) for name in ("employment", "mean_wage") if cells.get(name)}


def _task(cells: dict[str, str], where: str) -> dict[str, Any]:
    lists = {name: [part.strip() for part in cells.get(name, "").split(SEPARATOR) if part.strip()]
             for name in ("activities", "domains")}  # fmt: skip
    plain = {"id": cells["task_id"], "description": _both(cells, "task"), "consequence": cells["consequence"]}
    return plain | lists | {"weight": _number(cells, "weight", where)}


def _both(cells: dict[str, str], name: str) -> dict[str, str]:
    return {"en": cells[f"{name}_en"], "zh": cells.get(f"{name}_zh") or cells[f"{name}_en"]}


def _number(cells: dict[str, str], name: str, where: str) -> float:
    try:
        number = float(cells[name].replace(",", ""))
    except ValueError:
        number = -1.0
    if not 0 < number < 1e15:
        raise RoleShiftError(f"{where}: {name} is {cells[name]!r}, not a number above 0")
    return number
