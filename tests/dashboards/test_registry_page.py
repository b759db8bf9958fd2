"""The registry page on a real store: the gate's figures, promotion and rollback with their record."""

import shutil
from pathlib import Path

import pytest
from made_project import REPOSITORY, make_project
from streamlit.testing.v1 import AppTest

from components import identity
from roleshift.registry import gate as gate_module
from roleshift.registry.gate import Rule
from roleshift.registry.manifest import read_made
from roleshift.registry.promotion import standing
from roleshift.registry.registering import register
from roleshift.registry.tracking import Tracking, open_tracking


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracking:
    """A project whose versions 2 and 3 are tuned models, and whose gate passes."""
    shutil.copytree(REPOSITORY / "docs/default-run", tmp_path / "docs/default-run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    opened = open_tracking(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "roleshift")
    for weights in ("first", "second"):
        make_project(tmp_path, weights=weights)
        register(opened, tmp_path, "roleshift", read_made(tmp_path, "smollm2"), experiment=None, move_aliases=True)
    monkeypatch.setattr(gate_module, "_paired", lambda *_: [Rule("better", "pass", "by test")])
    return opened


def page(version: int) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=300)
    app.query_params["version"] = str(version)
    app.run()
    app.switch_page("views/registry.py")
    return app.run()


def submit(app: AppTest, label: str, reason: str = "", *, sure: bool = True) -> AppTest:
    next(field for field in app.text_input if field.label.startswith("Reason")).set_value(reason)
    next(box for box in app.checkbox if box.label.startswith("I have looked")).set_value(sure)
    next(button for button in app.button if button.label.startswith(label)).click()
    return app.run()


def test_an_approver_promotes_and_rolls_back_with_a_reason_and_it_is_recorded(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "person", lambda: ("ann", "approver"))
    app = page(2)
    assert not app.exception
    assert "has not judged version 2" in " ".join(info.value for info in app.info)
    refused = submit(app, "Promote version 2", reason="")
    assert "Give a reason" in refused.error[0].value
    assert standing(tracking, "roleshift").alias is None
    submit(page(2), "Promote version 2", reason="better")
    assert [button.disabled for button in page(2).button if "ersion" in button.label or "Roll" in button.label] == [
        True, True,  # it is champion, and there was none before
    ]  # fmt: skip
    submit(page(3), "Promote version 3", reason="better still")
    assert standing(tracking, "roleshift").alias == 3
    app = submit(page(3), "Roll back", reason="complaints")
    assert not app.exception
    now = standing(tracking, "roleshift")
    assert now.alias == 2
    assert [(entry.kind, entry.reason) for entry in now.entries] == [
        ("promote", "better"),
        ("promote", "better still"),
        ("rollback", "complaints"),
    ]


def test_a_version_that_fails_the_gate_is_told_and_stays_out(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "person", lambda: ("ann", "approver"))
    monkeypatch.setattr(gate_module, "_paired", lambda *_: [Rule("better", "fail", "better on none")])
    app = submit(page(2), "Promote version 2", reason="please")
    assert "does not pass the gate" in app.error[0].value
    assert standing(tracking, "roleshift").alias is None
    assert any("better on none" in text.value for text in page(2).markdown)


def test_who_is_no_approver_sees_the_figures_and_no_button(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "person", lambda: ("eve", "viewer"))
    app = page(2)
    assert not app.exception
    assert not [button for button in app.button if "Promote" in button.label]
    assert any("Only approvers" in info.value for info in app.info)
