import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from impact_builders import activities, cells, role, share, task, work
from pydantic import ValidationError

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import (
    compare_assumptions,
    default_assumptions,
    load_assumptions,
    parse_assumptions,
    save_assumptions,
)  # fmt: skip
from roleshift.impact.decision import AUGMENT, AUTOMATE, HUMAN, Rules, decide, time_freed
from roleshift.impact.roles import analyse
from roleshift.impact.tolerance import Costs, CostTable

RATE = st.floats(0, 1)


@st.composite
def allowed_costs(draw):
    """Costs over the whole range that the schema allows, orders of magnitude included."""
    loss = 10 ** draw(st.floats(-1, 4))
    human_error = draw(st.floats(0, 0.999))
    attempt = draw(st.floats(0, 3))
    assume(loss * (1 - human_error) > 1 - attempt)
    return Costs(
        loss=loss, human_error=human_error, attempt=attempt,
        review=draw(st.floats(0, 3)), caught=draw(RATE), redo=draw(st.floats(1, 5)),
    )  # fmt: skip


def decision_at(p: float, costs: Costs, may: bool = True) -> int:
    table = CostTable.of([costs])
    yes = np.array([True])
    rule = Rules(table, table.automate_from, table.augment_above, yes, yes, np.array([may]))
    return int(decide(np.array([p]), rule)[0])


@given(allowed_costs(), RATE, st.booleans())
def test_thresholds_decide_as_the_three_costs_do(costs, p, may):
    person = 1 + costs.human_error * costs.loss
    machine = costs.attempt + (1 - p) * costs.loss
    wrong = costs.caught * (costs.redo + costs.human_error * costs.loss) + (1 - costs.caught) * costs.loss
    reviewed = costs.attempt + costs.review + (1 - p) * wrong
    close = 1e-7 * max(person, machine, reviewed, 1)
    assume(all(abs(a - b) > close for a, b in ((person, machine), (machine, reviewed), (person, reviewed))))
    if may and p >= 1 - costs.tolerance and machine <= min(person, reviewed):
        expected = AUTOMATE
    else:
        expected = AUGMENT if reviewed < person else HUMAN
    assert decision_at(p, costs, may) == expected


@given(allowed_costs(), st.booleans())
def test_a_useless_model_is_never_worth_using(costs, may):
    assert decision_at(0.0, costs, may) == HUMAN


@given(allowed_costs(), RATE, RATE, st.booleans())
def test_more_success_never_takes_work_back_from_the_model(costs, p, q, may):
    low, high = sorted((p, q))
    assert decision_at(low, costs, may) >= HUMAN or decision_at(high, costs, may) <= AUGMENT


@given(allowed_costs(), RATE, st.floats(0, 3), RATE)
def test_dearer_attempts_and_surer_people_never_raise_automation(costs, p, more, less):
    if decision_at(p, costs) == AUTOMATE:
        return
    dearer = costs.model_copy(update={"attempt": costs.attempt + more})
    assert decision_at(p, dearer) != AUTOMATE
    surer = costs.model_copy(update={"human_error": costs.human_error * less})
    assert decision_at(p, surer) != AUTOMATE


@pytest.mark.parametrize(
    "wrong", [{"redo": 0.9}, {"loss": 0.5, "human_error": 0.0, "attempt": 0.0}, {"caught": 1.1}, {"review": -0.1}]
)
def test_costs_outside_the_inequalities_are_refused(wrong):
    fine = {"loss": 10, "human_error": 0.02, "attempt": 0.01, "review": 0.2, "caught": 0.8, "redo": 1}
    Costs(**fine)
    with pytest.raises(ValidationError):
        Costs(**fine | wrong)


def test_review_that_costs_more_than_it_frees_says_so():
    costs = CostTable.of([Costs(loss=1000, human_error=0.01, attempt=0, review=0.9, caught=1, redo=1)])
    p = np.array([0.5])
    freed, saved = time_freed(np.array([AUGMENT], dtype=np.int8), p, costs)
    assert costs.reviewed(p) < costs.person  # and yet worth it, since review guards against people's own errors
    assert freed[0] == saved[0] == pytest.approx(1 - 0.9 - 0.5)


