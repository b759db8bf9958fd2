"""Each page opens in both languages on the committed default run, which has no texts, cache or store."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from components.language import catalogue
from roleshift.impact.assumptions import CLASSES

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CLASS_NAMES = [catalogue("assumptions")[name]["en"] for name in CLASSES]
PAGES = sorted(path.stem for path in (REPOSITORY / "dashboards/views").glob("*.py"))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / "docs/default-run", tmp_path / "docs/default-run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def opened(page: str, *, unfolded: Sequence[str] = (), **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=300)
    for name in unfolded:
        app.session_state[f"fold-{name}"] = True
    app.query_params.update(query)
    app.run()
    app.switch_page(f"views/{page}.py")
    return app.run()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_in_a_clone_that_has_run_nothing(clone: Path, page: str, language: str) -> None:
    app = opened(page, lang=language)
    assert not app.exception
    assert not app.error
    assert not list(clone.glob("mlflow.db*"))


def test_a_link_carries_the_selection_and_differences_are_of_the_others_from_the_first(clone: Path) -> None:
    app = opened("compare", systems="torch-bf16|onnx-fp32")
    assert app.selectbox(key="reference").value == "torch-bf16"
    assert app.multiselect(key="others").value == ["onnx-fp32"]
    differences = app.dataframe[-1].value
    assert set(differences["system"]) == {"tuned, onnx-fp32"}


@pytest.mark.parametrize("end", ["min", "max"])
def test_every_position_of_a_loss_slider_is_a_valid_assumption_set(clone: Path, end: str) -> None:
    app = opened("impact", unfolded=("assumptions",))
    for label in CLASS_NAMES:
        app.session_state["classes-en"] = label
        app.run()
        loss = next(slider for slider in app.slider if slider.label.startswith("Loss from one wrong result"))
        loss.set_value(getattr(loss, end))
        app.run()
    assert not app.exception
    assert not app.error
    assert any("changed" in caption.value for caption in app.caption)


def test_what_is_set_for_one_class_stays_while_another_is_looked_at_and_in_the_other_language(clone: Path) -> None:
    def drawn() -> list[str]:
        return [slider.key for slider in app.slider if slider.label.startswith(("Loss from one", "一个错误"))]

    app = opened("impact", unfolded=("assumptions",))
    (first,) = drawn()
    app.slider(key=first).set_value(10.0)
    app.run()
    said = next(caption.value for caption in app.caption if "changed" in caption.value)
    app.session_state["classes-en"] = CLASS_NAMES[1]
    app.run()
    second = drawn()
    assert second != [first]
    assert said in [caption.value for caption in app.caption]
    app.session_state["language"] = "zh"
    app.run()
    assert drawn() == second
    app.session_state["classes-zh"] = catalogue("assumptions")[CLASSES[0]]["zh"]
    app.run()
    assert not app.exception
    assert not app.warning
    assert drawn() == [first]
    assert app.slider(key=first).value == 10.0
