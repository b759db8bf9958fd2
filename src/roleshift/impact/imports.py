"""Item-level results of other systems as evidence: our own JSONL, and lm-evaluation-harness samples.

A mapping file (YAML) says what each task is evidence for:

    origin: lm-evaluation-harness 0.4.9, model X     # stands with every figure that rests on it
    tasks:
      arc_easy:                # the task's name in the file (in JSONL: the row's `task`)
        capability: answer
        domain: education      # or task:TASK-ID: items for that one task of a role
        language: en
        score: acc             # the field with the score (default: score)
        scale: 1               # what the score is divided by to lie in [0, 1]
        filter: none           # of lm-evaluation-harness, where a file holds several
        metric: exact_match    # the kind of score; it gives the grade of the evidence
        threshold: 1.0         # an item passes from this score on
        threshold_reason: an answer is right or wrong

A JSONL row has `task`, `id`, the score, and optionally `group`, `output`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from roleshift.contracts import ITEMS, SCORES, read_table, write_table
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, read_json, replacing, write_json
from roleshift.params import read_yaml
from roleshift.params.section import problem_of
from roleshift.tasks import Capability, Metric, TaskDefinition, parse_tasks

TASKS_FILE = "imported-tasks.json"
SAMPLES = re.compile(r"^samples_(.+?)_\d{4}-\d\d-\d\dT[\d.:-]+$")


class MappedTask(BaseModel):
    """What one task of the other system is evidence for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capability: Capability
    domain: str = Field(min_length=1)
    language: str = Field(min_length=2)
    score: str = "score"
    scale: float = Field(default=1, gt=0)
    filter: str | None = None
    metric: Metric
    threshold: float = Field(ge=0, le=1)
    threshold_reason: str = Field(min_length=1)


class TaskMapping(BaseModel):
    """The mapping file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: str = Field(min_length=1)
    tasks: dict[str, MappedTask] = Field(min_length=1)


def read_mapping(path: Path) -> TaskMapping:
    """Read a mapping file; an error names the key."""
    try:
        mapping = TaskMapping.model_validate(read_yaml(path))
    except ValidationError as error:
        raise RoleShiftError(f"{path}: {problem_of(error)}") from None
    if mapping.origin == "measured":
        raise RoleShiftError(f"{path}: origin: `measured` is what this project measured itself; name the source")
    return mapping


def import_results(
    path: Path, mapping: TaskMapping, model: str
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, TaskDefinition]]:
    """Items, scores and task definitions from a results file of the system `model`.

    The harness's file is known by its rows' `doc_id`; its task is in its name. Every defect names
    the line.
    """
    items: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    tasks = {name: _definition(name, entry) for name, entry in mapping.tasks.items()}
    seen: dict[str, int] = {}
    filters: dict[str, str] = {}
    for line, row in _rows(path):
        where = f"{path}: line {line}"
        harness = "doc_id" in row
        name = _task_name(path, row, mapping, where)
        entry = mapping.tasks[name]
        if harness and "filter" in row:
            if entry.filter is not None and row["filter"] != entry.filter:
                continue
            if filters.setdefault(name, row["filter"]) != row["filter"]:
                raise RoleShiftError(
                    f"{where}: the file holds the filters {filters[name]!r} and {row['filter']!r}; "
                    f"name one as tasks.{name}.filter"
                )
        if not harness and "id" not in row:
            raise RoleShiftError(f"{where}: the field 'id' is missing")
        key = f"{row['doc_id']}:{row.get('doc_hash', '')}" if harness else str(row["id"])
        example = hash_json([mapping.origin if not harness else name, name, key])[:16]
        if example in seen:
            raise RoleShiftError(f"{where}: item {key!r} of task {name!r} stands in line {seen[example]} already")
        seen[example] = line
        score = _score(row, entry, where)
        fixed = {"example_id": example, "model_id": model, "variant": "imported", "shots": 0, "perturbation": "none"}
        items.append(
            fixed
            | {
                "task_definition": tasks[name].id,
                "capability": entry.capability,
                "language": entry.language,
                "domain": entry.domain,
                "slices": [],
                "group_id": str(row.get("group", example)),
                "split": "test",
                "artifact_id": f"imported:{model}",
                "prompt_hash": str(row.get("prompt_hash", "imported")),
                "settings_hash": "imported",
                "references_hash": str(row.get("target_hash", "imported")),
                "output": _output(row),
                "prompt_tokens": 0,
                "output_tokens": 0,
                "finish_reason": "none",
                "origin": mapping.origin,
            }
        )
        signature = f"{entry.metric}|imported:{entry.score}|origin:{mapping.origin}"
        scores.append(fixed | {"metric": entry.metric, "score": score, "statistics": [], "signature": signature})
    if not items:
        raise RoleShiftError(f"{path}: holds no item of the mapping's tasks ({', '.join(mapping.tasks)})")
    used = {item["task_definition"] for item in items}
    definitions = {task.id: task for task in tasks.values() if task.id in used}
    return pl.DataFrame(items, schema=ITEMS.schema), pl.DataFrame(scores, schema=SCORES.schema), definitions


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.is_file():
        raise RoleShiftError(f"{path}: no such file")
    with path.open("rb") as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise RoleShiftError(f"{path}: line {line}: not valid JSON ({error})") from None
            if not isinstance(row, dict):
                raise RoleShiftError(f"{path}: line {line}: not a JSON object")
            yield line, row


def _task_name(path: Path, row: Mapping[str, Any], mapping: TaskMapping, where: str) -> str:
    named = SAMPLES.match(path.stem)
    name = row.get("task", named[1] if named else None)
    if name is None and len(mapping.tasks) == 1:
        name = next(iter(mapping.tasks))
    if name not in mapping.tasks:
        raise RoleShiftError(f"{where}: task {name!r} is not in the mapping file, which has {', '.join(mapping.tasks)}")
    return str(name)


def _score(row: Mapping[str, Any], entry: MappedTask, where: str) -> float:
    value = row.get(entry.score)
    if not isinstance(value, int | float):  # a bool is an int: right or wrong
        raise RoleShiftError(f"{where}: the score {entry.score!r} is {value!r}, not a number")
    score = float(value) / entry.scale
    if not 0 <= score <= 1:
        raise RoleShiftError(f"{where}: the score {entry.score!r} is {score:g}, not in [0, 1]; set `scale`")
    return score


def _output(row: Mapping[str, Any]) -> str | None:
    value = row.get("output", row.get("filtered_resps"))
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _definition(name: str, entry: MappedTask) -> TaskDefinition:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    fields = entry.model_dump(include={"capability", "domain", "language", "metric", "threshold", "threshold_reason"})
    instruction = f"{name}, measured elsewhere"
    return TaskDefinition(id=f"imported-{slug}", kind="generate", instruction=instruction, **fields)


def write_import(folder: Path, items: pl.DataFrame, scores: pl.DataFrame, tasks: Mapping[str, TaskDefinition]) -> None:
    """Write an import as an evidence folder with its task definitions, as a whole or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_table(temporary / "items.parquet", items, ITEMS)
        write_table(temporary / "scores.parquet", scores, SCORES)
        write_json(temporary / TASKS_FILE, {n: t.model_dump(mode="json", exclude={"id"}) for n, t in tasks.items()})


def read_import(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, TaskDefinition]]:
    """Items, scores and task definitions of an import's folder."""
    tasks = parse_tasks(read_json(folder / TASKS_FILE), str(folder / TASKS_FILE))
    return read_table(folder / "items.parquet", ITEMS), read_table(folder / "scores.parquet", SCORES), tasks
