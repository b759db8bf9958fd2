"""One event of the feedback store, and the texts that belong to it."""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["vote", "judgement", "correction", "capture"]
DrawnBy = Literal["random", "disagreement", "uncertainty", "drift", "choice"]
Outcome = Literal["better", "worse", "both good", "both bad", "accept", "reject", "corrected", "captured"]

OUTCOMES: dict[Kind, tuple[Outcome, ...]] = {
    "vote": ("better", "worse", "both good", "both bad"),
    "judgement": ("accept", "reject"),
    "correction": ("corrected",),
    "capture": ("captured",),
}
DRAWN_BY: tuple[DrawnBy, ...] = get_args(DrawnBy)
CAPTURED = "captured"
"""The population of items that came from use; the others are splits of the examples."""


@dataclass(frozen=True)
class Answered:
    """Whose answer an event is about: a version's number in this store, and what holds anywhere."""

    version: int | None
    model_id: str
    variant: str
    artifact_id: str


@dataclass(frozen=True)
class About:
    """The item: one of a split, by `example_id`, or a captured one, by `request_id`."""

    population: str  # test, review, ... or captured
    example_id: str | None
    request_id: str | None
    task_definition: str | None
    capability: str | None
    domain: str | None

    @property
    def item_id(self) -> str:
        """The id inside its population."""
        return self.example_id or self.request_id or ""


@dataclass(frozen=True)
class Texts:
    """Everything of an event that retention and deletion take away."""

    input: str | None = None
    output: str | None = None
    correction: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Event:
    """One event. A vote compares `answered` with `other`: its outcome says how `answered` did.

    `time` is UTC, ISO 8601. `reviewer_id` judged, `user_id` asked the request. `details` holds
    what is no text of anybody: slices, group, language, licence of the item, token counts.
    """

    event_id: str
    kind: Kind
    time: str
    about: About
    answered: Answered
    other: Answered | None
    drawn_by: DrawnBy
    outcome: Outcome
    reviewer_id: str | None
    user_id: str | None
    text_id: str | None
    details: dict[str, object]
