import numpy as np
import polars as pl
import pytest
from impact_builders import activities, cell, cells, role, share, task, work

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import default_assumptions, parse_assumptions
from roleshift.impact.capability import CAPABILITIES
from roleshift.impact.draws import draw_levels
from roleshift.impact.matching import match
from roleshift.impact.roles import MEASURES, analyse, analyse_pair, bottleneck, draw_success, interval
from roleshift.impact.totals import totals
from roleshift.impact.versions import difference
from roleshift.impact.work import compile_units

MATRIX = activities(
    {
        "read": (1, {"answer": 1, "extract": 1}, 0.5),
        "write": (1, {"draft": 2}, 0.25),
        "sort": (1, {"classify": 1, "answer": 1}, 0.0),
        "lift": (0, {}, 0.0),
        "see": (1, {"image": 1}, 0.0),
    }
)
TASKS = [
    task("1", "clerk", ["read"], weight=3),
    task("2", "clerk", ["read", "sort"], weight=2, consequence="medium"),
    task("3", "clerk", ["write"], weight=1),
    task("4", "clerk", ["lift"], weight=2),
    task("5", "clerk", ["see"], weight=1),
    task("6", "clerk", [], weight=1),
    task("7", "porter", ["lift"]),
    task("8", "reader", ["read"]),
]
EVIDENCE = cells(share("answer", 58, 60), share("extract", 57, 60), share("draft", 55, 60), share("classify", 59, 60))


def rows_of(analysis, role_id):
    frame = analysis.role_table.filter(pl.col("role_id") == role_id)
    return {row["measure"]: row for row in frame.iter_rows(named=True)}


def test_shares_are_weighted_and_unknown_is_not_zero():
    a = analyse(work(MATRIX, TASKS), EVIDENCE, default_assumptions())
    clerk, porter = rows_of(a, "clerk"), rows_of(a, "porter")
    assert clerk["not_assessed"]["certified"] == pytest.approx(0.2)
    assert porter["human"]["certified"] == 1.0
    for reading in ("certified", "expected", "weakest_link"):
        assert sum(clerk[m][reading] for m in ("automate", "augment", "human", "not_assessed")) == pytest.approx(1)
    assert clerk["automate"]["low"] <= clerk["automate"]["expected"] <= clerk["automate"]["high"]
    idle = analyse(
        work(MATRIX, TASKS, [role(r) for r in ("clerk", "porter", "reader", "idle")]), EVIDENCE, default_assumptions()
    )
    assert rows_of(idle, "idle")["not_assessed"]["expected"] == 1.0


def test_draws_agree_with_section_four_applied_draw_by_draw():
    """An independent, slow computation of every draw of a role."""
    assumptions = default_assumptions().model_copy(update={"draws": 200})
    jobs = work(MATRIX, TASKS)
    a = analyse(jobs, EVIDENCE, assumptions)
    levels = draw_levels(EVIDENCE, 200, assumptions.seed)
    two = MATRIX.requires_two(200, assumptions.seed, assumptions.jitter)
    rows, columns = MATRIX.needs
    freed = np.zeros(200)
    weights = dict(zip(jobs.tasks["task_id"], jobs.tasks["weight"], strict=True))
    for t in TASKS[:3]:
        costs = assumptions.costs[t["consequence"]]
        for s in range(200):
            need: dict[str, int] = {}
            for n, (r, c) in enumerate(zip(rows, columns, strict=True)):
                if MATRIX.ids[r] in t["activities"]:
                    need[CAPABILITIES[c]] = max(need.get(CAPABILITIES[c], 0), 2 if two[n, s] else 1)
            p = np.prod([levels[c, "news"][s] ** level for c, level in need.items()])
            person = 1 + costs.human_error * costs.loss
            alone = costs.attempt + (1 - p) * costs.loss
            review = (
                costs.attempt
                + costs.review
                + (1 - p)
                * (costs.caught * (costs.redo + costs.human_error * costs.loss) + (1 - costs.caught) * costs.loss)
            )
            if p >= 1 - costs.tolerance and alone <= min(person, review):
                freed[s] += weights[t["task_id"]]
            elif review < person:
                freed[s] += weights[t["task_id"]] * (1 - costs.review - (1 - p) * costs.caught * costs.redo)
    np.testing.assert_allclose(a.expected.roles["time_freed"][0], freed, atol=1e-12)


def test_jitter_is_drawn_once_per_activity_and_shared_by_tasks():
    jobs = work(MATRIX, TASKS)
    units = compile_units(jobs)
    two = MATRIX.requires_two(1000, 4, 1.0)
    matched = match(units, EVIDENCE, {k: np.full(1000, 0.5) for k in EVIDENCE}, {}, 1000)
    one, both = units.of_task[0], units.of_task[1]
    p = draw_success(units, matched, two, np.unique([one, both]))
    reading, sorting = p[np.searchsorted(np.unique([one, both]), [one, both])]
    assert set(reading) == {0.25, 0.125, 0.0625}
    np.testing.assert_allclose(sorting, reading * 0.5)  # the same levels, and `classify` besides
    assert MATRIX.requires_two(1000, 4, 0.0).mean() == pytest.approx(1 / 6)
    share_two = two[[i for i, r in enumerate(MATRIX.needs[0]) if MATRIX.ids[r] == "write"]].mean()
    assert share_two == pytest.approx(0.75, abs=0.05)


def test_the_weakest_link_is_never_stricter_than_the_product():
    a = analyse(work(MATRIX, TASKS), EVIDENCE, default_assumptions())
    assert (a.weakest >= a.lower - 1e-15)[a.rule.live].all()
    clerk = rows_of(a, "clerk")
    assert clerk["automate"]["weakest_link"] >= clerk["automate"]["certified"]


