"""metrics/evaluate.json as a report for people: docs/evaluation-report.md."""

from collections.abc import Mapping
from typing import Any

from roleshift.evaluation.markdown_tables import (
    APPROXIMATE_EXPLAINED,
    SCALE,
    SYSTEMS,
    classes_markdown,
    figure,
    interval,
    number,
    passes,
    percent,
    results_markdown,
    signed,
    systems_markdown,
    table,
)
from roleshift.evaluation.statistics import VERIFIED_GROUPS, detectable_difference, needed_groups

COMPARISONS = {
    "tuned-base": "tuned − base",
    "tuned-base-shots": "tuned − base, examples in the prompt",
    "tuned-base-likelihood": "tuned − base, likeliest label",
    "tuned-best-floor": "tuned − best floor",
    "shipped-reference": "shipped − unquantised",
}
PLANNED = (0.01, 0.02, 0.05)
"""True differences for which the report says how many items would show them."""


def report_markdown(summary: Mapping[str, Any]) -> str:
    """The whole evaluation report of a run."""
    parts = [
        "# Evaluation report\n",
        "Written from `metrics/evaluate.json`; `roleshift.evaluation.report` says what stands in that file, "
        "[evaluation.md](evaluation.md) how it is measured.\n",
        _how_to_read(summary),
        results_markdown(summary),
        "## Each capability at a glance\n",
        _glance(summary),
        "## What these items can tell\n",
        _power(summary),
    ]
    for name, part in summary["capabilities"].items():
        parts += [
            f"## {name}\n",
            _about(part, summary["tuned"]["shipped"]),
            systems_markdown(part),
            _comparisons(part),
            _classes(part, summary["tuned"]["shipped"]),
            _slices(part),
            _robustness(part),
            _leaks(part),
        ]
    parts += [_perturbations(summary), _signatures(summary)]
    return "\n".join(part for part in parts if part)


def base_markdown(summary: Mapping[str, Any]) -> str:
    """What metrics/baseline.json says of the base and the floors, by capability; headings of the second level."""
    parts = []
    for name, part in summary["capabilities"].items():
        about = _about(part, "base") if "base" in part["systems"] else ""
        parts += [f"## {name}\n", about, systems_markdown(part), _slices(part)]
    return "\n".join(part for part in [*parts, _signatures(summary)] if part)


def _how_to_read(summary: Mapping[str, Any]) -> str:
    base, tuned, settings = summary["base"], summary["tuned"], summary["settings"]
    judged = ""
    if tuned["reference"] != tuned["shipped"]:
        judged = f", and is judged against its unquantised form `{tuned['reference']}`"
    confidence = f"{settings['confidence']:.0%}"
    lines = [
        f"**Systems.** *base* is the untouched model `{base['model_id']}` ({base['variant']}), also asked with "
        f"{settings['shots']} worked examples in its prompt. *tuned* is the fine-tuned model `{tuned['model_id']}`, of "
        f"which `{tuned['shipped']}` ships{judged}. *Floors* are trivial answers to the same items, such as a copy of "
        "the input: a score that does not beat them shows nothing.",
        f"**Figures.** Scores are times 100. Brackets hold {confidence} intervals: bootstrap for scores and "
        f"differences, exact for pass rates. Fewer than {settings['minimum_groups']} independent items have no "
        f"interval, and with fewer than {VERIFIED_GROUPS} it may be a little too narrow "
        f"([interval-coverage.md](interval-coverage.md)). {APPROXIMATE_EXPLAINED}",
        "**Passes.** An item passes when its score by the capability's primary metric (its first column) reaches the "
        "task's threshold, which was set before anything was measured.",
        "**Comparisons** are paired: the same items on both sides. p is by approximate randomisation, corrected by "
        "Holm over the capabilities of the same comparison; a verdict needs p and interval to agree.",
    ]
    return "".join(f"- {line}\n" for line in lines)


def _glance(summary: Mapping[str, Any]) -> str:
    shipped = summary["tuned"]["shipped"]
    rows = []
    for name, part in summary["capabilities"].items():
        mine, metric, floor = part["systems"][shipped], part["primary_metric"], part["best_floor"]
        rows.append(
            [
                f"{name} ({metric})",
                figure(part, shipped, metric),
                f"{figure(part, floor, metric)} ({floor.removeprefix('floor-')})" if floor else "–",
                passes(mine),
                _worst(part),
                _noise(part),
                _without_leaks(part),
                _oddities(part, mine),
            ]
        )
    head = [
        "capability", f"tuned, {shipped}", "best floor", "passes", "worst slice", "change under noise",
        "overlap with training data; score without", "answers cut, empty, malformed",
    ]  # fmt: skip
    return table(head, rows)


def _worst(part: Mapping[str, Any]) -> str:
    worst = part.get("slices", {}).get("worst")
    return f"{worst['slice']} = {worst['of']}: {percent(worst['value'])}" if worst else "no slice has enough items"


def _noise(part: Mapping[str, Any]) -> str:
    found = part.get("robustness")
    if not found:
        return "not measured"
    return signed(found) + (f", indicative: {found['n']} items" if found["indicative"] else "")


def _without_leaks(part: Mapping[str, Any]) -> str:
    found = part.get("leaks")
    return f"{found['either']} of {part['items']}; {percent(found['value_without'])}" if found else "not checked"


