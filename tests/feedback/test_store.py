"""The store: nothing is overwritten, texts can be taken away, and a kill or a second writer loses nothing."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from roleshift.errors import RoleShiftError
from roleshift.feedback.events import About, Answered, Event, Texts
from roleshift.feedback.store import FeedbackStore, new_event

ONE = Answered(1, "m", "onnx-int8", "a")
ITEM = About("captured", None, "r1", "summarize-papers", "summarize", "papers")


def test_an_event_comes_back_as_it_was_given_in_another_process_too(store: FeedbackStore, tmp_path: Path) -> None:
    (given,) = store.add(
        new_event(
            "judgement",
            about=ITEM,
            answered=ONE,
            outcome="reject",
            reviewer_id="ann",
            drawn_by="random",
            texts=Texts(input="in", reason="wrong 数字"),
            details={"slices": {"a": "b"}},
        )
    )
    with FeedbackStore(f"sqlite:///{tmp_path}/feedback.db") as other:
        assert other.events() == [given]
        assert other.texts([given.text_id])[str(given.text_id)] == Texts(input="in", reason="wrong 数字")


def test_events_can_only_be_added(store: FeedbackStore, tmp_path: Path) -> None:
    store.add(new_event("capture", about=ITEM, answered=ONE, outcome="captured"))
    for change in ("UPDATE roleshift_feedback SET outcome = 'accept'", "DELETE FROM roleshift_feedback"):
        connection = sqlite3.connect(tmp_path / "feedback.db")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(change)
        connection.close()


def test_one_persons_texts_go_and_leave_tombstones_while_events_stay(store: FeedbackStore, tmp_path: Path) -> None:
    (gone,) = store.add(
        new_event(
            "capture", about=ITEM, answered=ONE, outcome="captured", user_id="u1", texts=Texts(input="my secret text")
        )
    )
    (kept,) = store.add(
        new_event("capture", about=ITEM, answered=ONE, outcome="captured", user_id="u2", texts=Texts(input="other"))
    )
    assert store.forget("u1") == 1
    assert store.forget("u1") == 0
    assert len(store.events()) == 2
    assert set(store.texts([gone.text_id, kept.text_id])) == {kept.text_id}
    assert store.deleted() == {gone.text_id}
    held = b"".join(path.read_bytes() for path in tmp_path.glob("feedback.db*"))
    assert b"my secret text" not in held


def test_retention_takes_old_captured_texts_only(store: FeedbackStore) -> None:
    (old,) = store.add(new_event("capture", about=ITEM, answered=ONE, outcome="captured", texts=Texts(input="old")))
    (review,) = store.add(
        new_event(
            "correction",
            about=About("review", "e1", None, "t", "summarize", "d"),
            answered=ONE,
            outcome="corrected",
            texts=Texts(input="in", correction="better"),
        )
    )
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE roleshift_feedback_texts SET time = '2020-01-01T00:00:00.000+00:00'"))
    about = replace(ITEM, request_id="r-new")
    (new,) = store.add(new_event("capture", about=about, answered=ONE, outcome="captured", texts=Texts(input="new")))
    assert store.expire(30) == 1
    assert set(store.texts([old.text_id, review.text_id, new.text_id])) == {review.text_id, new.text_id}


def test_a_correction_lives_no_longer_than_the_request_that_it_repeats(store: FeedbackStore) -> None:
    store.add(new_event("capture", about=ITEM, answered=ONE, outcome="captured", texts=Texts(input="old")))
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE roleshift_feedback_texts SET time = '2020-01-01T00:00:00.000+00:00'"))
    store.add(
        new_event("correction", about=ITEM, answered=ONE, outcome="corrected", texts=Texts(input="old", correction="x"))
    )
    assert store.expire(30) == 2


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"kind": "judgement", "outcome": "better"}, "has no outcome 'better'"),
        ({"kind": "judgement", "outcome": "accept", "drawn_by": "whim"}, "drawn_by 'whim'"),
        ({"kind": "vote", "outcome": "better"}, "names the other answer"),
    ],
)
def test_an_event_that_cannot_be_is_refused(store: FeedbackStore, event: dict[str, str], problem: str) -> None:
    with pytest.raises(RoleShiftError, match=problem):
        store.add(new_event(**event, about=ITEM, answered=ONE))  # type: ignore[arg-type]
    assert store.events() == []


def _write(uri: str, who: str) -> None:
    with FeedbackStore(uri) as store:
        for _ in range(40):
            store.add(new_event("judgement", about=ITEM, answered=ONE, outcome="accept", reviewer_id=who))


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/feedback.db"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(uri, f"p{i}")) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 4
    with FeedbackStore(uri) as store:
        assert len(store.events()) == 160


def test_a_store_that_cannot_be_opened_is_named_without_its_password() -> None:
    with pytest.raises(RoleShiftError, match=r"feedback store postgresql\+nodriver://\*\*\*@host") as caught:
        FeedbackStore("postgresql+nodriver://user:secret@host/db")
    assert "secret" not in str(caught.value)


def test_votes_are_read_back_by_kind(store: FeedbackStore, vote: Callable[..., Event]) -> None:
    given = vote(1, "better")
    store.add(new_event("capture", about=ITEM, answered=ONE, outcome="captured"))
    assert store.events("vote") == [given]
