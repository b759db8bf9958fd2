"""From differences to statements: corrected for how many there are, and with what would decide the open ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from roleshift.evaluation.measures import rounded
from roleshift.evaluation.metrics.corpus import DESCRIPTIVE, MEANS
from roleshift.evaluation.statistics import MINIMUM_GROUPS, groups_to_certify, holm, needed_groups, smallest_margin


def judge(family: Sequence[tuple[str, dict[str, Any]]], confidence: float, margin: float | None = None) -> None:
    """Add p_corrected, verdict and needed_items to differences as `paired_difference` gives them.

    `family` is what is corrected together (Holm, 1979): metric and difference of each capability.
    """
    corrected = holm([entry["p"] for _, entry in family])
    for (metric, entry), p in zip(family, corrected, strict=True):
        entry["p_corrected"] = rounded(p)
        entry["verdict"], entry["needed_items"] = verdict(entry, metric, confidence, margin)


def certifiable(entry: Mapping[str, Any], metric: str, confidence: float, margin: float) -> bool:
    """Whether as many groups can show a loss to be smaller than the margin at all.

    A mean score that no item lost may hide a loss of `smallest_margin`; a bootstrap, whose interval is
    then the point 0, does not know that.
    """
    return metric not in MEANS or smallest_margin(entry["groups"], confidence) < margin


def needed_for_margin(entry: Mapping[str, Any], metric: str, confidence: float, margin: float) -> int | None:
    """How many independent items would show a true difference as large as the margin; None where nothing varies."""
    if not entry["deviation"] or margin <= 0:
        return None
    needed = needed_groups(entry["deviation"], entry["groups"], margin, confidence)
    if needed is None or metric not in MEANS:
        return needed
    return max(needed, groups_to_certify(margin, confidence))


def verdict(entry: Mapping[str, Any], metric: str, confidence: float, margin: float | None) -> tuple[str, int | None]:
    """What a difference with its corrected p says, and how many independent items would decide what is open.

    Better or worse (higher or lower for a metric that only describes answers) where the corrected p and
    the interval agree; else, with a margin that so many items can certify, not worse than the margin; else
    undecided, or too few items. The number is that which would show a difference as large as the observed
    one, or non-inferiority at the observed difference, whichever is fewer, with a probability of 80%; None
    where nothing is open, no number of items would tell, or the metric only describes.
    """
    descriptive = metric in DESCRIPTIVE
    if entry["low"] is None:
        return "too few items", MINIMUM_GROUPS if entry["groups"] < MINIMUM_GROUPS else None
    if entry["p_corrected"] is not None and entry["p_corrected"] <= 1 - confidence:
        if entry["low"] > 0:
            return "higher" if descriptive else "better", None
        if entry["high"] < 0:
            return "lower" if descriptive else "worse", None
    if descriptive:
        return "undecided", None
    distances = [abs(entry["difference"])]
    if margin:
        if entry["low"] > -margin:
            if certifiable(entry, metric, confidence, margin):
                return "not worse than the margin", None
            return "undecided", groups_to_certify(margin, confidence)
        distances.append(max(entry["difference"] + margin, 0.0))
    counts = [needed_groups(entry["deviation"], entry["groups"], size, confidence) for size in distances]
    return "undecided", min((count for count in counts if count is not None), default=None)
