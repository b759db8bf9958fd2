"""The Review page on a real store: two people judge blind, and what they said is stored once each."""

from pathlib import Path

import pytest
from evaluation_samples import answers, make_examples
from made_project import REPOSITORY, make_project
from streamlit.testing.v1 import AppTest

from components import identity
from roleshift.contracts import EXAMPLES, ITEMS, SCORES, write_table
from roleshift.evaluation.plan import score_answers
from roleshift.feedback.events import About, Answered, Texts
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.feedback.summary import win_rate
from roleshift.params import load_params
from roleshift.project import Project
from roleshift.registry.manifest import read_made
from roleshift.registry.registering import register
from roleshift.registry.tracking import open_tracking

TASK = "headline-encyclopedia"
BASE, TUNED = Answered(1, "base0000base0000", "torch-bf16", ""), Answered(2, "tuned-model-id", "onnx-int8", "")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A base and a tuned version that answered six review items: the tuned one rightly, the base one never."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "ROLESHIFT_FEEDBACK_URI"):
        monkeypatch.delenv(name, raising=False)
    make_project(tmp_path)
    tasks = {TASK: load_params(REPOSITORY / "params.yaml").task_definitions()[TASK]}
    review = make_examples(tasks, 6, "review")
    for part, side, quality in (("baseline", BASE, 0.0), ("candidate", TUNED, 1.0)):
        found = answers(review, quality, model_id=side.model_id, variant=side.variant, split="review")
        write_table(tmp_path / f"evidence/{part}/items.parquet", found, ITEMS)
        write_table(tmp_path / f"evidence/{part}/scores.parquet", score_answers(found, {"none": review}, tasks), SCORES)
    write_table(tmp_path / "data/examples/review.parquet", review, EXAMPLES)
    tracking = open_tracking(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "roleshift")
    register(tracking, tmp_path, "roleshift", read_made(tmp_path, "smollm2"), experiment=None, move_aliases=True)
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs/default-run").symlink_to(REPOSITORY / "docs/default-run")
    return Project(tmp_path, tmp_path)


def page(monkeypatch: pytest.MonkeyPatch, who: str, role: str = "reviewer") -> AppTest:
    monkeypatch.setattr(identity, "person", lambda: (who, role))
    app = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=300).run()
    app.switch_page("views/review.py")
    app.run()
    assert not app.exception, app.exception
    return app


def judge(app: AppTest) -> AppTest:
    """Vote for the side whose answer is right (the wrong one is "x")."""
    shown = [block.value for block in app.text][-2:]
    side = "left" if shown[1] == "x" else "right"
    next(button for button in app.button if button.label.lower().startswith(f"{side} is better")).click()
    return app.run()


def test_two_people_judge_blind_and_the_better_version_wins(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for who in ("ann", "bob"):
        app = page(monkeypatch, who)
        assert "version" not in " ".join(block.value for block in app.text)
        order = []
        for _ in range(6):
            order.append(app.text[0].value)
            app = judge(app)
            assert not app.exception
        orders.append(order)
        assert "every item" in app.success[0].value
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    with FeedbackStore.of(project) as store:
        found = win_rate(store.events(), TUNED, BASE, 0.95)
    assert (found.items, found.votes, found.reviewers, found.rate) == (6, 12, 2, 1.0)
    again = page(monkeypatch, "ann")
    assert "every item" in again.success[0].value


def test_a_correction_and_a_verdict_are_stored_with_the_vote(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(monkeypatch, "ann")
    app.text_area[0].set_value("What it should say.")
    app.text_input[0].set_value("the left one was wrong")
    app = judge(app)
    with FeedbackStore.of(project) as store:
        events = store.events()
        assert [event.kind for event in events] == ["vote", "correction"]
        texts = store.texts([events[1].text_id])[str(events[1].text_id)]
    assert texts.correction == "What it should say."
    assert texts.input
    assert texts.reason == "the left one was wrong"


def test_a_viewer_may_not_judge_and_a_fresh_clone_says_what_is_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(monkeypatch, "eve", "viewer")
    assert not [button for button in app.button if "better" in button.label]
    (project.root / "data/examples/review.parquet").unlink()
    app = page(monkeypatch, "ann")
    assert any("make repro" in info.value for info in app.info)


def test_a_captured_answer_is_judged_and_corrected(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_params(REPOSITORY / "params.yaml").task_definitions()[TASK]
    train = make_examples({TASK: task}, 6, "train")
    write_table(project.root / "data/examples/train.parquet", train, EXAMPLES)
    about = About("captured", None, "r1", TASK, task.capability, task.domain)
    with FeedbackStore.of(project) as store:
        store.add(
            new_event(
                "capture",
                about=about,
                answered=TUNED,
                outcome="captured",
                drawn_by="random",
                texts=Texts(input="asked in use", output="said in use"),
            )
        )
    app = page(monkeypatch, "ann")
    app.session_state["review-what"] = "use"
    app.run()
    assert [block.value for block in app.text] == ["asked in use", "said in use"]
    app.text_area[0].set_value("better said")
    next(button for button in app.button if button.label.startswith("reject")).click()
    app.run()
    assert not app.exception
    with FeedbackStore.of(project) as store:
        events = store.events()
        assert [(e.kind, e.outcome) for e in events[1:]] == [("judgement", "reject"), ("correction", "corrected")]
        assert {e.drawn_by for e in events[1:]} <= {"random", "uncertainty", "drift"}
        assert store.texts([events[2].text_id])[str(events[2].text_id)].correction == "better said"
    assert any("No captured request" in info.value for info in app.info)
