"""The result of a run as a table for a terminal."""

from collections.abc import Mapping
from typing import Any

SCALE = 100
"""Scores are shown times 100, as the field does."""


def result_table(evaluate: Mapping[str, Any]) -> str:
    """Base, base with examples, best floor and tuned model per capability, from metrics/evaluate.json.

    The last column is the paired difference of tuned and base with its bootstrap interval; `*`
    marks capabilities where the tuned model beats all three by intervals that exclude 0.
    """
    shipped, shots = evaluate["tuned"]["shipped"], evaluate["settings"]["shots"]
    head = ["capability", "metric", "items", "base", f"base, {shots} shots", "best floor", "tuned", "tuned - base"]
    rows = [head]
    for name, part in sorted(evaluate["capabilities"].items()):
        scores = [_score(part, system) for system in ("base", "base-shots", part["best_floor"], shipped)]
        difference = part["differences"].get("tuned-base", {}).get("primary", {})
        mark = " *" if part["beats_all"] else ""
        rows.append([name, part["primary_metric"], str(part["items"]), *scores, _difference(difference) + mark])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    confidence = f"{evaluate['settings']['confidence']:.0%}"
    note = (
        f"Scores times 100; tuned: {shipped}; {confidence} paired bootstrap interval in brackets; * beats base, "
        f"base with examples and every floor: {evaluate['beats_all']} of {len(evaluate['capabilities'])} capabilities."
    )
    return "\n".join([*(line.rstrip() for line in lines), note])


def _score(part: Mapping[str, Any], system: str | None) -> str:
    found = part["systems"].get(system, {}).get("metrics", {}).get(part["primary_metric"], {}).get("value")
    return "-" if found is None else f"{found * SCALE:.1f}"


def _difference(found: Mapping[str, Any]) -> str:
    if found.get("difference") is None:
        return "-"
    text = f"{found['difference'] * SCALE:+.1f}"
    if found["low"] is None:
        return f"{text} (too few items)"
    return f"{text} [{found['low'] * SCALE:+.1f}, {found['high'] * SCALE:+.1f}]"
