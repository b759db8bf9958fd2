"""Tables of metrics/evaluate.json in Markdown: the README's, the examples', and what the report is made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from roleshift.evaluation.measures import SMALL_CLASS, is_approximate
from roleshift.evaluation.metrics.corpus import DESCRIPTIVE

SCALE = 100
"""Scores are shown times 100, as the field does."""
APPROXIMATE = " ≈"
APPROXIMATE_EXPLAINED = (
    f"≈: an interval of macro F1 that is approximate, since a class has fewer than {SMALL_CLASS} items."
)
SYSTEMS = {
    "base": "base",
    "base-shots": "base, examples in the prompt",
    "base-likelihood": "base, likeliest label",
    "floor-first-sentence": "floor: first sentence",
    "floor-copy": "floor: copy of the input",
    "floor-frequent": "floor: most frequent training answer",
    "floor-majority": "floor: most frequent class",
    "floor-random-reference": "floor: reference of another item",
}
"""The systems of the summary in words; the others are variants of the tuned model."""


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
        shown = [figure(part, system, metric) for system in ("base", "base-shots", floor, tuned)]
        if floor:
            shown[2] += f" ({floor.removeprefix('floor-')})"
        shown[3] = f"**{shown[3]}**" if part["beats_all"] else shown[3]
        rows.append([f"{name} ({metric}, {part['items']})", *shown, difference(part, "tuned-base")])
    confidence = f"{summary['settings']['confidence']:.0%}"
    text = table(head, rows)
    explained = f" {APPROXIMATE_EXPLAINED}" if APPROXIMATE in text else ""
    return (
        text
        + f"\nScores times 100, {confidence} bootstrap intervals in brackets. Bold: above base, base with examples "
        f"and every trivial floor by paired intervals that exclude 0 ({summary['beats_all']} of "
        f"{len(summary['capabilities'])} capabilities).{explained}\n"
    )


def systems_markdown(part: Mapping[str, Any]) -> str:
    """Passes and scores of each system, then how its answers look: base, floors and variants."""
    present = dict.fromkeys(name for system in part["systems"].values() for name in system["metrics"])
    metrics = sorted(present, key=lambda name: name != part["primary_metric"])
    scored = _by_system(part, ["passes", *(name for name in metrics if name not in DESCRIPTIVE)])
    described = [name for name in metrics if name in DESCRIPTIVE]
    return f"{scored}\n{_by_system(part, ['cut', 'empty', *described])}" if described else scored


def _by_system(part: Mapping[str, Any], columns: Sequence[str]) -> str:
    heads = {"passes": "passes [exact interval]", "cut": "cut at the token limit", "empty": "empty"}
    rows = []
    for name, system in part["systems"].items():
        own = {"passes": passes(system), "cut": str(system["truncated"]), "empty": str(system["empty"])}
        cells = [own[column] if column in own else figure(part, name, column) for column in columns]
        rows.append([SYSTEMS.get(name, name), *cells])
    return table(["system", *(heads.get(column, column) for column in columns)], rows)


def classes_markdown(part: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of the shipped variant per label or per field; empty without classes."""
    rows = [
        [name, *(percent(entry[key]) for key in ("precision", "recall", "f1")), str(entry["support"])]
        for name, entry in part.get("classes", {}).items()
    ]
    return table(["class", "precision", "recall", "F1", "items"], rows) if rows else ""


def passes(system: Mapping[str, Any]) -> str:
    """How many items reach their threshold, with the exact interval of the share."""
    rate = system["pass_rate"]
    return f"{rate['passes']}/{rate['n']} [{percent(rate['low'])}, {percent(rate['high'])}]"


def figure(part: Mapping[str, Any], system: str | None, metric: str) -> str:
    """A system's value with its interval; a dash where it was not measured."""
    found = part["systems"].get(system, {}).get("metrics", {}).get(metric)
    return "–" if found is None else interval(found)


def interval(found: Mapping[str, Any]) -> str:
    """A value with its interval, or why it has none."""
    if found["low"] is None:
        return f"{percent(found['value'])} (too few items)"
    return f"{percent(found['value'])} [{percent(found['low'])}, {percent(found['high'])}]{_mark(found)}"


def difference(part: Mapping[str, Any], comparison: str) -> str:
    """A comparison's difference with its interval; a dash where it was not made."""
    found = part["differences"].get(comparison)
    return "–" if found is None else signed(found["primary"])


def signed(found: Mapping[str, Any]) -> str:
    """A difference with its interval, both with their sign."""
    if found["difference"] is None:
        return "–"
    text = f"{found['difference'] * SCALE:+.1f}"
    if found["low"] is None:
        return f"{text} (too few items)"
    return f"{text} [{found['low'] * SCALE:+.1f}, {found['high'] * SCALE:+.1f}]{_mark(found)}"


def _mark(found: Mapping[str, Any]) -> str:
    return APPROXIMATE if is_approximate(found) else ""


def percent(value: float | None) -> str:
    """Times 100 with one decimal; a dash where it is undefined."""
    return number(None if value is None else value * SCALE, 1)


def number(value: float | None, digits: int) -> str:
    """A number with so many decimals; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(as_cell(text) for text in line)} |\n" for line in lines)


def as_cell(text: str) -> str:
    """A text that is shown as it is: it can neither end a cell nor open HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")
