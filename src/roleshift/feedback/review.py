"""What a reviewer is shown: two versions' answers to one item, sides shuffled, in a queue of their own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.feedback.acceptance import with_primary_score
from roleshift.feedback.drift import Known
from roleshift.feedback.events import About, Answered, DrawnBy, Event, Texts
from roleshift.feedback.store import Entry, FeedbackStore, new_event, seen_from
from roleshift.files import sha256_text
from roleshift.tasks import TaskDefinition

Queue = Literal["random", "disagreement"]
VOTES = ("left", "right", "both good", "both bad")


@dataclass(frozen=True)
class Reviewed:
    """One version's answers to the review split: `items` (contract ITEMS) with a column `score`, its primary one."""

    answered: Answered
    items: pl.DataFrame

    @classmethod
    def of(
        cls, answered: Answered, items: pl.DataFrame, scores: pl.DataFrame, tasks: Mapping[str, TaskDefinition]
    ) -> "Reviewed":
        """From a version's items and scores; items whose text is not here are left out."""
        scored = with_primary_score(items, scores, tasks)
        return cls(answered, scored.filter(pl.col("output").is_not_null()).sort("example_id"))


@dataclass(frozen=True)
class Pair:
    """One item with two answers, `left` and `right` as the reviewer sees them."""

    about: About
    input: str
    slices: dict[str, str]
    group_id: str
    language: str
    licence: str
    left: Answered
    right: Answered
    left_text: str
    right_text: str

    @property
    def slice_names(self) -> list[str]:
        """Its slices as `name: value`."""
        return [f"{name}: {value}" for name, value in self.slices.items()]


def pairs(
    a: Reviewed, b: Reviewed, examples: pl.DataFrame, *, reviewer: str, queue: Queue,
    capability: str | None = None,
) -> list[Pair]:  # fmt: skip
    """The items that both answered, in the reviewer's order.

    `random` is an order by hash, another one for each reviewer; `disagreement` begins with the
    items whose scores differ most. Which side stands left depends on reviewer and item alone.
    """
    mine = a.items.select("example_id", "task_definition", "capability", "domain", "output", "score")
    other = b.items.select("example_id", output_b="output", score_b="score")
    rows = mine.join(other, on="example_id").join(
        examples.select("example_id", "input", "slices", "group_id", "language", "licence"), on="example_id"
    )
    if rows.is_empty():
        raise RoleShiftError(
            "the two versions share no item of the review split that is in this checkout; run `make repro`"
        )
    if capability is not None:
        rows = rows.filter(pl.col("capability") == capability)
    found = [_pair(row, a.answered, b.answered, reviewer) for row in rows.to_dicts()]
    apart = {row["example_id"]: abs(row["score"] - row["score_b"]) for row in rows.to_dicts()}
    return sorted(
        found,
        key=lambda pair: (
            -apart[pair.about.item_id] if queue == "disagreement" else 0.0,
            sha256_text(f"order {reviewer} {pair.about.item_id}"),
        ),
    )


def _pair(row: dict[str, object], a: Answered, b: Answered, reviewer: str) -> Pair:
    about = About(
        "review", str(row["example_id"]), None, str(row["task_definition"]), str(row["capability"]), str(row["domain"])
    )
    sides = sorted(
        [(a, str(row["output"])), (b, str(row["output_b"]))], key=lambda side: (side[0].model_id, side[0].variant)
    )
    ids = " ".join(f"{side.model_id}:{side.variant}" for side, _ in sides)
    if int(sha256_text(f"side {reviewer} {about.item_id} {ids}")[:8], 16) % 2:
        sides.reverse()
    (left, left_text), (right, right_text) = sides
    slices = slices_to_map(row["slices"])  # type: ignore[arg-type]
    return Pair(
        about, str(row["input"]), slices, str(row["group_id"]), str(row["language"]), str(row["licence"]), left, right,
        left_text, right_text,
    )  # fmt: skip


def voted(events: Iterable[Event], a: Answered, b: Answered, reviewer: str, queue: Queue) -> set[str]:
    """The ids of the review items on which the reviewer has voted between these two, as far as `queue` goes.

    At random only votes at random are done with: an item that stood first because its scores differ most enters
    no rate by that vote, and were it left out of the random order, the rates would miss the largest differences.
    """
    found = set()
    for event in events:
        if queue == "random" and event.drawn_by != "random":
            continue
        turned = seen_from(event, a) if event.kind == "vote" and event.reviewer_id == reviewer else None
        if turned and turned.other and (turned.other.model_id, turned.other.variant) == (b.model_id, b.variant):
            found.add(turned.about.item_id)
    return found


