"""A comparison as a table in the terminal, as Markdown, as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from roleshift.evaluation.markdown_tables import APPROXIMATE, APPROXIMATE_EXPLAINED, SCALE, as_cell, table
from roleshift.evaluation.measures import is_approximate

HEAD = ("capability", "metric", "items", "floor", "a", "b", "a − b", "interval", "p (Holm)", "detects", "verdict")
OUTPUT_CHARACTERS = 160
LARGEST_TITLE = "The items of each capability that differ most, by its primary metric"


def render_json(comparison: Mapping[str, Any]) -> str:
    """The comparison as it is."""
    return json.dumps(comparison, ensure_ascii=False, indent=2, allow_nan=False)


def render_table(comparison: Mapping[str, Any]) -> str:
    """Plain text in columns; scores times 100."""
    rows = [list(HEAD), *_rows(comparison)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    sections = [_preface(comparison), lines, _legend(comparison), _answers(comparison), _slices(comparison)]
    if comparison["largest"]:
        sections.append([f"{LARGEST_TITLE}:", *(f"  {line}" for line in _largest(comparison))])
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def render_markdown(comparison: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    parts = [*_preface(comparison), table(HEAD, _rows(comparison)).strip(), *_legend(comparison)]
    parts += [_list(lines) for lines in (_answers(comparison), _slices(comparison)) if lines]
    if comparison["largest"]:
        parts += [f"{LARGEST_TITLE}:", _list(_largest(comparison))]
    return "\n\n".join(parts) + "\n"


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {as_cell(line)}" for line in lines)


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
            interval += APPROXIMATE if is_approximate(entry) else ""
            p = entry["p_corrected"]
            values = (_plain(entry["a"]), _plain(entry["b"]), _signed(entry["difference"]))
            tested = ("–" if p is None else f"{p:.4f}", _plain(entry["detectable"]), _verdict(entry))
            floor = part["best_floor"] if metric == part["primary_metric"] else None
            said = "" if floor is None else f"{_plain(floor['value'])} ({floor['name'].removeprefix('floor-')})"
            rows.append([capability, metric, str(entry["n"]), said, *values, interval, *tested])
    return rows


def _legend(comparison: Mapping[str, Any]) -> list[str]:
    margin = f"{comparison['margin'] * SCALE:g}"
    needed = [
        f"{name} {entry['needed_for_margin']}"
        for name, part in comparison["capabilities"].items()
        if (entry := part["metrics"][part["primary_metric"]])["needed_for_margin"] is not None
    ]
    lines = [
        "Scores times 100. p: paired approximate randomisation, corrected by Holm over the capabilities, the primary "
        "metrics (each capability's first row) together and each further metric by itself. detects: the smallest true "
        f"difference that so many items show with a probability of 80%. Margin: {margin}. floor: the best trivial "
        "answer to the same items, such as a copy of the input; a score that does not beat it shows nothing."
    ]
    if any(is_approximate(entry) for part in comparison["capabilities"].values() for entry in part["metrics"].values()):
        lines.append(APPROXIMATE_EXPLAINED)
    if needed:
        lines.append(f"Independent items that would show a true difference of {margin}: {', '.join(needed)}.")
    return lines


def _answers(comparison: Mapping[str, Any]) -> list[str]:
    return [
        f"{capability}: {counts[kind]} of {part['items']} answers of {letter} {what}"
        for capability, part in comparison["capabilities"].items()
        for letter, counts in part["answers"].items()
        for kind, what in (("truncated", "were cut at the token limit"), ("empty", "were empty"))
        if counts[kind]
    ]


def _verdict(entry: Mapping[str, Any]) -> str:
    text = str(entry.get("verdict", ""))
    if text in ("undecided", "too few items") and entry["needed_items"]:
        return f"{text} (about {entry['needed_items']} items would tell)"
    return text


def _slices(comparison: Mapping[str, Any]) -> list[str]:
    slices = [(name, entry) for name, part in comparison["capabilities"].items() for entry in part["slices"]]
    lines = [
        f"regressed slice: {capability}, {found['slice']} = {found['value']}: {_signed(found['difference'])} "
        f"[{_signed(found['low'])}, {_signed(found['high'])}], {found['n']} items, p {found['p_corrected']:.4f} (Holm)"
        for capability, found in slices if found["regressed"]
    ]  # fmt: skip
    small = [f"{name}: {each['slice']} = {each['value']} ({each['n']})" for name, each in slices if each["low"] is None]
    if slices:
        tested = len(slices) - len(small)
        lines.append(f"{len(lines)} of {tested} slices with enough items regressed (Holm over all of them)")
    if small:
        lines.append(f"{len(small)} slices are too small for a statement: {', '.join(small)}")
    return lines


def _largest(comparison: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['capability']} {row['example_id']}: {_plain(row['a'])} against {_plain(row['b'])} "
        f"(a: {_short(row, 'a')}; b: {_short(row, 'b')})"
        for row in comparison["largest"]
    ]


def _short(row: Mapping[str, Any], letter: str) -> str:
    output = row[f"output_{letter}"]
    if output is None:
        return "text not in this copy"
    line = " ".join(output.split()) or "empty"
    line = line if len(line) <= OUTPUT_CHARACTERS else f"{line[:OUTPUT_CHARACTERS]}…"
    return f"{line} [cut at the token limit]" if row[f"truncated_{letter}"] else line


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value * SCALE:.1f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value * SCALE:+.1f}"
