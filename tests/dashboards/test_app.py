"""The page shows the run that is there, and says what to do where there is none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def system(value: float) -> dict[str, Any]:
    return {"metrics": {"rouge_l": {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 60}}}


SUMMARY = {
    "tuned": {"shipped": "onnx-int8", "model_id": "m", "reference": "onnx-fp32"},
    "base": {"variant": "torch-bf16"},
    "settings": {"confidence": 0.95, "shots": 3},
    "beats_all_capabilities": ["headline"],
    "capabilities": {
        "headline": {
            "primary_metric": "rouge_l",
            "items": 60,
            "best_floor": "floor-copy",
            "systems": {
                "base": system(0.15),
                "base-shots": system(0.2),
                "floor-copy": system(0.1),
                "onnx-int8": system(0.41),
            },
            "beats_all": True,
        }
    },
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show() -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=300)
    app.session_state["fold-figures"] = True
    return app.run()


def test_without_any_run_the_page_says_what_to_run(checkout: Path) -> None:
    page = show()
    assert not page.exception
    assert "make repro" in page.error[0].value


def test_the_committed_run_is_labelled_and_an_own_run_takes_its_place(checkout: Path) -> None:
    committed = checkout / "docs/default-run/metrics"
    committed.mkdir(parents=True)
    (committed / "evaluate.json").write_text(json.dumps(SUMMARY))
    page = show()
    assert not page.exception
    assert any("committed default run" in text.value for text in page.markdown)
    row = next(frame.value for frame in page.dataframe if "tuned" in frame.value.columns).iloc[0]
    assert row["tuned"] == "41.0 [36.0, 46.0]"
    assert row["floor"] == "10.0 [5.0, 15.0]"
    assert any("**1 of 1** capabilities (Headline)" in text.value for text in page.markdown)
    shutil.copytree(committed, checkout / "metrics")
    (checkout / "evidence/candidate").mkdir(parents=True)
    assert not any("committed default run" in text.value for text in show().markdown)


def test_the_language_of_the_link_is_taken_and_can_be_changed(checkout: Path) -> None:
    committed = checkout / "docs/default-run/metrics"
    committed.mkdir(parents=True)
    (committed / "evaluate.json").write_text(json.dumps(SUMMARY))
    page = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=300)
    page.query_params["lang"] = "zh"
    page.run()
    assert page.title[0].value == "总览"
    next(control for control in page.button_group if control.key == "language").set_value("en").run()
    assert page.title[0].value == "Overview"
