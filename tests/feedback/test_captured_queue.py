"""What reviewers are shown of use: stated shares, and a random part that is a fair sample."""

from collections import Counter
from dataclasses import replace

import numpy as np
from evaluation_samples import make_examples, make_task
from feedback_samples import NEW

from roleshift.feedback.events import About, Event, Texts
from roleshift.feedback.review import CapturedItem, captured_queue, store_judgement
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.feedback.summary import acceptance_in_use

TASK = make_task("summarize-tests", "summarize")
TRAIN = make_examples({TASK.id: TASK}, 50, "train")
SHARES = {"random": 0.5, "uncertainty": 0.3, "drift": 0.2}


def captured(count: int) -> tuple[list[Event], dict[str, Texts]]:
    """Requests of which every tenth is strange, and which the model answered ever less surely."""
    usual = make_examples({TASK.id: TASK}, count, "use")["input"].to_list()
    events, texts = [], {}
    for i, text in enumerate(usual):
        about = About("captured", None, f"r{i}", TASK.id, "summarize", "tests")
        details: dict[str, object] = {"mean_logprob": -i / count}
        events.append(
            Event(f"e{i}", "capture", f"{i:06}", about, NEW, None, "random", "captured", None, None, f"t{i}", details)
        )
        texts[f"t{i}"] = Texts(input="zzq xxj" if i % 10 == 0 else text, output=f"answer {i}")
    return events, texts


def queue(events: list[Event], texts: dict[str, Texts], reviewer: str = "ann") -> list[CapturedItem]:
    return captured_queue(events, texts, TRAIN, reviewer=reviewer, shares=SHARES)


def test_each_item_is_offered_once_and_the_queues_in_their_shares() -> None:
    items = queue(*captured(400))
    assert len({item.event.event_id for item in items}) == len(items) == 400
    assert Counter(item.drawn_by for item in items[:100]) == {"random": 50, "uncertainty": 30, "drift": 20}


def test_the_queues_begin_with_the_least_certain_and_the_strangest() -> None:
    items = queue(*captured(400))
    logprobs = [item.event.details["mean_logprob"] for item in items if item.drawn_by == "uncertainty"]
    assert logprobs == sorted(logprobs)  # type: ignore[type-var]
    strange = [item.input == "zzq xxj" for item in items if item.drawn_by == "drift"]
    assert strange == sorted(strange, reverse=True)
    assert 0 < sum(strange) < len(strange)


def test_the_random_items_are_a_fair_sample_whatever_the_other_queues_prefer() -> None:
    events, texts = captured(1000)
    first = [item for item in queue(events, texts)[:300] if item.drawn_by == "random"]
    certainty = np.array([item.event.details["mean_logprob"] for item in first], dtype=float)
    assert abs(certainty.mean() + 0.5) < 3.3 * np.sqrt(1 / 12 / len(first))  # uniform on [-1, 0]
    assert abs(np.mean([item.input == "zzq xxj" for item in first]) - 0.1) < 3.3 * np.sqrt(0.09 / len(first))
    again = {item.event.event_id: item.drawn_by for item in queue(events, texts, "bob")}
    assert again == {item.event.event_id: item.drawn_by for item in queue(events, texts)}


def test_a_queue_or_a_capability_alone_moves_no_item_to_another_queue() -> None:
    events, texts = captured(200)
    events = [
        replace(e, about=replace(e.about, capability=("summarize", "translate")[i % 2])) for i, e in enumerate(events)
    ]
    every = {item.event.event_id: item.drawn_by for item in queue(events, texts)}
    for only in SHARES:
        alone = captured_queue(events, texts, TRAIN, reviewer="ann", shares=SHARES, only=only)
        assert {item.event.event_id for item in alone} == {event for event, name in every.items() if name == only}
        assert {item.drawn_by for item in alone} == {only}
    half = captured_queue(events, texts, TRAIN, reviewer="ann", shares=SHARES, capability="translate")
    assert {item.event.event_id: item.drawn_by for item in half} == {
        event: name for event, name in every.items() if int(event[1:]) % 2
    }


def test_what_somebody_sent_comes_first_and_is_no_fair_sample() -> None:
    events, texts = captured(20)
    events[7] = replace(events[7], drawn_by="choice")
    first = queue(events, texts)[0]
    assert (first.event.event_id, first.drawn_by) == ("e7", "choice")


def test_only_random_items_enter_the_acceptance_rate_of_use(store: FeedbackStore) -> None:
    events, texts = captured(60)
    for item in queue(events, texts):
        store_judgement(store, item, accept=item.drawn_by == "random", reviewer="ann")
    counts = Counter(item.drawn_by for item in queue(events, texts))
    (rate,) = acceptance_in_use(store.events())
    assert (rate.capability, rate.items, rate.rate) == ("summarize", counts["random"], 1.0)
    assert 0.8 < rate.lower < rate.upper == 1.0
    assert queue(events + store.events(), texts) == []


def test_forgetting_who_asked_takes_the_reviewers_reason_too(store: FeedbackStore) -> None:
    about = About("captured", None, "r1", TASK.id, "summarize", "tests")
    said = Texts(input="asked", output="answered")
    (event,) = store.add(
        new_event("capture", about=about, answered=NEW, outcome="captured", drawn_by="random", texts=said, user_id="u1")
    )
    item = CapturedItem(event, "asked", "answered", "random")
    store_judgement(store, item, accept=False, reviewer="ann", correction="better", reason="quotes what was asked")
    assert store.forget("u1") == 3
