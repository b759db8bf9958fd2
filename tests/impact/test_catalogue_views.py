"""Roles by capability, totals, scenarios, new work, differences, and saved sets, each against figures made by hand."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from impact_builders import activities, cells, role, share, task, work

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import Assumptions, default_assumptions, parse_assumptions
from roleshift.impact.catalogue import bundled_emerging
from roleshift.impact.catalogue_views import changes, emerging_hours, shrinking_role, totals_table
from roleshift.impact.demands import demands
from roleshift.impact.roles import Analysis, analyse, analyse_pair
from roleshift.impact.sets import read_set, save_set, saved_sets
from roleshift.impact.versions import difference
from roleshift.impact.views import assumed_shares, demand_map, side_by_side
from roleshift.impact.work import Work

FEW = {"draws": 200, "jitter": 0.0}
MATRIX = activities(
    {
        "4.A.1.a.1.I01": (1, {"classify": 1}, 0.0),
        "4.A.1.a.1.I02": (1, {"classify": 1, "answer": 1}, 0.0),
        "4.A.1.a.1.I03": (0, {}, 0.0),
        "4.A.1.a.1.I04": (1, {"summarize": 1}, 0.0),
    }
)


def few(**changed: object) -> Assumptions:
    return parse_assumptions({"name": "few", **FEW, **changed}, "test")


@pytest.fixture
def two_roles() -> Work:
    return work(
        MATRIX,
        [
            task("a1", "a", ["4.A.1.a.1.I01"], weight=0.5, title_zh="甲一"),
            task("a2", "a", ["4.A.1.a.1.I02"], weight=0.3, domains=["law"]),
            task("a3", "a", ["4.A.1.a.1.I03"], weight=0.2),
            task("b1", "b", ["4.A.1.a.1.I04"], weight=1.0),
        ],
        [
            role("a", employment=300.0, mean_wage=10.0, soc="11-1011"),
            role("b", employment=100.0, mean_wage=90.0, soc="11-1021"),
        ],
    )


def analysed(roles: Work, given: Assumptions | None = None, passes: int = 59) -> Analysis:
    return analyse(roles, cells(share("classify", passes, 60)), given or few())


def test_demands_weigh_time_and_tell_measured_from_transferred_and_from_not_assessed(two_roles: Work) -> None:
    found = {(row["role_id"], row["capability"]): row for row in demands(analysed(two_roles)).to_dicts()}
    assert set(found) == {("a", "classify"), ("a", "answer"), ("b", "summarize")}
    classify, answer = found["a", "classify"], found["a", "answer"]
    assert classify["needed"] == pytest.approx(0.8)
    assert classify["measured"] == pytest.approx(0.8)
    assert classify["transferred"] == pytest.approx(0.3)
    assert classify["observed"] == pytest.approx(59 / 60)
    assert 0.9 < classify["lower"] < 59 / 60
    assert answer["needed"] == pytest.approx(0.3)
    assert answer["measured"] == 0
    assert answer["lower"] is None
    named = demand_map(analysed(two_roles), "zh")
    assert named["time_needed"].to_list() == pytest.approx([80, 30, 100])
    assert named["capability"].str.contains(r"[\u4e00-\u9fff]").all()


def test_totals_weigh_roles_by_persons_and_by_their_pay_and_are_empty_where_nothing_is_known(two_roles: Work) -> None:
    analysis = analysed(two_roles)
    found = totals_table(analysis)
    certified = dict(zip(["a", "b"], analysis.certified["not_assessed"], strict=True))
    rows = found.filter(pl.col("measure") == "not_assessed")
    expected = [
        100 * (0.75 * certified["a"] + 0.25 * certified["b"]),
        100 * (0.25 * certified["a"] + 0.75 * certified["b"]),
    ]
    assert rows["certified"].to_list() == pytest.approx(expected)
    assert rows["covered"].to_list() == [400, 12_000]
    unknown = work(MATRIX, [task("a1", "a", ["4.A.1.a.1.I01"])])
    assert totals_table(analysed(unknown)).is_empty()


def test_the_scenario_follows_the_sliders(two_roles: Work) -> None:
    def at(demand: float) -> dict[str, float]:
        sliders = {"demand": demand, "cost_share": 1.0, "pass_through": 0.5}
        return shrinking_role(analysed(two_roles, few(elasticities=sliders)), "a")

    freed = 100 * float(analysed(two_roles).certified["time_freed"][0])
    assert freed > 0
    assert at(0.0)["certified"] == pytest.approx(-freed)
    assert at(2.0)["certified"] == pytest.approx(0)
    assert at(4.0)["certified"] == pytest.approx(freed)
    assert at(1.0)["not_assessed"] == pytest.approx(30)


def test_new_work_has_hours_and_review_is_unknown_without_head_counts(two_roles: Work) -> None:
    known = emerging_hours(analysed(two_roles), "en")
    assert known.unknown == 0
    parts = known.table.select(pl.sum_horizontal("review", "curation", "evaluation", "integration")).to_series()
    assert parts.to_list() == pytest.approx(known.table["hours"].to_list())
    assert known.table["hours"].is_sorted(descending=True)
    nobody = emerging_hours(analysed(work(MATRIX, [task("a1", "a", ["4.A.1.a.1.I02"])])), "zh")
    assert nobody.unknown == nobody.roles == 1
    resting = [entry for entry in bundled_emerging() if any(part.driver == "review" for part in entry.drivers)]
    assert nobody.table["review"].null_count() == len(resting) > 0
    reviewer = nobody.table.filter(pl.col("emerging_role") == "生成内容审核员").row(0, named=True)
    assert reviewer["hours"] is None, "its work is reviewing alone, and unknown is never 0"
    assert reviewer["full_time"] is None
    assert nobody.table["emerging_role"].str.contains(r"[\u4e00-\u9fff]").all()


def test_changes_are_named_and_the_same_evidence_changes_nothing(two_roles: Work) -> None:
    bad, good = cells(share("classify", 5, 60, name="x")), cells(share("classify", 59, 60, name="y"))
    one, two, paired = analyse_pair(two_roles, bad, good, few())
    found = changes(difference(one, two, paired.pairing), two_roles.roles, "zh")
    assert "甲一" in found.tasks["task"].to_list()
    assert (found.tasks["before"] != found.tasks["after"]).all()
    assert set(found.roles["role"]) == {"a"}
    ((*_, before, after, pairing_word),) = found.paired.rows()
    assert (before, after, pairing_word) == (pytest.approx(500 / 60), pytest.approx(5900 / 60), "相同条目")
    same, again, pairing = analyse_pair(two_roles, good, good, few())
    nothing = changes(difference(same, again, pairing.pairing), two_roles.roles, "en")
    assert nothing.tasks.is_empty()
    assert nothing.roles.is_empty()


def test_what_if_levels_change_assumed_shares_and_no_other(two_roles: Work) -> None:
    plain, supposed = analysed(two_roles), analysed(two_roles, few(what_if={"summarize": 1.0}))
    assert assumed_shares(plain, "b").is_empty()
    shares = dict(assumed_shares(supposed, "b").select("share", "value").iter_rows())
    assert shares["not_assessed"] == 0
    assert shares["augment"] + shares["automate"] == pytest.approx(100)
    for name, values in plain.expected.roles.items():
        np.testing.assert_array_equal(values, supposed.expected.roles[name])
        np.testing.assert_array_equal(plain.certified[name], supposed.certified[name])


def test_two_roles_stand_side_by_side_with_all_their_shares(two_roles: Work) -> None:
    found = side_by_side(analysed(two_roles), ("b", "a"), "en")
    assert found["role"].unique(maintain_order=True).to_list() == ["b", "a"]
    sums = found.filter(pl.col("measure") != "time_freed").group_by("role").agg(pl.col("certified").sum())
    assert sums["certified"].to_list() == pytest.approx([100, 100])
    assert (found["low"] <= found["high"]).all()


def test_a_set_is_saved_read_back_and_never_overwritten(tmp_path: Path) -> None:
    assert saved_sets(tmp_path) == []
    mine = parse_assumptions({"costs": {"low": {"L": 3}}}, "test")
    save_set(tmp_path, "严格-1", mine)
    assert saved_sets(tmp_path) == ["严格-1"]
    again = read_set(tmp_path, "严格-1")
    assert (again.name, again.hash) == ("严格-1", mine.hash)
    save_set(tmp_path, "严格-1", mine)
    with pytest.raises(RoleShiftError, match="holds other values"):
        save_set(tmp_path, "严格-1", default_assumptions())
    assert read_set(tmp_path, "严格-1").hash == mine.hash
    for name in ("", "../up", "a/b", "a.b", "x" * 61):
        with pytest.raises(RoleShiftError, match="no name for a set"):
            save_set(tmp_path, name, mine)
