"""Role impact and Careers on the committed default run: search, sliders, saved sets, what-if, a second system."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from roleshift.impact.assumptions import default_assumptions, load_assumptions

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / "docs/default-run", tmp_path / "docs/default-run")
    shutil.copytree(REPOSITORY / ".streamlit", tmp_path / ".streamlit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def on_loopback() -> Iterator[None]:
    before = st.get_option("server.address")
    config.set_option("server.address", "127.0.0.1")
    yield
    config.set_option("server.address", before)


def opened(page: str, *, unfolded: Sequence[str] = (), **query: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "dashboards/app.py"), default_timeout=300)
    for name in unfolded:  # what is folded away is neither computed nor sent
        app.session_state[f"fold-{name}"] = True
    app.query_params.update(query)
    app.run()
    app.switch_page(f"views/{page}.py")
    return healthy(app.run())


def healthy(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error, app.error[0].value
    return app


def box(app: AppTest, key: str) -> Any:
    return next(element for element in app.selectbox if element.key == key)


def slider(app: AppTest, label: str) -> Any:
    return next(element for element in app.slider if element.label.startswith(label))


def headed(app: AppTest, *columns: str) -> Any:
    return next(frame.value for frame in app.dataframe if set(columns) <= set(frame.value.columns))


def captions(app: AppTest) -> str:
    return "\n".join(element.value for element in app.caption)


@pytest.mark.parametrize("wanted", ["记者", "REPORTER", "jurnalist"])
def test_a_job_is_found_by_any_of_its_names(clone: Path, wanted: str) -> None:
    app = opened("impact", role="accountant")
    assert box(app, "role").value == "accountant"
    app.text_input(key="role-search").set_value(wanted)
    healthy(app.run())
    assert box(app, "role").value == "journalist"
    assert app.query_params["role"] == "journalist"


def test_a_search_without_any_hit_says_so_and_shows_its_text_as_text(clone: Path) -> None:
    app = opened("impact")
    app.text_input(key="role-search").set_value("<b>xqzv</b>")
    healthy(app.run())
    assert "\\<b\\>xqzv" in captions(app)
    assert len(box(app, "role").options) > 60


def test_a_slider_is_computed_at_once_and_the_set_is_saved_under_a_name_that_stays_its_own(
    clone: Path, on_loopback: None
) -> None:
    app = opened("impact", unfolded=("assumptions", "closest"))
    plain = headed(app, "needed", "missing")["needed"].tolist()
    slider(app, "How often a person gets it wrong").set_value(0.3)
    slider(app, "Loss from one wrong result").set_value(10.0)
    healthy(app.run())
    assert headed(app, "needed", "missing")["needed"].tolist() != plain
    for name in ("ours", "ours"):  # again with the same values: nothing to complain about
        app.text_input(key="set-name").set_value(name)
        next(button for button in app.button if button.label == "Save").click()
        healthy(app.run())
        assert "assumptions/ours.yaml" in app.success[0].value.replace("\\", "")
    saved = load_assumptions(clone / "assumptions/ours.yaml")
    assert (saved.costs["low"].human_error, saved.costs["low"].loss) == (0.3, 10.0)
    slider(app, "Loss from one wrong result").set_value(12.0)
    next(button for button in app.button if button.label == "Save").click()
    app.run()
    assert "holds other values" in app.error[0].value
    assert load_assumptions(clone / "assumptions/ours.yaml").hash == saved.hash


def test_untouched_sliders_are_the_default_set_and_a_set_that_breaks_a_rule_is_told(clone: Path) -> None:
    app = opened("impact", unfolded=("assumptions",))
    values = default_assumptions().costs["low"]
    assert slider(app, "Loss from one wrong result").value == values.loss
    assert f"In force: default ({default_assumptions().hash})" in captions(app)
    assert app.text_input(key="set-name").disabled  # served to others without sign-in: nobody may write
    loss = slider(app, "Loss from one wrong result")
    loss.set_value(loss.min)
    slider(app, "How often a person gets it wrong").set_value(0.5)
    app.run()
    assert not app.exception
    assert "raise L" in app.error[0].value
    assert not app.error[1:]


def test_folding_the_assumptions_away_keeps_them(clone: Path) -> None:
    app = opened("impact", unfolded=("closest",))
    assert not app.slider  # not sent before anybody opens them
    plain = headed(app, "needed", "missing")["needed"].tolist()
    app.session_state["fold-assumptions"] = True
    app.run()
    slider(app, "Loss from one wrong result").set_value(10.0)
    healthy(app.run())
    changed = headed(app, "needed", "missing")["needed"].tolist()
    assert changed != plain
    app.session_state["fold-assumptions"] = False
    healthy(app.run())
    assert headed(app, "needed", "missing")["needed"].tolist() == changed


def test_what_if_levels_are_labelled_assumed_and_leave_the_measured_figures_alone(clone: Path) -> None:
    app = opened("impact", unfolded=("assumptions", "composition"), role="copywriter")
    assert not app.warning
    measured = headed(app, "share", "certified")
    next(element for element in app.multiselect if "Suppose" in element.label).set_value(["draft"])
    healthy(app.run())
    assert "Assumed" in app.warning[0].value
    assert headed(app, "share", "certified").equals(measured)
    supposed = headed(app, "share", "value")
    assert supposed["value"].sum() > 0


def test_the_same_system_changes_nothing_and_another_one_is_named(clone: Path) -> None:
    app = opened("impact", view="other")
    box(app, "other").set_value(next(name for name in box(app, "other").options if "(ships)" in name))
    healthy(app.run())
    shown = [element.value for element in app.markdown]
    assert "No certified decision changes." in shown
    assert "No job's shares change." in shown
    assert set(headed(app, "pairing")["pairing"]) == {"the same evidence"}
    box(app, "other").set_value("base")
    healthy(app.run())
    assert set(headed(app, "pairing")["pairing"]) == {"the same items"}


def test_the_scenario_follows_the_elasticity(clone: Path) -> None:
    def scenario(app: AppTest) -> str:
        return next(element.value for element in app.markdown if "labour changes by" in element.value)

    # one of the few jobs whose expected time freed is not 0
    app = opened("impact", unfolded=("assumptions",), role="executive-assistant")
    slider(app, "Demand elasticity").set_value(0.0)
    first = scenario(healthy(app.run()))
    slider(app, "Demand elasticity").set_value(3.0)
    assert scenario(healthy(app.run())) != first


def test_careers_sets_two_jobs_side_by_side_and_says_what_is_unknown(clone: Path) -> None:
    app = opened("careers", unfolded=("side-by-side",), role="translator")
    first = headed(app, "similarity")["role"].tolist()
    next(element for element in app.button_group if element.key == "comfort").set_value("high")
    healthy(app.run())
    assert headed(app, "similarity")["role"].tolist() != first
    beside = headed(app, "measure", "expected")
    assert beside["role"].nunique() == 2
    assert len(beside) == 10
    told = "\n".join(element.value for element in app.info)
    assert "wages import" in told
    assert "onet import" in told