def test_an_assumption_set_lies_over_the_default_and_is_named_by_its_values(tmp_path):
    path = tmp_path / "strict.yaml"
    path.write_text("costs: {low: {L: 3}}\nelasticities: {demand: 1.2}\nwhat_if: {answer: 0.8}\n")
    strict, default = load_assumptions(path), default_assumptions()
    assert strict.name == "strict"
    assert compare_assumptions(default, strict) == [
        ("costs.low.L", default.costs["low"].loss, 3.0),
        ("elasticities.demand", default.elasticities.demand.value, 1.2),
        ("what_if.answer", None, 0.8),
    ]
    assert strict.hash != default.hash
    save_assumptions(tmp_path / "copy.yaml", strict)
    assert load_assumptions(tmp_path / "copy.yaml").hash == strict.hash
    assert parse_assumptions({"name": "other"}, "x").hash == default.hash


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"costs": {"low": {"L": 0.2}}}, "set.yaml: costs.low: L \\* \\(1 - e_h\\)"),
        ({"costs": {"low": {"loss_of_face": 1}}}, "costs.low.loss_of_face: unknown key"),
        ({"costs": {"low": None}}, "costs.low"),
        ({"elasticities": {"pass_through": 2}}, "pass_through must be between 0 and 1"),
        ({"what_if": {"juggle": 0.5}}, "what_if.juggle"),
        ({"what_if": {"answer": 1.5}}, "what_if.answer"),
        ({"emerging": {"hours_per_year": 0}}, "hours_per_year must be above 0"),
    ],
)
def test_a_bad_assumption_set_is_named_by_file_and_key(raw, message):
    with pytest.raises(RoleShiftError, match=message):
        parse_assumptions(raw, "set.yaml")


NEEDS_ANSWER = activities(
    {"a": (1, {"answer": 1}, 0.0), "hands": (0, {}, 0.0), "two": (1, {"answer": 1, "classify": 1}, 0.0)}
)


def with_tolerance(eps: float):
    """A set whose class `low` has this error tolerance, where machine alone beats review."""
    return parse_assumptions(
        {"name": "x", "costs": {"low": {"L": 1 / eps, "e_h": 0, "c_ai": 0, "c_rev": 0.99, "d": 0.01, "c_redo": 1}}}, "x"
    )


def first_task(evidence, assumptions, **fields):
    jobs = work(NEEDS_ANSWER, [task("t", "r", fields.pop("ids", ["a"]), **fields)])
    return analyse(jobs, evidence, assumptions).task_table.row(0, named=True)


@pytest.mark.parametrize(("eps", "items"), [(0.1, 29), (0.05, 59), (0.01, 299), (0.001, 2995)])
def test_items_to_certify_without_failures_follow_the_logarithm(eps, items):
    row = first_task(cells(share("answer", 10, 10)), with_tolerance(eps))
    assert row["items_to_certify"] == items == math.ceil(math.log(0.05) / math.log(1 - eps))
    assert row["binding"] == "sample size"
    enough = first_task(cells(share("answer", items, items)), with_tolerance(eps))
    assert enough["decision"] == "automate"
    assert first_task(cells(share("answer", items - 1, items - 1)), with_tolerance(eps))["decision"] != "automate"


def test_items_to_certify_at_observed_rates_do_certify():
    row = first_task(cells(share("answer", 57, 60), share("classify", 58, 60)), with_tolerance(0.2), ids=["two"])
    n = row["items_to_certify"]
    assert row["certifiable"]
    assert row["binding"] == "sample size"
    one, two = round(n * 57 / 60 + 0.49), round(n * 58 / 60 + 0.49)
    assert (
        first_task(cells(share("answer", one, n), share("classify", two, n)), with_tolerance(0.2), ids=["two"])[
            "decision"
        ]
        == "automate"
    )


def test_a_rate_below_the_target_is_not_certifiable_and_never_a_number():
    row = first_task(cells(share("answer", 50, 100)), with_tolerance(0.1))
    assert (row["certifiable"], row["items_to_certify"], row["binding"]) == (False, None, "capability")
    assert row["binding_capability"] == "answer"
    assert row["flip_at"] == pytest.approx(0.9)


