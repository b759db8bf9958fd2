import copy

import polars as pl
import pytest
import yaml
from impact_builders import activities, cells, role, share, task, work

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import default_assumptions, parse_assumptions
from roleshift.impact.catalogue import (
    bundled_activities,
    bundled_capabilities,
    bundled_domains,
    bundled_emerging,
    bundled_roles,
    bundled_text,
    bundled_work,
    load_roles,
    parse_activities,
    parse_capabilities,
    parse_emerging,
    parse_roles,
    work_of,
)  # fmt: skip
from roleshift.impact.emerging import appearing_work
from roleshift.impact.roles import analyse
from roleshift.impact.scenario import labour_change, shrinking_table


def test_the_bundled_catalogue_is_whole():
    matrix = bundled_activities()
    assert len(matrix.ids) == 332
    jobs = bundled_work()
    assert jobs.roles.height >= 50
    assert len(bundled_capabilities()) == 13
    known = {r.id for r in bundled_roles()}
    assert all(e.role is None or e.role in known for e in bundled_emerging())
    assert bundled_domains()["news"].zh


def test_every_bundled_role_can_be_analysed():
    a = analyse(bundled_work(), cells(share("summarize", 30, 60, grade="overlap")), default_assumptions())
    assert a.role_table.filter(pl.col("measure") == "not_assessed")["certified"].max() <= 1
    assert "automate" not in set(a.task_table["decision"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("4.A.1.a.1.I02,1,", "4.A.1.a.1.I02,2,", "line 3: gate must be 0 or 1"),
        ("4.A.1.a.1.I02,1,0,", "4.A.1.a.1.I02,1,3,", "line 3: summarize must be 0, 1 or 2"),
        ("4.A.1.a.1.I02,", "4.A.1.a.1.I01,", "line 3: iwa_id is that of line 2"),
        ("iwa_id,gate,", "iwa_id,gait,", "line 1: the column 'gate' is missing"),
        ("4.A.1.a.1.I02,1,0,0,0,0,1,1,", "4.A.1.a.1.I02,1,0,0,0,0,0,0,", "line 3: gate is 1 and no capability"),
    ],
)
def test_a_faulty_activity_is_named_by_its_line(old, new, message):
    with pytest.raises(RoleShiftError, match=f"activities.csv: {message}"):
        parse_activities(bundled_text("activities.csv").replace(old, new), "activities.csv")


COMPANY = {
    "domains": {"claims": {"en": "claims", "zh": "理赔"}},
    "roles": [
        {
            "id": "adjuster",
            "name": {"en": "Claims adjuster", "zh": "理赔员"},
            "employment": 40,
            "tasks": [
                {
                    "id": "read-claim", "description": {"en": "Read claims", "zh": "阅读理赔"}, "weight": 1.0,
                    "activities": ["4.A.1.a.1.I02"], "domains": ["claims", "news"], "consequence": "medium",
                }
            ],
        }
    ],
}  # fmt: skip


def test_a_companys_roles_use_the_bundled_domains(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(yaml.safe_dump(COMPANY, allow_unicode=True))
    jobs = work_of(load_roles(path), bundled_activities(), "ours.yaml")
    assert jobs.roles["employment"].to_list() == [40.0]
    assert jobs.tasks["domains"].to_list() == [["claims", "news"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": 0.5}, "roles.adjuster: the tasks' weights add up to 0.5"),
        ({"domains": ["poetry"]}, "roles.adjuster.tasks.read-claim: unknown domain 'poetry'"),
        ({"description": {"en": "Read claims"}}, "roles.adjuster.tasks.0.description.zh: Field required"),
        ({"colour": "red"}, "roles.adjuster.tasks.0.colour: unknown key"),
    ],
)
def test_a_faulty_role_is_named_by_its_key(change, message):
    raw = copy.deepcopy(COMPANY)
    raw["domains"]["news"] = raw["domains"]["claims"]
    raw["roles"][0]["tasks"][0].update(change)
    with pytest.raises(RoleShiftError, match=message):
        parse_roles(raw, "ours.yaml")


def test_capabilities_and_emerging_roles_are_checked():
    raw = yaml.safe_load(bundled_text("capabilities.yaml"))
    with pytest.raises(RoleShiftError, match="'speech' is missing"):
        parse_capabilities({k: v for k, v in raw.items() if k != "speech"}, "c.yaml")
    raw = yaml.safe_load(bundled_text("emerging.yaml"))
    raw["emerging_roles"] = raw["emerging_roles"][1:]
    with pytest.raises(RoleShiftError, match="driver 'review' add up to"):
        parse_emerging(raw, "e.yaml")


MATRIX = activities({"a": (1, {"answer": 1}, 0.0), "b": (1, {"image": 1}, 0.0)})


def test_labour_demand_follows_the_first_order_formula():
    set_ = parse_assumptions({"name": "x", "elasticities": {"demand": 2, "cost_share": 0.5, "pass_through": 0.8}}, "x")
    assert labour_change(0.5, set_.elasticities) == pytest.approx((2 * 0.5 * 0.8 - 1) * 0.5)
    a = analyse(work(MATRIX, [task("1", "r", ["a"]), task("2", "r", ["b"])]), cells(share("answer", 55, 60)), set_)
    row = shrinking_table(a).row(0, named=True)
    assert row["certified"] == pytest.approx(-0.2 * a.certified["time_freed"][0])
    assert row["low"] <= row["high"] <= 0
    assert row["not_assessed"] == 0.5


def test_appearing_work_is_sized_from_decisions_and_head_counts():
    roles = [role("r", employment=10.0), role("unknown")]
    tasks = [task("1", "r", ["a"], weight=3), task("2", "r", ["b"]), task("3", "unknown", ["a"], domains=["law"])]
    evidence = cells(share("answer", 50, 100))
    a = analyse(work(MATRIX, tasks, roles), evidence, default_assumptions())
    assert a.task_table["decision"].to_list() == ["augment", "not assessed", "augment"]
    given = a.assumptions.emerging
    found = appearing_work(a, bundled_emerging())
    hours = dict(zip(found.drivers["driver"], found.drivers["hours"], strict=True))
    spent = 10 * 0.75 * given.hours_per_year.value
    assert hours["review"] == pytest.approx(spent * a.assumptions.costs["low"].review)
    rejected = spent * 60 / given.task_minutes_per_item.value * (1 - evidence["answer", "news"].lower)
    minutes = given.curation_share_of_rejected.value * given.curation_minutes_per_item.value
    assert hours["curation"] == pytest.approx(rejected * minutes / 60)
    assert hours["evaluation"] == 2 * given.evaluation_hours_per_capability.value  # image in news, answer in law
    assert hours["integration"] == 2 * given.integration_hours_per_task.value
    assert found.roles["hours"].sum() == pytest.approx(sum(hours.values()))
    assert found.unknown == ("unknown",)