def test_the_bottleneck_lies_between_freed_time_that_moves_and_that_cannot():
    table = bottleneck(analyse(work(MATRIX, TASKS), EVIDENCE, default_assumptions()))
    clerk, porter, reader = table.iter_rows(named=True)
    assert clerk["spread"] > clerk["stuck"] == 1.0
    assert porter["spread"] == porter["stuck"] == 1.0
    assert reader["spread"] == pytest.approx(reader["stuck"])


def test_what_if_levels_enter_nothing_but_their_own_columns():
    jobs = work(MATRIX, TASKS)
    plain = analyse(jobs, EVIDENCE, default_assumptions())
    imagined = analyse(
        jobs, EVIDENCE, parse_assumptions({"name": "w", "what_if": {"image": 0.99, "draft": 0.999}}, "w")
    )
    shared = plain.role_table.columns
    assert imagined.role_table.select(shared).equals(plain.role_table)
    clerk = rows_of(imagined, "clerk")
    assert clerk["not_assessed"]["assumed"] == pytest.approx(0.1)
    assert "assumed" not in plain.role_table.columns


def test_totals_weigh_by_people_or_pay_and_state_what_they_cover():
    roles = [
        role("clerk", soc="43-1", employment=100.0, mean_wage=50.0),
        role("porter", soc="43-2", employment=300.0),
        role("reader"),
    ]
    a = analyse(work(MATRIX, TASKS, roles), EVIDENCE, default_assumptions())
    people = totals(a, "employment", whole=1000.0)
    assert (people.covered, people.share, people.unknown) == (400.0, 0.4, ("reader",))
    human = people.table.filter(pl.col("measure") == "human").row(0, named=True)
    assert human["certified"] == pytest.approx((a.certified["human"][0] + 3) / 4)
    assert human["low"] <= human["high"]
    pay = totals(a, "wage bill")
    assert (pay.covered, pay.share, pay.unknown) == (5000.0, None, ("porter", "reader"))
    nothing = totals(analyse(work(MATRIX, TASKS), EVIDENCE, default_assumptions()), "employment")
    assert nothing.covered == 0
    assert nothing.table.is_empty()


def test_a_head_count_of_one_s_own_is_whole_whoever_shares_the_soc_code():
    roles = [role("clerk", soc="43-1", employment=120.0), role("porter", soc="43-1"), role("reader")]
    assert totals(analyse(work(MATRIX, TASKS, roles), EVIDENCE, default_assumptions()), "employment").covered == 120.0


def test_the_same_evidence_twice_changes_exactly_nothing():
    jobs = work(MATRIX, TASKS)
    one, two, paired = analyse_pair(jobs, EVIDENCE, dict(EVIDENCE), default_assumptions())
    change = difference(one, two, paired.pairing)
    assert change.tasks.is_empty()
    assert (change.roles.select("certified", "expected", "low", "high").to_numpy() == 0.0).all()
    assert set(paired.pairing.values()) == {"same evidence"}


def test_a_better_version_changes_the_tasks_it_should():
    jobs = work(MATRIX, TASKS)
    rng = np.random.default_rng(1)
    flags = rng.random(400) < 0.75
    worse = {**EVIDENCE, ("answer", "news"): cell("answer", flags, name="w")}
    better = {**EVIDENCE, ("answer", "news"): cell("answer", flags | (rng.random(400) < 0.95), name="b")}
    one, two, paired = analyse_pair(jobs, worse, better, default_assumptions())
    change = difference(one, two, paired.pairing)
    assert set(change.tasks["task_id"]) <= {"1", "2", "8"}
    assert change.tasks.height > 0
    success = change.roles.filter((pl.col("measure") == "success") & (pl.col("role_id") == "reader")).row(0, named=True)
    assert 0 < success["low"] <= success["expected"] <= success["high"]
    assert paired.pairing["answer", "news"] == "paired"
    assert paired.pairing["draft", "news"] == "same evidence"


def test_pairing_narrows_the_interval_of_a_difference():
    rng = np.random.default_rng(3)
    left = rng.random(300) < 0.7
    right = np.where(rng.random(300) < 0.95, left, ~left)
    jobs = work(MATRIX, [task("t", "r", ["sort"])])
    width = {}
    for name, first in (("paired", 0), ("unpaired", 1000)):
        versions = [
            cells(cell("answer", flags, name=n, first=f), share("classify", 59, 60))
            for n, flags, f in (("a", left, 0), ("b", right, first))
        ]
        one, two, paired = analyse_pair(jobs, versions[0], versions[1], default_assumptions())
        assert paired.pairing["answer", "news"] == name
        row = difference(one, two, paired.pairing).roles.filter(pl.col("measure") == "success").row(0, named=True)
        width[name] = row["high"] - row["low"]
    assert width["paired"] < 0.6 * width["unpaired"]


def test_the_interval_encloses_nine_tenths():
    low, high = interval(np.arange(1001.0)[None, ::-1])
    assert (low[0], high[0]) == (50, 950)


def test_results_are_the_same_on_every_run():
    jobs = work(MATRIX, TASKS)
    first, second = (analyse(jobs, EVIDENCE, default_assumptions()).role_table for _ in range(2))
    assert first.equals(second)
    assert set(first["measure"]) == set(MEASURES)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (task("1", "clerk", ["fly"]), "task '1' names the unknown activity 'fly'"),
        (task("1", "clerk", ["read"], weight=0), "weight must be above 0"),
        (task("1", "nobody", ["read"]), "belongs to no role"),
    ],
)
def test_tasks_that_do_not_fit_are_named(bad, message):
    with pytest.raises(RoleShiftError, match=message):
        work(MATRIX, [bad], [role("clerk")])