def _oddities(part: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    malformed = part.get("malformed")
    return f"{mine['truncated']}, {mine['empty']}, {'–' if malformed is None else malformed} of {mine['items']}"


def _power(summary: Mapping[str, Any]) -> str:
    """What the comparison of tuned and base can detect, and what it would take to detect less."""
    confidence = summary["settings"]["confidence"]
    rows = []
    for name, part in summary["capabilities"].items():
        found = part["differences"].get("tuned-base", {}).get("primary")
        if not found or found["deviation"] is None:
            continue
        needed = [needed_groups(found["deviation"], found["groups"], size, confidence) for size in PLANNED]
        rows.append(
            [
                f"{name} ({part['primary_metric']})",
                str(found["groups"]),
                percent(detectable_difference(found["deviation"], confidence)),
                *("–" if count is None else str(count) for count in needed),
            ]
        )
    if not rows:
        return "No comparison with the base has an interval: there are too few items for a statement.\n"
    head = [
        "capability", "independent items", "smallest true difference that they show",
        *(f"items to show {SCALE * size:g}" for size in PLANNED),
    ]  # fmt: skip
    return (
        "How large a true difference between tuned and base must be to be found with a probability of 80%, and how "
        "many items smaller ones would need, by how much the items' differences vary. Two variants of one model differ "
        "less from item to item: `roleshift compare` says the same of any two.\n\n" + table(head, rows)
    )


def _about(part: Mapping[str, Any], shipped: str) -> str:
    mine = part["systems"][shipped]
    thresholds = ", ".join(f"{SCALE * value:g}" for value in mine["pass_rate"]["thresholds"])
    text = (
        f"Tasks: {', '.join(part['tasks'])}. Domains: {', '.join(part['domains'])}. Languages: "
        f"{', '.join(part['languages'])}. {part['items']} items. An item passes from {part['primary_metric']} "
        f"{thresholds} on."
    )
    if mine["truncated"]:
        text += f" {mine['truncated']} answers of {shipped} were cut at the token limit."
    if mine["empty"]:
        text += f" {mine['empty']} answers of {shipped} were empty."
    if part.get("malformed"):
        text += f" {part['malformed']} answers of {shipped} were not the JSON asked for."
    return text + "\n"


def _comparisons(part: Mapping[str, Any]) -> str:
    rows = []
    for name, entry in part["differences"].items():
        primary = entry["primary"]
        verdict = primary["verdict"]
        if primary.get("needed_items"):
            verdict += f" (about {primary['needed_items']} items would tell)"
        rows.append(
            [
                COMPARISONS[name],
                SYSTEMS.get(entry["b"], entry["b"]),
                signed(primary),
                number(primary["p_corrected"], 4),
                percent(primary["detectable"]),
                verdict,
            ]
        )
    head = [f"comparison ({part['primary_metric']})", "against", "difference", "p (Holm)", "detects", "verdict"]
    return table(head, rows) if rows else ""


def _classes(part: Mapping[str, Any], shipped: str) -> str:
    classes = classes_markdown(part)
    return f"By class, {shipped}:\n\n{classes}" if classes else ""


def _slices(part: Mapping[str, Any]) -> str:
    slices = part.get("slices", {"by_name": {}, "worst": None})
    rows = [
        [name, value, str(entry["n"]), interval(entry)]
        for name, values in slices["by_name"].items()
        for value, entry in values.items()
    ]
    if not rows:
        return ""
    worst = slices["worst"]
    line = "No slice has enough items for a statement.\n"
    if worst:
        line = f"Worst slice with enough items: {worst['slice']} = {worst['of']} ({percent(worst['value'])}).\n"
    return table(["slice", "value", "items", part["primary_metric"]], rows) + "\n" + line


def _robustness(part: Mapping[str, Any]) -> str:
    found = part.get("robustness")
    if not found:
        return ""
    label = "Indicative, measured on a part of the items: with" if found["indicative"] else "With"
    return (
        f"{label} noise in {found['n']} inputs {percent(found['clean'])} becomes {percent(found['perturbed'])} "
        f"({signed(found)}).\n"
    )


def _leaks(part: Mapping[str, Any]) -> str:
    found = part.get("leaks")
    if not found:
        return ""
    return (
        f"{found['either']} of {part['items']} test items share eight words in a row with training data (inputs "
        f"{found['input']}, references {found['reference']}); without them: {percent(found['value_without'])}.\n"
    )


def _perturbations(summary: Mapping[str, Any]) -> str:
    found = summary["robustness_by_perturbation"]
    if not found:
        return ""
    rows = [
        [name, str(entry["n"]), percent(entry["clean"]), percent(entry["perturbed"]), signed(entry)]
        for name, entry in found.items()
    ]
    indicative = " Indicative: measured on a part of the items." if any(e["indicative"] for e in found.values()) else ""
    return f"## Noise in the input\n\nMean primary score over all capabilities.{indicative}\n\n" + table(
        ["perturbation", "items", "clean", "perturbed", "difference"], rows
    )


def _signatures(summary: Mapping[str, Any]) -> str:
    """Each metric's signatures, with the capabilities that have it where they differ."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, part in summary["capabilities"].items():
        for metric, signature in part.get("signatures", {}).items():
            found.setdefault((metric, signature), []).append(name)
    if not found:  # of a run before the summary named them
        return ""
    rows = [[metric, f"`{signature}`", ", ".join(names)] for (metric, signature), names in sorted(found.items())]
    return "## How each metric was computed\n\nTwo values with different signatures are never compared.\n\n" + table(
        ["metric", "signature", "capabilities"], rows
    )
