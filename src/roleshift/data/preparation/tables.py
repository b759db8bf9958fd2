"""A user's own table: JSONL, CSV or Parquet, its columns mapped in params.yaml."""

import csv
import json
import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.data.preparation.duplicates import normalised_text
from roleshift.errors import RoleShiftError
from roleshift.files import sha256_text
from roleshift.params import Columns, Corpus
from roleshift.tasks import FIELD_TYPES, FieldType, TaskDefinition

ENDINGS = (".jsonl", ".csv", ".parquet")


def read_table_rows(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """Rows of one table. Several references: a list in one column, or several columns.

    Without a group column a row's group is its input, so that equal inputs stay together.
    """
    columns = corpus.columns
    if columns is None:
        raise RoleShiftError("the adapter `table` needs `columns`")
    file = _table_file(folder, corpus)
    for line, row in _rows(file, columns):
        origin = f"{file.name}:{line}"
        if isinstance(row, str):
            yield Dropped("malformed", origin, row[:200], "not a JSON object", malformed=True)
            continue
        try:
            yield _draft(row, columns, task, origin)
        except ValueError as error:
            yield Dropped(
                "malformed", origin, json.dumps(row, ensure_ascii=False, default=str)[:500], str(error), malformed=True
            )


def _table_file(folder: Path, corpus: Corpus) -> Path:
    if corpus.file:
        file = folder / corpus.file
        if not file.is_file() or file.suffix not in ENDINGS:
            raise RoleShiftError(
                f"{file}: no such table; `file` of the corpus names a {', '.join(ENDINGS)} of its source"
            )
        return file
    files = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS)
    if len(files) != 1:
        names = ", ".join(path.name for path in files[:5]) or "none"
        raise RoleShiftError(
            f"{folder}: one {', '.join(ENDINGS)} is needed, found {names}; name one as `file` of the corpus"
        )
    return files[0]


def _rows(file: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line or row number from 1, row); a line that is no JSON object is given as text."""
    if file.suffix == ".jsonl":
        yield from _jsonl_rows(file)
    elif file.suffix == ".csv":
        yield from _csv_rows(file, columns)
    else:
        try:
            frame = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise RoleShiftError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]})") from None
        _refuse_missing(file, frame.columns, columns)
        yield from enumerate(frame.iter_rows(named=True), 1)


def _jsonl_rows(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    with file.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            text = raw.decode("utf-8-sig", "replace").strip()
            if not text:
                continue
            try:
                row = json.loads(raw.decode("utf-8-sig"))
            except (json.JSONDecodeError, UnicodeDecodeError):
                row = None
            yield number, row if isinstance(row, dict) else text


def _csv_rows(file: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            _refuse_missing(file, list(reader.fieldnames or ()), columns)
            for row in reader:
                surplus = row.pop(None, None)
                yield reader.line_num, row if surplus is None else f"{row} and {surplus}"
    except (csv.Error, UnicodeDecodeError) as error:
        raise RoleShiftError(f"{file}: not a readable CSV in UTF-8 ({error})") from None


def _refuse_missing(file: Path, present: list[str], columns: Columns) -> None:
    for name in _named(columns):
        if name not in present:
            raise RoleShiftError(
                f"{file}: no column {name!r}; it has {', '.join(present) or 'none'}: correct `columns`"
            )


def _named(columns: Columns) -> list[str]:
    optional = [columns.group, columns.domain, columns.language]
    return [columns.input, *columns.references, *(name for name in optional if name), *columns.slices.values()]


def _draft(row: dict[str, Any], columns: Columns, task: TaskDefinition, origin: str) -> Draft:
    for name in _named(columns):
        if name not in row:
            raise ValueError(f"no column {name!r}")
    text = _text(row[columns.input], columns.input)
    references = [parse_answer(value, name, task) for name in columns.references for value in _listed(row[name])]
    if not references:
        raise ValueError(f"{', '.join(columns.references)}: no reference")
    return Draft(
        text,
        tuple(dict.fromkeys(references)),
        _text(row[columns.group], columns.group)
        if columns.group
        else f"text:{sha256_text(normalised_text(text))[:16]}",
        origin,
        {name: _text(row[column], column) for name, column in columns.slices.items()},
        _text(row[columns.language], columns.language) if columns.language else None,
        _text(row[columns.domain], columns.domain) if columns.domain else None,
    )


def _listed(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if entry is not None and entry != ""]


def _text(value: Any, column: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{column}: {type(value).__name__} is no text")
    text = str(value)
    if not text.strip():
        raise ValueError(f"{column}: empty")
    return text


def parse_answer(value: Any, column: str, task: TaskDefinition) -> str:
    """A reference in the form that the task expects: a known label, a JSON object with its fields, or text."""
    if task.kind == "extract":
        return _extraction(value, column, task)
    text = _text(value, column)
    if task.kind == "classify" and text.strip() not in task.labels:
        raise ValueError(f"{column}: {text.strip()!r} is no label of {task.id} ({', '.join(task.labels)})")
    return text


def _extraction(value: Any, column: str, task: TaskDefinition) -> str:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        raise ValueError(f"{column}: not a JSON object") from None
    if not isinstance(found, dict) or set(found) != set(task.fields):
        raise ValueError(f"{column}: must be an object with the keys {', '.join(task.fields)}")
    for name, kind in task.typed_fields.items():
        if not _is_of_type(found[name], kind):
            raise ValueError(f"{column}.{name}: must be {FIELD_TYPES[kind]}")
    return json.dumps({name: found[name] for name in task.fields}, ensure_ascii=False)


def _is_of_type(value: Any, kind: FieldType) -> bool:
    """Whether a reference's value is what its field holds; null, for nothing, where it is no list."""
    if kind == "texts":
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    if value is None:
        return True
    if kind == "date":
        try:
            return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
        except ValueError:
            return False
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, bool if kind == "boolean" else str)
