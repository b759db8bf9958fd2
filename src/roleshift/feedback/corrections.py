"""Corrections as training examples: what is exported, and what never is."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.feedback.events import Event, Texts
from roleshift.feedback.store import FeedbackStore
from roleshift.feedback.summary import last_words
from roleshift.files import write_text

NEVER = ("test", "validation")
"""Populations whose corrections are never exported: nothing may be learnt from what is measured on."""


def correction_rows(events: Iterable[Event], texts: dict[str, Texts]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """One row per corrected answer (of each reviewer the last), and why others are left out, counted."""
    rows: list[dict[str, Any]] = []
    left_out: dict[str, int] = {}
    for event in last_words(event for event in events if event.kind == "correction"):
        text = texts.get(event.text_id or "")
        if event.about.population in NEVER:
            reason = f"of a {event.about.population} item"
        elif text is None:
            reason = "text deleted"
        elif not (text.input and text.correction):
            reason = "request not captured"
        elif event.about.task_definition is None:
            reason = "no task definition"
        else:
            rows.append(_row(event, text))
            continue
        left_out[reason] = left_out.get(reason, 0) + 1
    return sorted(rows, key=lambda row: str(row["event_id"])), left_out


def export_corrections(store: FeedbackStore, path: Path, test: pl.DataFrame | None = None) -> dict[str, Any]:
    """Write the corrections as JSONL; those of `test` examples (contract EXAMPLES), whatever their label, stay out.

    Returns {"written": n, "left_out": {reason: n}}.
    """
    events = store.events("correction")
    rows, left_out = correction_rows(events, store.texts(event.text_id for event in events))
    if test is not None:
        known, groups = set(test["example_id"]), set(test["group_id"])
        kept = [row for row in rows if row["example_id"] not in known and row["group_id"] not in groups]
        if len(kept) < len(rows):
            left_out["of a test item"] = left_out.get("of a test item", 0) + len(rows) - len(kept)
        rows = kept
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(lines))
    return {"written": len(rows), "left_out": left_out}


def _row(event: Event, text: Texts) -> dict[str, Any]:
    known = {name: event.details.get(name) for name in ("slices", "group_id", "language", "licence")}
    return {
        "event_id": event.event_id,
        "text_id": event.text_id,
        "population": event.about.population,
        "example_id": event.about.example_id,
        "task_definition": event.about.task_definition,
        "domain": event.about.domain,
        **known,
        "input": text.input,
        "references": [text.correction],
        "corrected": text.output,
        "time": event.time,
        "version": event.answered.version,
        "model_id": event.answered.model_id,
    }
