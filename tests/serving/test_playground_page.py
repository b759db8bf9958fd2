"""The Playground on a tiny registered model: an answer, its figures, and the way to review."""

import shutil
from pathlib import Path

import pytest
from served_models import add_version
from streamlit.testing.v1 import AppTest

from components import identity
from roleshift.errors import RoleShiftError
from roleshift.feedback.store import FeedbackStore
from roleshift.generation import GenerationConfig, Request, open_backend
from roleshift.params import load_params
from roleshift.project import Project
from roleshift.prompts import chat_messages, render_prompt
from roleshift.registry.tracking import open_tracking

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone: the committed run, no store."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / "docs/default-run", tmp_path / "docs/default-run")
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "ROLESHIFT_FEEDBACK_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(identity, "person", lambda: ("ann", "reviewer"))
    return tmp_path


def page() -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=120).run()
    app.switch_page("views/playground.py")
    app.run()
    assert not app.exception
    return app


def test_without_a_model_the_page_says_how_to_get_one(clone: Path) -> None:
    assert any("make repro" in info.value for info in page().info)


def test_a_version_answers_as_offline_and_the_answer_can_be_reviewed(clone: Path, first_model: Path) -> None:
    tracking = open_tracking(f"sqlite:///{clone}/mlflow.db", clone, "roleshift")
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    app = page()
    app.text_area[0].set_value("hello there")
    app.number_input[1].set_value(7)
    next(button for button in app.button if button.label == "Answer").click()
    app.run()
    assert not app.exception
    backend = open_backend(first_model)
    task = load_params(clone / "params.yaml").task_definitions()[app.selectbox(key="playground-task").value]
    prompt = render_prompt(backend.tokenizer, chat_messages(task, "hello there", {}))
    expected = backend.generate([Request("x", prompt)], GenerationConfig(max_new_tokens=7))[0]
    assert app.text[0].value == (expected.output or " ")
    assert any(f"{expected.output_tokens} written" in caption.value for caption in app.caption)
    next(button for button in app.button if button.label == "Send to review").click()
    app.run()
    with FeedbackStore.of(Project(clone, clone)) as store:
        (event,) = store.events()
        texts = store.texts([event.text_id])[str(event.text_id)]
    assert (event.kind, event.drawn_by, texts.output) == ("capture", "choice", expected.output)


def test_a_task_with_a_slice_asks_for_it_and_keeps_it_and_what_is_sent_is_redacted(
    clone: Path, first_model: Path
) -> None:
    tracking = open_tracking(f"sqlite:///{clone}/mlflow.db", clone, "roleshift")
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    app = page()
    app.selectbox(key="playground-task").set_value("summarize-papers")
    app.run()
    app.text_area[0].set_value("write to ann@example.org")
    app.number_input[1].set_value(3)
    next(button for button in app.button if button.label == "Answer").click()
    app.run()
    assert "aspect" in app.warning[0].value
    assert not app.text
    app.text_input(key="playground-slice-aspect").set_value("outcome")
    next(button for button in app.button if button.label == "Answer").click()
    app.run()
    next(button for button in app.button if button.label == "Send to review").click()
    app.run()
    assert not app.exception
    with FeedbackStore.of(Project(clone, clone)) as store:
        (event,) = store.events()
        assert store.texts([event.text_id])[str(event.text_id)].input == "write to [e-mail]"
        assert event.details["slices"] == {"aspect": "outcome"}
        assert store.forget("ann") == 1


def test_a_store_that_cannot_be_written_is_told_in_one_line(
    clone: Path, first_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = open_tracking(f"sqlite:///{clone}/mlflow.db", clone, "roleshift")
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    app = page()
    app.text_area[0].set_value("hello")
    app.number_input[1].set_value(3)
    next(button for button in app.button if button.label == "Answer").click()
    app.run()

    def locked(*_: object) -> None:
        raise RoleShiftError("feedback.db is locked; try again")

    monkeypatch.setattr(FeedbackStore, "of", locked)
    next(button for button in app.button if button.label == "Send to review").click()
    app.run()
    assert not app.exception
    assert "is locked" in app.error[0].value
