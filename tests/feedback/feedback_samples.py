from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roleshift.feedback.events import About, Answered, Event
from roleshift.feedback.store import FeedbackStore, new_event

NEW = Answered(2, "new-model", "onnx-int8", "a2")
OLD = Answered(1, "old-model", "torch-bf16", "a1")


def review_item(number: int, capability: str = "summarize") -> About:
    return About("review", f"e{number}", None, "summarize-papers", capability, "papers")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore(f"sqlite:///{tmp_path}/feedback.db") as opened:
        yield opened


@pytest.fixture
def vote(store: FeedbackStore) -> Callable[..., Event]:
    def add(item: int, outcome: str, who: str = "ann", drawn_by: str = "random", turned: bool = False) -> Event:
        sides = (OLD, NEW) if turned else (NEW, OLD)
        (event,) = store.add(
            new_event(
                "vote",
                about=review_item(item),
                answered=sides[0],
                other=sides[1],
                outcome=outcome,
                drawn_by=drawn_by,
                reviewer_id=who,
            )
        )
        return event

    return add
