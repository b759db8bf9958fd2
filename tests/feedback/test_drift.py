"""The drift watch: silent on the same distribution however often one looks, loud on another one."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from evaluation_samples import make_examples, make_task
from feedback_samples import NEW
from scipy.stats import binom

from roleshift.alerts import alerts_of
from roleshift.feedback.drift import ALPHA, LEAST, Look, look, outside_shares, take_look
from roleshift.feedback.events import About, Event, Texts
from roleshift.project import Project

TASK = make_task("summarize-tests", "summarize")
TRAIN, TEST = (make_examples({TASK.id: TASK}, count, split) for split, count in (("train", 150), ("test", 120)))


def captured(inputs: list[str], start: int = 0, **details: object) -> tuple[list[Event], dict[str, Texts]]:
    events, texts = [], {}
    for i, text in enumerate(inputs, start):
        about = About("captured", None, f"r{i}", TASK.id, "summarize", "tests")
        facts = {"output_tokens": 10 + i % 5, "finish_reason": "stop", **details}
        when = f"2026-01-01T{i:06}"
        event = Event(str(i), "capture", when, about, NEW, None, "random", "captured", None, None, f"t{i}", facts)
        events.append(event)
        texts[f"t{i}"] = Texts(input=text, output="an answer of some words")
    return events, texts


def same(count: int, seed: int) -> list[str]:
    return make_examples({TASK.id: TASK}, count, f"use-{seed}")["input"].to_list()


def drifted(found: Look) -> set[str]:
    return {signal.name for signal in found.signals if signal.drifted}


def test_however_often_one_looks_the_chance_of_a_false_alarm_stays_below_its_level() -> None:
    """Sequences of looks at use that is drawn like training and test; each sequence has its own test items."""
    sequences, looks = 60, 4
    alarms = 0
    for sequence in range(sequences):
        draw = random.Random(sequence)
        train, test = (make_examples({TASK.id: TASK}, 60, f"{split}-{sequence}") for split in ("train", "test"))
        events: list[Event] = []
        texts: dict[str, Texts] = {}
        since: dict[str, str] = {}
        found = []
        for number in range(1, looks + 1):
            new, known = captured(same(LEAST, 1000 * sequence + number), start=len(events))
            for event in new:  # answers that vary, but always alike
                about = event.about
                event.details.update(
                    output_tokens=draw.randint(5, 40), finish_reason=draw.choice(["stop", "stop", "length"])
                )
                if draw.random() < 0.1:
                    said = Event(f"j{about.request_id}", "judgement", event.time, about, NEW, None, "choice", "reject",
                                 "user", None, None, {})  # fmt: skip
                    events.append(said)
                known[str(event.text_id)] = Texts(input=known[str(event.text_id)].input, output=words(draw))
            events, texts = events + new, texts | known
            found.append(look(events, texts, train, test, number=number, since=since))
            since = {"summarize": new[-1].time}
        assert len(found[-1].signals) == 8
        alarms += any(each.alert is not None for each in found)
    assert alarms <= binom.ppf(0.999, sequences, ALPHA)


def words(draw: random.Random) -> str:
    return " ".join(draw.choices(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"], k=draw.randint(4, 12)))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text * 4, "length"),
        (lambda text: "模型写一句话" + text[:20], "script"),
        (lambda text: " ".join(word[::-1] for word in text.split()), "unknown words"),
    ],
)
def test_another_kind_of_input_is_found(change: object, expected: str) -> None:
    events, texts = captured([change(text) for text in same(80, 1)])  # type: ignore[operator]
    found = look(events, texts, TRAIN, TEST, number=1, since={})
    assert expected in drifted(found)


def test_inputs_outside_the_domain_are_counted() -> None:
    strange = ["zzq xxj qqv wwk" * 3] * 30
    events, texts = captured(same(70, 2) + strange)
    (outside,) = look(events, texts, TRAIN, TEST, number=1, since={}).outside
    assert 30 <= outside.outside <= 36
    assert outside.low < outside.outside / 100 < outside.high


def test_the_last_looks_share_outside_the_domain_is_a_figure_to_watch(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path)
    assert outside_shares(project) == {}
    events, texts = captured(["zzq xxj qqv wwk" * 3] * 60)
    take_look(project, events, texts, TRAIN, TEST)
    assert outside_shares(project) == {"summarize": 1.0}


def test_answers_that_are_cut_off_more_often_are_found(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path)
    before, known = captured(same(100, 3))
    first = take_look(project, before, known, TRAIN, TEST)
    assert first.look == 1
    after, more = captured(same(100, 4), start=100, finish_reason="length")
    second = take_look(project, before + after, known | more, TRAIN, TEST)
    assert second.look == 2
    assert second.level == pytest.approx(ALPHA * 6 / (np.pi**2 * 4))
    assert "cut-off share" in drifted(second)
    assert [alert.kind for alert in alerts_of(project)] == ["drift"]


def test_more_rejections_are_found_and_fewer_are_no_sign(tmp_path: Path) -> None:
    before, known = captured(same(100, 3))
    after, more = captured(same(100, 4), start=100)

    def rejections(events: list[Event]) -> list[Event]:
        return [
            Event(f"j{e.event_id}", "judgement", e.time, e.about, NEW, None, "choice", "reject", "u", None, None, {})
            for e in events[:30]
        ]

    since = {"summarize": before[-1].time}
    for rejected, expected in ((after, True), (before, False)):
        events = before + after + rejections(rejected)
        found = look(events, known | more, TRAIN, TEST, number=2, since=since)
        assert ("rejections" in drifted(found)) is expected


def test_each_request_is_looked_at_once_and_few_wait(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path)
    events, texts = captured(same(60, 5))
    assert take_look(project, events, texts, TRAIN, TEST).look == 1
    more, known = captured(same(20, 6), start=60)
    found = take_look(project, events + more, texts | known, TRAIN, TEST)
    assert (found.look, found.waiting, found.signals) == (0, {"summarize": 20}, ())


def test_a_request_without_a_task_is_said_to_be_without_evidence() -> None:
    about = About("captured", None, "r", None, None, None)
    event = Event("1", "capture", "2026", about, NEW, None, "random", "captured", None, None, "t", {})
    found = look([event], {"t": Texts(input=random.choice(same(1, 1)))}, TRAIN, TEST, number=1, since={})
    assert (found.unassigned, found.look) == (1, 0)


def test_what_somebody_sent_from_the_playground_is_no_use() -> None:
    events, texts = captured(same(60, 5))
    sent, more = captured(["zzq xxj qqv wwk" * 3] * 60, start=60)
    sent = [replace(event, drawn_by="choice") for event in sent]
    found = look(events + sent, texts | more, TRAIN, TEST, number=1, since={})
    assert found.outside[0].items == 60
    assert not drifted(found)


def test_a_drift_stands_until_its_capability_is_looked_at_again(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path)
    events, texts = captured(["zzq xxj qqv wwk" * 3] * 60)
    take_look(project, events, texts, TRAIN, TEST)
    other, known = captured(same(60, 7), start=60)
    other = [replace(event, about=replace(event.about, capability="headline")) for event in other]
    both = [frame.with_columns(pl.lit("headline").alias("capability")) for frame in (TRAIN, TEST)]
    train, test = (pl.concat([frame, twin]) for frame, twin in zip((TRAIN, TEST), both, strict=True))
    assert take_look(project, events + other, texts | known, train, test).alert is None
    assert [alert.kind for alert in alerts_of(project)] == ["drift"]
    assert outside_shares(project) == {"summarize": 1.0, "headline": pytest.approx(0.0, abs=0.1)}


def test_answers_of_another_version_are_no_drift(tmp_path: Path) -> None:
    before, known = captured(same(100, 3))
    after, more = captured(same(100, 4), start=100, finish_reason="length")
    other = [replace(event, answered=replace(event.answered, model_id="another")) for event in after]
    found = look(before + other, known | more, TRAIN, TEST, number=2, since={"summarize": before[-1].time})
    assert "cut-off share" not in {signal.name for signal in found.signals}
