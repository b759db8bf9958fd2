"""The drift watch: silent on the same distribution however often one looks, loud on another one."""

import random
from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import make_examples, make_task
from feedback_samples import NEW

from roleshift.alerts import alerts_of
from roleshift.feedback.drift import ALPHA, Look, look, take_look
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


def test_inputs_like_the_test_items_raise_no_alert_over_many_looks() -> None:
    alarms = 0
    for seed in range(60):
        events, texts = captured(same(60, seed))
        alarms += look(events, texts, TRAIN, TEST, number=1 + seed % 3, since={}).alert is not None
    # each at its own level, 0.03 at most: 60 looks give more than 8 false alarms with p < 0.001
    assert alarms <= 8


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
