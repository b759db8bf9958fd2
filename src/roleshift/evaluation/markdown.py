"""metrics/evaluate.json as tables for people: the README's and docs/evaluation-report.md."""

from collections.abc import Mapping, Sequence
from typing import Any

SCALE = 100
"""Scores are shown times 100, as the field does."""


def results_markdown(summary: Mapping[str, Any]) -> str:
    """The table of base, base with shots, best floor and shipped model, one row per capability."""
    tuned, shots = summary["tuned"]["shipped"], summary["settings"]["shots"]
    head = [
        "capability (metric, items)",
        "base",
        f"base, {shots} examples in the prompt",
        "best floor",
        f"tuned, {tuned}",
        "tuned − base",
    ]
    rows = []
    for name, part in summary["capabilities"].items():
        metric = part["primary_metric"]
        floor = part["best_floor"]
        shown = [_figure(part, system, metric) for system in ("base", "base-shots", floor, tuned)]
        if floor:
            shown[2] += f" ({floor.removeprefix('floor-')})"
        shown[3] = f"**{shown[3]}**" if part["beats_all"] else shown[3]
        rows.append([f"{name} ({metric}, {part['items']})", *shown, _difference(part, "tuned-base")])
    confidence = f"{summary['settings']['confidence']:.0%}"
    return (
        _table(head, rows)
        + f"\nScores times 100, {confidence} bootstrap intervals in brackets. Bold: above base, base with examples "
        f"and every trivial floor by paired intervals that exclude 0 ({summary['beats_all']} of "
        f"{len(summary['capabilities'])} capabilities).\n"
    )


def report_markdown(summary: Mapping[str, Any]) -> str:
    """The whole evaluation report of a run."""
    base, tuned = summary["base"], summary["tuned"]
    parts = [
        "# Evaluation report\n",
        "Written from `metrics/evaluate.json`; how its figures are made is in `roleshift.evaluation.report`.\n",
        f"Base `{base['model_id']}` ({base['variant']}), tuned `{tuned['model_id']}` as `{tuned['shipped']}`.\n",
        results_markdown(summary),
    ]
    for name, part in summary["capabilities"].items():
        parts.append(f"## {name}\n\n{_about(part, tuned['shipped'])}")
        parts += [
            systems_markdown(part),
            _comparisons(part),
            classes_markdown(part),
            _slices(part),
            _robustness_line(part),
            _leaks(part),
        ]
    parts.append(_perturbations(summary))
    return "\n".join(part for part in parts if part)


def _about(part: Mapping[str, Any], shipped: str) -> str:
    mine = part["systems"][shipped]
    text = f"Tasks: {', '.join(part['tasks'])}. Domains: {', '.join(part['domains'])}. {part['items']} items."
    if mine["truncated"]:
        text += f" {mine['truncated']} answers were cut at the token limit."
    if mine["empty"]:
        text += f" {mine['empty']} answers were empty."
    if part.get("malformed"):
        text += f" {part['malformed']} answers were not the JSON asked for."
    return text + "\n"


def systems_markdown(part: Mapping[str, Any]) -> str:
    """Passes and every metric of each system: base, floors and variants."""
    metrics = list(dict.fromkeys(name for system in part["systems"].values() for name in system["metrics"]))
    metrics.sort(key=lambda name: name != part["primary_metric"])
    rows = []
    for name, system in part["systems"].items():
        rate = system["pass_rate"]
        passes = f"{rate['passes']}/{rate['n']} [{_percent(rate['low'])}, {_percent(rate['high'])}]"
        rows.append([name, passes, *(_figure(part, name, metric) for metric in metrics)])
    return _table(["system", "passes [exact interval]", *metrics], rows)


def _comparisons(part: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            entry["b"],
            _difference(part, name),
            _number(entry["primary"]["p_corrected"], 4),
            entry["primary"]["verdict"],
        ]
        for name, entry in part["differences"].items()
    ]
    return _table([f"comparison ({part['primary_metric']})", "against", "difference", "p (Holm)", "verdict"], rows)


def classes_markdown(part: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of the shipped variant per label or per field; empty without classes."""
    rows = [
        [name, *(_percent(entry[key]) for key in ("precision", "recall", "f1")), str(entry["support"])]
        for name, entry in part.get("classes", {}).items()
    ]
    return _table(["class", "precision", "recall", "F1", "items"], rows) if rows else ""


def _slices(part: Mapping[str, Any]) -> str:
    slices = part.get("slices", {"by_name": {}, "worst": None})
    rows = [
        [name, value, str(entry["n"]), _interval(entry)]
        for name, values in slices["by_name"].items()
        for value, entry in values.items()
    ]
    if not rows:
        return ""
    worst = slices["worst"]
    line = "No slice has enough items for a statement.\n"
    if worst:
        line = f"Worst slice with enough items: {worst['slice']} = {worst['of']} ({_percent(worst['value'])}).\n"
    return _table(["slice", "value", "items", part["primary_metric"]], rows) + "\n" + line


def _robustness_line(part: Mapping[str, Any]) -> str:
    found = part.get("robustness")
    if not found:
        return ""
    label = "Indicative: " if found["indicative"] else ""
    return (
        f"{label}with noise in {found['n']} inputs {_percent(found['clean'])} becomes "
        f"{_percent(found['perturbed'])} ({_signed(found)}).\n"
    )


def _leaks(part: Mapping[str, Any]) -> str:
    found = part.get("leaks")
    if not found:
        return ""
    return (
        f"{found['either']} of {part['items']} test items share eight words in a row with training data (inputs "
        f"{found['input']}, references {found['reference']}); without them: {_percent(found['value_without'])}.\n"
    )


def _perturbations(summary: Mapping[str, Any]) -> str:
    rows = [
        [name, str(entry["n"]), _percent(entry["clean"]), _percent(entry["perturbed"]), _signed(entry)]
        for name, entry in summary["robustness_by_perturbation"].items()
    ]
    if not rows:
        return ""
    return "## Noise in the input\n\nMean primary score over all capabilities.\n\n" + _table(
        ["perturbation", "items", "clean", "perturbed", "difference"], rows
    )


def _figure(part: Mapping[str, Any], system: str | None, metric: str) -> str:
    found = part["systems"].get(system, {}).get("metrics", {}).get(metric)
    return "–" if found is None else _interval(found)


def _interval(found: Mapping[str, Any]) -> str:
    if found["low"] is None:
        return f"{_percent(found['value'])} (too few items)"
    return f"{_percent(found['value'])} [{_percent(found['low'])}, {_percent(found['high'])}]"


def _difference(part: Mapping[str, Any], comparison: str) -> str:
    found = part["differences"].get(comparison)
    return "–" if found is None else _signed(found["primary"])


def _signed(found: Mapping[str, Any]) -> str:
    if found["difference"] is None:
        return "–"
    text = f"{found['difference'] * SCALE:+.1f}"
    if found["low"] is None:
        return f"{text} (too few items)"
    return f"{text} [{found['low'] * SCALE:+.1f}, {found['high'] * SCALE:+.1f}]"


def _percent(value: float | None) -> str:
    return _number(None if value is None else value * SCALE, 1)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '∣') for cell in line)} |\n" for line in lines)
