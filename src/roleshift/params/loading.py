"""Reading params.yaml: an unknown key, a wrong type or an impossible combination is named in one line."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from roleshift.errors import RoleShiftError
from roleshift.params.file import Params
from roleshift.tasks import parse_tasks


def load_params(path: Path) -> Params:
    """Read and validate a params file; the first defect is a one-line error."""
    return parse_params(read_yaml(path), str(path))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """A YAML text's content; a stage reads params.yaml and dvc.yaml several times, at a tenth of a second each."""
    return YAML(typ="safe", pure=True).load(text)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; a missing or malformed file is a one-line error that names it.

    YAML 1.2, as DVC reads and writes it: `dvc exp run -S` may write the text `off` without quotes.
    """
    try:
        raw = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RoleShiftError(f"{path}: no such file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise RoleShiftError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(raw, dict):
        raise RoleShiftError(f"{path}: must hold a mapping of sections")
    return raw


def parse_params(raw: Mapping[str, Any], where: str) -> Params:
    """Params from a mapping; an error names the key, the value and what is allowed."""
    if isinstance(raw.get("tasks"), dict):
        raw = {**raw, "tasks": parse_tasks(raw["tasks"], where)}
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        value = "" if first["type"] in ("missing", "value_error") else f" (found {first['input']!r})"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "unknown key"
            value = ""
        raise RoleShiftError(f"{where}: {key + ': ' if key else ''}{message}{value}") from None


def merge_params(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one params mapping over another, key by key.

    `corpora` is replaced as a whole, since a run on other data wants that data alone. Null in the place
    of a mapping removes it (a source, a variant); any other value it sets to null.
    """
    merged = dict(base)
    for key, value in over.items():
        if value is None and isinstance(merged.get(key), Mapping):
            del merged[key]
        elif key != "corpora" and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge_params(merged[key], value)
        else:
            merged[key] = value
    return merged