def store_review(
    store: FeedbackStore, pair: Pair, vote: str, *, reviewer: str, queue: DrawnBy,
    accepted: tuple[bool | None, bool | None] = (None, None), corrections: tuple[str, str] = ("", ""),
    reason: str = "",
) -> None:  # fmt: skip
    """Store one vote with what was said of each side (left, right): accepted or not, and a corrected text."""
    outcome = {"left": "better", "right": "worse"}.get(vote, vote)
    details: dict[str, object] = {
        "slices": pair.slices, "group_id": pair.group_id, "language": pair.language, "licence": pair.licence,
    }  # fmt: skip
    said: dict[str, Any] = {"about": pair.about, "drawn_by": queue, "reviewer_id": reviewer}
    why = Texts(reason=reason.strip() or None)
    entries = [new_event("vote", answered=pair.left, other=pair.right, outcome=outcome, texts=why, **said)]
    sides = ((pair.left, pair.left_text), (pair.right, pair.right_text))
    for (answered, output), accept, corrected in zip(sides, accepted, corrections, strict=True):
        if accept is not None:
            verdict = "accept" if accept else "reject"
            entries.append(new_event("judgement", answered=answered, outcome=verdict, texts=why, **said))
        entries += _correction(pair.input, output, corrected, why, answered=answered, details=details, **said)
    store.add(*entries)


def _correction(asked: str, output: str, corrected: str, why: Texts, **said: Any) -> list[Entry]:
    """The correction of an answer; none where its text was left as it is."""
    text = corrected.strip()
    if not text or text == output.strip():
        return []
    return [new_event("correction", outcome="corrected", texts=Texts(asked, output, text, why.reason), **said)]


@dataclass(frozen=True)
class CapturedItem:
    """One request from use with its answer, and why it is shown."""

    event: Event
    input: str
    output: str
    drawn_by: DrawnBy

    @property
    def slice_names(self) -> list[str]:
        """Its slices as `name: value`."""
        slices: Any = self.event.details.get("slices") or {}
        return [f"{name}: {value}" for name, value in slices.items()]


def captured_queue(
    events: Iterable[Event], texts: Mapping[str, Texts], train: pl.DataFrame, *, reviewer: str,
    shares: Mapping[str, float], only: str | None = None, capability: str | None = None,
) -> list[CapturedItem]:  # fmt: skip
    """Captured requests whose texts are there and that the reviewer has not judged, in the order of review.

    First what somebody chose to send. The others belong to one queue each, by a hash of their id
    and `shares` (random, uncertainty, drift; they add up to 1), and are offered in those shares:
    at random, by how unlikely the model held its own answer, by how many of the input's letter
    3-grams training lacks. So the items of the queue `random` are a fair sample of use, whatever
    the other queues prefer. `only` names one queue, which is then offered alone, and no item moves
    from one to another by it; `capability` leaves out all others.
    """
    listed = list(events)
    judged = {event.about.request_id for event in listed if event.kind == "judgement" and event.reviewer_id == reviewer}
    queues: dict[str, list[CapturedItem]] = {name: [] for name in ("choice", *shares)}
    for event in listed:
        text = texts.get(event.text_id or "")
        if event.kind != "capture" or (capability is not None and event.about.capability != capability):
            continue
        if event.about.request_id not in judged and text is not None:
            queue: Any = _queue_of(event, shares) if event.drawn_by == "random" else "choice"
            queues[queue].append(CapturedItem(event, text.input or "", text.output or "", queue))
    known = Known(train["input"]) if queues.get("drift") else None
    first: dict[str, Callable[[CapturedItem], float]] = {
        "uncertainty": lambda item: float(str(item.event.details.get("mean_logprob") or 0)),
        "drift": lambda item: -known.features(item.input)["unseen 3-grams"] if known else 0.0,
    }
    for name, items in queues.items():
        items.sort(key=lambda item: sha256_text(f"order {reviewer} {item.event.event_id}"))
        if name in first:
            items.sort(key=first[name])
    if only is not None:
        return queues[only]
    return queues["choice"] + _in_shares({name: queues[name] for name in shares}, shares)


def _queue_of(event: Event, shares: Mapping[str, float]) -> str:
    """The one queue of an event: a hash of its id between 0 and 1 falls into one share."""
    place, end = int(sha256_text(f"queue {event.event_id}")[:13], 16) / 16**13, 0.0
    for name, share in shares.items():
        end += share
        if place < end:
            return name
    return max(shares, key=lambda name: shares[name])


def _in_shares(queues: Mapping[str, list[CapturedItem]], shares: Mapping[str, float]) -> list[CapturedItem]:
    """The queues as one: at each place the queue that is furthest behind its share, while it lasts."""
    taken = dict.fromkeys(queues, 0)
    merged: list[CapturedItem] = []
    while left := [name for name in queues if taken[name] < len(queues[name])]:
        place = len(merged) + 1
        name = max(left, key=lambda each: shares[each] * place - taken[each])
        merged.append(queues[name][taken[name]])
        taken[name] += 1
    return merged


def store_judgement(
    store: FeedbackStore, item: CapturedItem, *, accept: bool, reviewer: str, correction: str = "", reason: str = "",
) -> None:  # fmt: skip
    """Store whether a captured answer is acceptable, and how it should have been."""
    event, why = item.event, Texts(reason=reason.strip() or None)
    said: dict[str, Any] = {"about": event.about, "answered": event.answered, "drawn_by": item.drawn_by,
                            "reviewer_id": reviewer}  # fmt: skip
    said["user_id"] = event.user_id  # a reason may quote what the person asked
    verdict = new_event("judgement", outcome="accept" if accept else "reject", texts=why, **said)
    details = {name: event.details.get(name) for name in ("slices", "language")}
    corrected = _correction(item.input, item.output, correction, why, details=details, **said)
    store.add(verdict, *corrected)
