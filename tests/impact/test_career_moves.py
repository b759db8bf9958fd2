import re

import numpy as np
import polars as pl
import pytest
from impact_builders import activities, cells, role, share, task, work
from scipy.stats import rankdata

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import default_assumptions
from roleshift.impact.moves_page import feature_names
from roleshift.impact.onet import CODE, Archive
from roleshift.impact.roles import analyse
from roleshift.impact.setting import Setting
from roleshift.impact.transitions import (
    Landscape,
    Profiles,
    activity_profiles,
    centred_ranks,
    education_levels,
    importance_profiles,
    moves,
    similarity,
    tolerance_fit,
)
from roleshift.impact.words import Language

MATRIX = activities(
    {
        "4.A.1.I01": (1, {"answer": 1}, 0.0),
        "4.A.1.I02": (1, {"answer": 1}, 0.0),
        "4.A.2.I01": (0, {}, 0.0),
        "4.A.3.I01": (0, {}, 0.0),
    }
)
TASKS = [
    task("1", "clerk", ["4.A.1.I01"], weight=3),
    task("2", "clerk", ["4.A.2.I01"], weight=1),
    task("3", "writer", ["4.A.1.I02", "4.A.2.I01"], weight=1),
    task("4", "mover", ["4.A.3.I01"], consequence="critical"),
]
ROLES = [role("clerk", mean_wage=40.0), role("writer", mean_wage=50.0), role("mover"), role("idle")]


def analysed():
    return analyse(work(MATRIX, TASKS, ROLES), cells(share("answer", 55, 60)), default_assumptions())


def test_profiles_come_from_the_tasks_activities():
    profiles = activity_profiles(analysed().work)
    assert profiles.features == ("4.A.1", "4.A.2", "4.A.3")
    np.testing.assert_allclose(profiles.values[:3], [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 1]])
    assert np.isnan(profiles.values[3]).all()  # a role without tasks is unknown, not empty


def test_similarity_is_the_cosine_of_centred_percentile_ranks():
    values = np.random.default_rng(0).random((20, 7))
    ranks = centred_ranks(values)
    reference = np.column_stack([(rankdata(column) - 0.5) / 20 - 0.5 for column in values.T])
    np.testing.assert_allclose(ranks, reference)
    alike = similarity(ranks)
    np.testing.assert_allclose(np.diag(alike), 1)
    a, b = reference[3], reference[9]
    assert alike[3, 9] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    np.testing.assert_allclose(similarity(centred_ranks(np.exp(5 * values))), alike)  # ranks alone count


def test_low_comfort_orders_exact_work_first_and_high_comfort_last():
    a = analysed()
    low, high = tolerance_fit(a, "low"), tolerance_fit(a, "high")
    assert low[2] > low[0]
    assert high[2] < high[0]
    assert np.isnan(low[3])
    with pytest.raises(RoleShiftError, match="low, medium, high"):
        tolerance_fit(a, "reckless")


def test_moves_state_gaps_pay_and_exposure_and_leave_the_unknown_unknown():
    a = analysed()
    table = moves(Landscape.of(a, activity_profiles(a.work), {"clerk": 6.0, "writer": 8.0}), "clerk", "high")
    assert table["role_id"].to_list() == ["writer", "mover", "idle"]
    writer, mover, idle = table.iter_rows(named=True)
    assert writer["pay_change"] == pytest.approx(0.25)
    assert writer["education_change"] == 2.0
    assert (mover["pay_change"], mover["education_change"]) == (None, None)
    assert "4.A.3" in mover["missing"]
    assert (idle["similarity"], idle["score"], idle["missing"]) == (None, None, [])
    assert writer["exposure_low"] <= writer["exposure_high"]
    assert mover["exposure"] == 0
    with pytest.raises(RoleShiftError, match="no role 'king'"):
        moves(Landscape.of(a, activity_profiles(a.work)), "king", "low")


def test_occupations_take_importance_and_education_from_the_archive():
    skills = pl.DataFrame(
        {
            CODE: ["clerk", "writer", "clerk", "writer", "clerk", "clerk"],
            "Element ID": ["2.A", "2.A", "2.B", "2.B", "2.C", "2.A"],
            "Scale ID": ["IM"] * 5 + ["LV"],
            "Data Value": ["4", "2", "1", "3", "5", "9"],
        }
    )
    school = pl.DataFrame(
        {
            CODE: ["clerk"] * 2,
            "Element ID": ["2.D.1"] * 2,
            "Scale ID": ["RL"] * 2,
            "Category": ["2", "6"],
            "Data Value": ["25", "75"],
        }
    )
    archive = Archive({"Skills": skills, "Education, Training, and Experience": school}, "30.2", "0")
    jobs = analysed().work
    profiles = importance_profiles(jobs, archive)
    assert profiles is not None
    assert profiles.features == ("2.A", "2.B")  # 2.C is not rated for every occupation
    np.testing.assert_allclose(profiles.values[:2], [[4, 1], [2, 3]])
    assert education_levels(archive) == {"clerk": 5.0}
    bare = Archive({}, "30.2", "0")
    assert importance_profiles(jobs, bare) is None
    assert education_levels(bare) == {}


def test_a_role_that_the_ratings_leave_out_moves_by_its_activities():
    a = analysed()
    rated = Profiles(tuple(a.work.roles["role_id"]), ("x",), np.array([[np.nan], [1.0], [2.0], [3.0]]))
    by_tasks = Landscape.of(a, activity_profiles(a.work))
    landscape = Landscape.of(a, rated, fallback=by_tasks)
    assert moves(landscape, "clerk", "low").equals(moves(by_tasks, "clerk", "low"))
    assert not moves(landscape, "writer", "low").equals(moves(by_tasks, "writer", "low"))


@pytest.mark.parametrize(("language", "script"), [("en", r"^[ -~]+$"), ("zh", r"^[\u3400-\u9fff、]+$")])
def test_every_gap_has_a_name_without_an_archive(setting: Setting, language: Language, script: str) -> None:
    named = feature_names(activity_profiles(setting.work).features, None, language)
    assert len(set(named.values())) == len(named)
    assert all(re.match(script, name) and not name.startswith("4.A") for name in named.values())
