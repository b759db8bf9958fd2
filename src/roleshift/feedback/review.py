"""What a reviewer is shown: two versions' answers to one item, sides shuffled, in a queue of their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from roleshift.contracts import ITEM_KEY, slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.feedback.drift import Known
from roleshift.feedback.events import About, Answered, DrawnBy, Event, Texts
from roleshift.feedback.store import FeedbackStore, seen_from
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
        metric = pl.col("task_definition").replace_strict({name: task.metric for name, task in tasks.items()})
        joined = items.join(scores.select(*ITEM_KEY, "metric", "score"), on=list(ITEM_KEY), how="inner")
        kept = joined.filter(pl.col("metric") == metric, pl.col("output").is_not_null()).drop("metric")
        return cls(answered, kept.sort("example_id"))


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


def pairs(
    a: Reviewed, b: Reviewed, examples: pl.DataFrame, *, reviewer: str, queue: Queue,
    capability: str | None = None, slice_: tuple[str, str] | None = None,
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
    if slice_ is not None:
        found = [pair for pair in found if pair.slices.get(slice_[0]) == slice_[1]]
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
    sides = [(a, str(row["output"])), (b, str(row["output_b"]))]
    ids = " ".join(sorted(f"{side.model_id}:{side.variant}" for side in (a, b)))
    if int(sha256_text(f"side {reviewer} {about.item_id} {ids}")[:8], 16) % 2:
        sides.reverse()
    (left, left_text), (right, right_text) = sides
    slices = slices_to_map(row["slices"])  # type: ignore[arg-type]
    return Pair(
        about, str(row["input"]), slices, str(row["group_id"]), str(row["language"]), str(row["licence"]), left, right,
        left_text, right_text,
    )  # fmt: skip


def voted(events: Iterable[Event], a: Answered, b: Answered, reviewer: str) -> set[str]:
    """The ids of the review items on which the reviewer has voted between these two."""
    found = set()
    for event in events:
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
    why = reason.strip() or None
    store.add("vote", about=pair.about, answered=pair.left, other=pair.right, outcome=outcome, drawn_by=queue,
              reviewer_id=reviewer, texts=Texts(reason=why))  # fmt: skip
    sides = ((pair.left, pair.left_text), (pair.right, pair.right_text))
    for (answered, output), accept, corrected in zip(sides, accepted, corrections, strict=True):
        if accept is not None:
            store.add("judgement", about=pair.about, answered=answered, outcome="accept" if accept else "reject",
                      drawn_by=queue, reviewer_id=reviewer, texts=Texts(reason=why))  # fmt: skip
        if corrected.strip() and corrected.strip() != output.strip():
            texts = Texts(input=pair.input, output=output, correction=corrected.strip(), reason=why)
            store.add("correction", about=pair.about, answered=answered, outcome="corrected", drawn_by=queue,
                      reviewer_id=reviewer, texts=texts, details=details)  # fmt: skip


@dataclass(frozen=True)
class CapturedItem:
    """One request from use with its answer; `strangeness` is the share of its letter 3-grams that training lacks."""

    event: Event
    input: str
    output: str
    strangeness: float


def captured_items(
    events: Iterable[Event], texts: Mapping[str, Texts], train: pl.DataFrame, *, reviewer: str, queue: DrawnBy
) -> list[CapturedItem]:
    """Captured requests whose texts are there and that the reviewer has not judged, in the reviewer's order.

    `drift` begins with the strangest; `random` leaves out what somebody chose to send.
    """
    listed = list(events)
    judged = {event.about.request_id for event in listed if event.kind == "judgement" and event.reviewer_id == reviewer}
    known = Known(train["input"])
    found = []
    for event in listed:
        text = texts.get(event.text_id or "")
        if event.kind != "capture" or event.about.request_id in judged or text is None:
            continue
        if queue == "random" and event.drawn_by != "random":
            continue
        strange = known.features(text.input or "")["unseen 3-grams"]
        found.append(CapturedItem(event, text.input or "", text.output or "", strange))
    return sorted(
        found,
        key=lambda item: (
            -item.strangeness if queue == "drift" else 0.0,
            sha256_text(f"order {reviewer} {item.event.event_id}"),
        ),
    )


def store_judgement(
    store: FeedbackStore, item: CapturedItem, *, accept: bool, reviewer: str, queue: DrawnBy, correction: str = "",
    reason: str = "",
) -> None:  # fmt: skip
    """Store whether a captured answer is acceptable, and how it should have been."""
    event, why = item.event, reason.strip() or None
    drawn_by: DrawnBy = queue if event.drawn_by == "random" else "choice"
    store.add("judgement", about=event.about, answered=event.answered, outcome="accept" if accept else "reject",
              drawn_by=drawn_by, reviewer_id=reviewer, texts=Texts(reason=why))  # fmt: skip
    if correction.strip() and correction.strip() != item.output.strip():
        texts = Texts(input=item.input, output=item.output, correction=correction.strip(), reason=why)
        store.add("correction", about=event.about, answered=event.answered, outcome="corrected", drawn_by=drawn_by,
                  reviewer_id=reviewer, user_id=event.user_id, texts=texts,
                  details={"slices": {}, "language": event.details.get("language")})  # fmt: skip