def test_what_binds_is_named():
    relaxed, sure = with_tolerance(0.2), cells(share("answer", 500, 500))
    gate = first_task(cells(), relaxed, ids=["hands", "a"])
    assert (gate["decision"], gate["binding"]) == ("human", "gate")
    missing = first_task(sure, relaxed, ids=["two"])
    assert (missing["decision"], missing["binding"], missing["binding_capability"]) == (
        "not assessed",
        "no evidence",
        "classify",
    )
    bare = first_task(sure, relaxed, ids=[])
    assert (bare["decision"], bare["binding"]) == ("not assessed", "no activity")
    assert first_task(sure, relaxed)["decision"] == "automate"
    easy = parse_assumptions(
        {"name": "x", "costs": {"low": {"L": 5, "e_h": 0, "c_ai": 0, "c_rev": 0.1, "d": 0.5, "c_redo": 1}}}, "x"
    )
    foreign = first_task(sure, easy, domains=["law"])
    assert (foreign["decision"], foreign["binding"], foreign["transferred"]) == ("augment", "domain", True)
    overlap = first_task(cells(share("answer", 500, 500, grade="overlap")), easy)
    assert (overlap["decision"], overlap["binding"], overlap["grade"]) == ("augment", "grade", "overlap")
    dear = parse_assumptions({"name": "x", "costs": {"low": {"c_ai": 5, "L": 2}}}, "x")
    never = first_task(sure, dear)
    assert (never["decision"], never["binding"], never["flip_at"]) == ("human", "tolerance", None)


def test_evidence_of_several_own_domains_is_the_lowest_with_the_weakest_grade():
    evidence = cells(
        share("answer", 300, 300, domain="news"),
        share("answer", 290, 300, domain="law", grade="overlap"),
        share("answer", 10, 300, domain="medicine"),
    )
    row = first_task(evidence, with_tolerance(0.2), domains=["news", "law"])
    assert row["success_observed"] == pytest.approx(290 / 300)
    assert (row["grade"], row["transferred"], row["decision"]) == ("overlap", False, "human")
    nowhere = first_task(evidence, with_tolerance(0.2), domains=["cooking"])
    assert (nowhere["success_observed"], nowhere["transferred"]) == (pytest.approx(10 / 300), True)


def test_a_users_own_items_override_the_general_evidence_for_that_task_alone():
    evidence = cells(share("answer", 300, 300), share("answer", 30, 300, domain="task:t1"))
    rows = [task("t1", "r", ["a"]), task("t2", "r", ["a"]), task("t3", "r", ["a"], domains=["law"])]
    table = analyse(work(NEEDS_ANSWER, rows), evidence, with_tolerance(0.2)).task_table
    assert table["success_observed"].to_list() == [pytest.approx(0.1), 1.0, 1.0]
    assert table["transferred"].to_list() == [False, False, True]


def test_a_class_without_costs_is_named():
    with pytest.raises(RoleShiftError, match=r"costs\.mortal is missing"):
        first_task(cells(share("answer", 1, 1)), default_assumptions(), consequence="mortal")


@settings(deadline=None, max_examples=60)
@given(
    allowed_costs(),
    st.lists(
        st.tuples(
            st.sampled_from(["answer", "classify"]),
            st.sampled_from(["news", "law", "other"]),
            st.integers(0, 200),
            st.booleans(),
        ),
        max_size=6,
    ),
    st.integers(0, 5),
)
def test_raising_any_measured_rate_never_lowers_automate_plus_augment(costs, evidence, which):
    """Through the whole engine: several domains, grades and transferred evidence."""
    assumptions = default_assumptions().model_copy(update={"costs": {"low": costs}, "draws": 100})
    tasks = [
        task("1", "r", ["a"]),
        task("2", "r", ["two"], domains=["news", "law"]),
        task("3", "r", ["two"], domains=["sport"]),
    ]
    before = {
        (c, d): share(c, k, 200, domain=d, grade="overlap" if weak else "verifiable") for c, d, k, weak in evidence
    }
    if not before:
        return
    key = sorted(before)[which % len(before)]
    after = {**before, key: share(*key[:1], 200, 200, domain=key[1], grade=before[key].grade)}
    jobs = work(NEEDS_ANSWER, tasks, [role("r")])
    readings = [analyse(jobs, e, assumptions).certified for e in (before, after)]
    used = [reading["automate"][0] + reading["augment"][0] for reading in readings]
    assert used[1] >= used[0] - 1e-12
