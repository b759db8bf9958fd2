"""What the events say: each person's last word on each item, acceptance, win rates, agreement."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import krippendorff
import numpy as np

from roleshift.feedback.events import CAPTURED, Answered, Event
from roleshift.feedback.store import seen_from
from roleshift.impact.capability import lower_bound

WORTH = {"better": 1.0, "worse": 0.0, "both good": 0.5, "both bad": 0.5}


@dataclass(frozen=True)
class WinRate:
    """Blind comparisons of one version with another, on items drawn at random.

    `rate` counts a tie as half; several votes on one item count as their mean. `lower` and `upper`
    are the exact two-sided interval over items (Clopper and Pearson, 1934).
    """

    items: int
    votes: int
    reviewers: int
    wins: int
    losses: int
    ties: int
    rate: float | None
    lower: float
    upper: float


def last_words(events: Iterable[Event]) -> list[Event]:
    """Of each reviewer's events of one kind on one item's answers the last one; nobody's stands for another's."""
    last: dict[tuple[object, ...], Event] = {}
    for event in events:
        sides = sorted((side.model_id, side.variant) for side in (event.answered, event.other) if side is not None)
        last[event.kind, event.reviewer_id, event.about.population, event.about.item_id, *sides] = event
    return list(last.values())


@dataclass(frozen=True)
class Acceptance:
    """How often people accept a version's answers in use: random items only, several judgements by their mean.

    `lower` and `upper` are the exact two-sided 95% interval over items (Clopper and Pearson, 1934).
    """

    answered: Answered
    capability: str
    items: int
    rate: float
    lower: float
    upper: float


def acceptance_in_use(events: Iterable[Event]) -> list[Acceptance]:
    """The acceptance rate of each version and capability over captured requests that were drawn at random."""
    found: dict[tuple[Answered, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for event in last_words(event for event in events if event.kind == "judgement" and event.drawn_by == "random"):
        if event.about.population == CAPTURED and event.about.capability is not None:
            found[event.answered, event.about.capability][event.about.item_id].append(event.outcome == "accept")
    rates = []
    for (answered, capability), items in found.items():
        n, accepted = len(items), sum(float(np.mean(given)) for given in items.values())
        lower, upper = lower_bound(accepted, n, 0.975), 1 - lower_bound(n - accepted, n, 0.975)
        rates.append(Acceptance(answered, capability, n, accepted / n, float(lower), float(upper)))
    return sorted(rates, key=lambda rate: (rate.answered.version or 0, rate.capability))


def win_rate(events: Iterable[Event], answered: Answered, other: Answered, confidence: float) -> WinRate:
    """How `answered` did against `other`; items drawn by disagreement, drift or choice do not enter."""
    found = []
    for event in last_words(event for event in events if event.kind == "vote" and event.drawn_by == "random"):
        turned = seen_from(event, answered)
        if turned is None or turned.other is None or turned.about.population == CAPTURED:
            continue
        if (turned.other.model_id, turned.other.variant) == (other.model_id, other.variant):
            found.append(turned)
    by_item: dict[str, list[float]] = defaultdict(list)
    for event in found:
        by_item[event.about.item_id].append(WORTH[event.outcome])
    n = len(by_item)
    points = sum(float(np.mean(values)) for values in by_item.values())
    one_sided = (1 + confidence) / 2
    counts = {name: sum(event.outcome == name for event in found) for name in WORTH}
    return WinRate(
        n, len(found), len({event.reviewer_id for event in found}), counts["better"], counts["worse"],
        counts["both good"] + counts["both bad"], points / n if n else None,
        float(lower_bound(points, n, one_sided)) if n else 0.0,
        1 - float(lower_bound(n - points, n, one_sided)) if n else 1.0,
    )  # fmt: skip


def agreement(events: Iterable[Event], kind: str) -> tuple[float | None, int]:
    """Krippendorff's alpha (nominal) over items that at least two people judged, and their number.

    None where fewer than two items have two judgements, or nobody's outcome differs anywhere.
    """
    table: dict[tuple[object, ...], dict[str, str]] = defaultdict(dict)
    for event in last_words(event for event in events if event.kind == kind and event.reviewer_id):
        first = event
        if event.other is not None:  # the same pair in one order, whichever side was written first
            sides = sorted((event.answered, event.other), key=lambda side: (side.model_id, side.variant))
            first = seen_from(event, sides[0]) or event
        key = (first.about.population, first.about.item_id, first.answered.model_id, first.answered.variant)
        table[key][str(event.reviewer_id)] = first.outcome
    shared = {key: given for key, given in table.items() if len(given) > 1}
    outcomes = sorted({outcome for given in shared.values() for outcome in given.values()})
    if len(shared) < 2 or len(outcomes) < 2:
        return None, len(shared)
    people = sorted({name for given in shared.values() for name in given})
    ratings = [
        [outcomes.index(given[name]) if name in given else np.nan for given in shared.values()] for name in people
    ]
    return float(krippendorff.alpha(reliability_data=ratings, level_of_measurement="nominal")), len(shared)
