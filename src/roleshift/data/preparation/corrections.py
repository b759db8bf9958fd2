"""People's corrections as training rows: they take no part in splitting and drawing.

A correction joins training unless its text was deleted since, or its group or a near-duplicate of
it is in test (`sampling.draw` sees to that, and keeps review and validation free of what it joins).
"""

import json
from pathlib import Path
from typing import Any

from roleshift.data.preparation.drafts import Draft
from roleshift.data.preparation.duplicates import normalised_text
from roleshift.data.preparation.rows import Identity, Rejection, Row, clean_draft, reject
from roleshift.data.preparation.tables import parse_answer
from roleshift.data.sources.local import CORRECTIONS, DELETED
from roleshift.errors import RoleShiftError
from roleshift.files import read_json, sha256_text
from roleshift.params import Params

CORPUS = "corrections"
TEXTS = ("event_id", "text_id", "task_definition", "input")


def read_corrections(params: Params, raw: Path) -> tuple[list[Row], list[Rejection]]:
    """The corrections that may be trained on, one row per `identity`, and those that may not.

    Where several people corrected the same, their corrections are its references, the latest first.
    Raises on a line that `roleshift feedback export` did not write.
    """
    name = params.prepare.corrections
    if name is None:
        return [], []
    folder, licence, tasks = raw / name, params.sources[name].licence, params.task_definitions()
    deleted = set(read_json(folder / DELETED))
    merged: dict[Identity, Row] = {}
    rejected: list[Rejection] = []
    records = _records(folder / CORRECTIONS)
    for origin, record in sorted(records, key=lambda each: str(each[1].get("time")), reverse=True):
        task = tasks.get(record["task_definition"])
        problem = "text_deleted" if record["text_id"] in deleted else None
        if problem or task is None:
            text = "" if problem else str(record["input"])
            detail = "" if problem else f"{record['task_definition']} is no task of this run"
            rejected.append(Rejection(CORPUS, name, origin, problem or "unknown_task", detail, text))
            continue
        slices = record.get("slices") or {}
        missing = [name for name in task.slice_names if not slices.get(name)]
        if missing:
            detail = f"the instruction of {task.id} needs {', '.join(missing)}"
            rejected.append(Rejection(CORPUS, name, origin, "missing_slice", detail, str(record["input"])))
            continue
        try:
            references = tuple(parse_answer(value, "references", task) for value in record["references"])
        except ValueError as error:
            rejected.append(Rejection(CORPUS, name, origin, "not_an_answer", str(error), str(record["input"])))
            continue
        group = record.get("group_id") or f"text:{sha256_text(normalised_text(record['input']))[:16]}"
        draft = Draft(
            record["input"], references, group, origin, slices, record.get("language"),
            record.get("domain"),
        )  # fmt: skip
        row = clean_draft(CORPUS, name, draft, task=task, licence=record.get("licence") or licence)
        if not row.references:
            rejected.append(reject(row, "empty_reference"))
        elif row.identity in merged:
            together = tuple(dict.fromkeys((*merged[row.identity].references, *row.references)))
            draft = Draft(row.input, together, group, merged[row.identity].origin, row.slices, row.language, row.domain)
            merged[row.identity] = clean_draft(CORPUS, name, draft, task=task, licence=row.licence)
        else:
            merged[row.identity] = row
    return sorted(merged.values(), key=lambda row: row.example_id), rejected


def _records(path: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            origin = f"{path.name}:{number}"
            try:
                record = json.loads(line)
                whole = all(isinstance(record[key], str) for key in TEXTS) and bool(record["references"])
            except (json.JSONDecodeError, KeyError, TypeError):
                whole = False
            if not whole:
                raise RoleShiftError(
                    f"{path}:{number}: not a correction as `roleshift feedback export` writes it; export again"
                )
            found.append((origin, record))
    return found
