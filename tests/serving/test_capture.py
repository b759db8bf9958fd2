"""What is kept of requests: redacted, drawn, deletable; and what users say of answers."""

from pathlib import Path

import pytest
from server_checks import Start

from roleshift.feedback.corrections import correction_rows
from roleshift.feedback.store import FeedbackStore, pseudonym
from roleshift.serving.capture import Redactor


def test_nothing_is_captured_unless_switched_on(start: Start) -> None:
    running = start()
    assert running.chat().status_code == 200
    with FeedbackStore.of(running.project) as store:
        assert store.events() == []


def test_captured_texts_are_redacted_and_feedback_finds_them(start: Start) -> None:
    running = start(capture={"share": 1.0, "retention_days": 30, "redact": ["ACME-[0-9]+"]})
    answer = running.chat(
        "Write to ann@example.org or +49 170 1234567 about ACME-42, key sk-abcdefghijklmnop1234",
        task="headline-encyclopedia", user="ann@example.org",
    ).json()  # fmt: skip
    with FeedbackStore.of(running.project) as store:
        (event,) = store.events("capture")
        text = store.texts([event.text_id])[str(event.text_id)]
        assert text.input == "Write to [e-mail] or [phone] about [redacted], key [key]"
        assert (event.about.capability, event.drawn_by, event.user_id) == (
            "headline",
            "random",
            pseudonym("ann@example.org"),
        )
        assert event.about.request_id == answer["id"]
    given = running.post(
        "/v1/feedback", id=answer["id"], verdict="reject", correction="Better.", reason="off", user="ann@example.org"
    )
    assert given.json() == {"id": answer["id"], "stored": ["judgement", "correction"]}
    with FeedbackStore.of(running.project) as store:
        (correction,) = store.events("correction")
        texts = store.texts([correction.text_id])[str(correction.text_id)]
        assert (texts.correction, texts.input) == ("Better.", text.input)
        assert float(str(event.details["mean_logprob"])) < 0
        database = Path(store.uri.removeprefix("sqlite:///"))
        held = b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))
        assert b"Better." in held
        assert b"ann@example.org" not in held
        assert store.forget("ann@example.org") == 3
        assert [event.kind for event in store.events()] == ["capture", "judgement", "correction"]


def test_feedback_on_nothing_is_refused(start: Start) -> None:
    running = start()
    assert running.post("/v1/feedback", id="chatcmpl-unknown", verdict="accept").status_code == 404
    assert running.post("/v1/feedback", id="x").status_code == 400
    assert running.post("/v1/feedback", id="x", verdict="maybe").status_code == 400


def test_a_share_of_the_requests_is_kept(start: Start) -> None:
    running = start(capture={"share": 0.5})
    ids = {running.chat(f"text {i}", max_tokens=1).json()["id"] for i in range(40)}
    with FeedbackStore.of(running.project) as store:
        kept = {event.about.request_id for event in store.events("capture")}
    assert kept < ids
    assert 5 <= len(kept) <= 35  # outside it with probability 1e-6


def test_a_correction_by_somebody_else_is_deleted_with_the_texts_of_who_asked(start: Start) -> None:
    running = start(capture={"share": 1.0})
    answer = running.chat("my own words", task="headline-encyclopedia", user="asker").json()
    with FeedbackStore.of(running.project) as store:
        assert running.post("/v1/feedback", id=answer["id"], correction="Better.", user="other").status_code == 200
        (correction,) = store.events("correction")
        assert (correction.user_id, correction.reviewer_id) == (pseudonym("asker"), pseudonym("other"))
        assert store.forget("asker") == 2
        assert running.post("/v1/feedback", id=answer["id"], correction="Again.", user="other").status_code == 200
        texts = store.texts(event.text_id for event in store.events())
        assert [text.input for text in texts.values()] == [None]  # the server brings nothing back from memory
        _, left_out = correction_rows(store.events(), texts)
        assert left_out == {"request not captured": 1}


def test_the_slices_of_a_captured_request_come_with_its_correction(start: Start) -> None:
    running = start(capture={"share": 1.0})
    slices = {"aspect": "outcome", "note": "a caller's own words"}
    answer = running.chat("a paper", task="summarize-papers", slices=slices).json()
    running.post("/v1/feedback", id=answer["id"], correction="Better.")
    with FeedbackStore.of(running.project) as store:
        events = store.events()
        rows, _ = correction_rows(events, store.texts(event.text_id for event in events))
    assert [(row["slices"], row["language"]) for row in rows] == [({"aspect": "outcome"}, "en")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.b+c@mail.example.org.", "write to [e-mail]."),
        ("call +49 170 1234567.", "call [phone]."),
        ("call (030) 123-4567, or 555-867-5309!", "call [phone], or [phone]!"),
        ("call 0049-170/1234567 now", "call [phone] now"),
        ("on 2026-11-24 and 3.14159265, in 1999, 12 of 20", "on 2026-11-24 and 3.14159265, in 1999, 12 of 20"),
        ("skeletonization of keys, pkcs", "skeletonization of keys, pkcs"),
        ("sk-proj-abcdefghijkl1234 hf_abcdefghijklmnop", "[key] [key]"),
        ("AKIAABCDEFGHIJKLMNOP", "[key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY----- x", "[key] x"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc-_1", "[key]"),
        ("order ACME-42", "order [redacted]"),
    ],
)
def test_redaction_takes_out_what_identifies_and_leaves_the_rest(text: str, expected: str) -> None:
    assert Redactor(("ACME-[0-9]+",))(text) == expected


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a." * 100_000, "1 " * 100_000, "1" * 200_000, "-" * 200_000, "eyJ-" * 50_000]
)
def test_redaction_of_a_hostile_text_ends(text: str) -> None:
    assert Redactor()(text)
