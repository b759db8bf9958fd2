"""A comparison as a table in the terminal, as Markdown, as JSON."""

import json
from collections.abc import Mapping
from typing import Any

HEAD = ("capability", "metric", "items", "a", "b", "a − b", "interval", "p", "verdict")
SCALE = 100
OUTPUT_CHARACTERS = 160


def render_json(comparison: Mapping[str, Any]) -> str:
    """The comparison as it is."""
    return json.dumps(comparison, ensure_ascii=False, indent=2, allow_nan=False)


def render_table(comparison: Mapping[str, Any]) -> str:
    """Plain text in columns; scores times 100."""
    rows = [list(HEAD), *_rows(comparison)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_preface(comparison), "", *lines, "", *_slices(comparison), *_largest(comparison)]) + "\n"


def render_markdown(comparison: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    rows = [list(HEAD), ["---"] * len(HEAD), *_rows(comparison)]
    table = [f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows]
    rest = [f"- {line}" for line in (*_slices(comparison), *_largest(comparison))]
    return "\n\n".join(_preface(comparison)) + "\n\n" + "\n".join([*table, "", *rest]) + "\n"


def _preface(comparison: Mapping[str, Any]) -> list[str]:
    lines = [f"{letter} = {comparison[letter]['name']} (model {comparison[letter]['model_id']})" for letter in "ab"]
    lines.append(f"{comparison['items']} common items, {comparison['confidence']:.0%} paired bootstrap intervals")
    only = comparison["items_only_a"], comparison["items_only_b"]
    if any(only):
        lines.append(f"left out: {only[0]} items that only a has, {only[1]} that only b has")
    if comparison["differing"]:
        lines.append(f"allowed to differ, and differing: {', '.join(comparison['differing'])}")
    return lines


def _rows(comparison: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for capability, part in comparison["capabilities"].items():
        ordered = sorted(part["metrics"], key=lambda name: (name != part["primary_metric"], name))
        for metric in ordered:
            entry = part["metrics"][metric]
            interval = "–" if entry["low"] is None else f"[{_signed(entry['low'])}, {_signed(entry['high'])}]"
            p = entry.get("p_corrected", entry["p"])
            values = (_plain(entry["a"]), _plain(entry["b"]), _signed(entry["difference"]))
            shown_p = "–" if p is None else f"{p:.4f}"
            rows.append([capability, metric, str(entry["n"]), *values, interval, shown_p, _verdict(entry)])
    return rows


def _verdict(entry: Mapping[str, Any]) -> str:
    text = str(entry.get("verdict", ""))
    if text in ("undecided", "too few items") and entry["needed_items"]:
        return f"{text} (about {entry['needed_items']} items would tell)"
    return text


def _slices(comparison: Mapping[str, Any]) -> list[str]:
    return [
        f"regressed slice: {capability}, {found['slice']} = {found['value']}: {_signed(found['difference'])} "
        f"[{_signed(found['low'])}, {_signed(found['high'])}], {found['n']} items (not corrected)"
        for capability, part in comparison["capabilities"].items()
        for found in part["regressed_slices"]
    ]


def _largest(comparison: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['capability']} {row['example_id']}: {_plain(row['a'])} against {_plain(row['b'])} "
        f"(a: {_short(row['output_a'])}; b: {_short(row['output_b'])})"
        for row in comparison["largest"]
    ]


def _short(output: str | None) -> str:
    if output is None:
        return "text not in this copy"
    line = " ".join(output.split())
    return line if len(line) <= OUTPUT_CHARACTERS else f"{line[:OUTPUT_CHARACTERS]}…"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value * SCALE:.1f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value * SCALE:+.1f}"
