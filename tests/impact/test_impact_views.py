"""The tables that a page shows first."""

import polars as pl
import pytest
from impact_builders import cells, share

from roleshift.impact.moves_page import moves_table
from roleshift.impact.roles import Analysis, analyse
from roleshift.impact.setting import Setting
from roleshift.impact.views import (
    closest_to_flipping,
    composition,
    evidence_table,
    ranked_roles,
    tasks_of_role,
)


@pytest.fixture(scope="module")
def analysis(setting: Setting) -> Analysis:
    evidence = cells(share("classify", 40, 60, domain="news"), share("summarize", 20, 60, domain="news"))
    return analyse(setting.work, evidence, setting.assumptions)


def test_the_shares_of_every_role_make_up_the_whole(setting: Setting, analysis: Analysis) -> None:
    for role in setting.work.roles["role_id"]:
        shares = composition(analysis, role)
        assert shares["certified"].sum() == pytest.approx(100)
        assert shares["expected"].sum() == pytest.approx(100)


def test_the_closest_tasks_are_those_that_miss_least(analysis: Analysis) -> None:
    nearest = closest_to_flipping(analysis, "en", most=1000)
    tasks = analysis.task_table.filter(pl.col("flip_to").is_not_null(), pl.col("success_observed").is_not_null())
    gaps = sorted(max(100 * (at - seen), 0) for at, seen in tasks.select("flip_at", "success_observed").iter_rows())
    assert nearest.height == len(gaps) > 5
    assert nearest["missing"].to_list() == pytest.approx(gaps)
    assert closest_to_flipping(analysis, "en", most=3)["task"].to_list() == nearest["task"].to_list()[:3]


def test_words_are_of_the_language(analysis: Analysis) -> None:
    english, chinese = (closest_to_flipping(analysis, language) for language in ("en", "zh"))
    assert set(english["decision"]) <= {"human", "augment", "automate"}
    assert english["needed"].to_list() == chinese["needed"].to_list()
    for name in ("role", "task", "decision", "flip_to", "why"):
        assert chinese[name].str.contains(r"[\u4e00-\u9fff]").all(), name


def test_a_role_shows_all_its_tasks_and_unmeasured_ones_without_a_rate(setting: Setting, analysis: Analysis) -> None:
    tasks = tasks_of_role(analysis, "accountant", "en")
    assert tasks.height == setting.work.tasks.filter(pl.col("role_id") == "accountant").height
    assert tasks["weight"].sum() == pytest.approx(100)
    unmeasured = tasks.filter(pl.col("decision") == "not assessed")
    assert unmeasured.height > 0
    assert unmeasured["success_observed"].null_count() == unmeasured.height


def test_roles_are_ranked_by_what_is_certified_then_expected(setting: Setting, analysis: Analysis) -> None:
    ranked = ranked_roles(analysis, "time_freed", "en")
    assert ranked.height == setting.work.roles.height
    keys = list(ranked.select("certified", "expected").iter_rows())
    assert keys == sorted(keys, reverse=True)
    assert (ranked["low"] <= ranked["high"]).all()


def test_evidence_and_moves_name_what_they_rest_on(setting: Setting, analysis: Analysis) -> None:
    evidence = evidence_table(analysis, "en")
    assert evidence["items"].to_list() == [60, 60]
    assert sorted(evidence["observed"]) == pytest.approx([100 * 20 / 60, 100 * 40 / 60])
    found = moves_table(setting.landscape(analysis), setting, "accountant", "low", "zh", most=5)
    assert found.height == 5
    assert found["role"].str.contains(r"[\u4e00-\u9fff]").all()
    assert found["not_assessed"].is_between(0, 100).all()
