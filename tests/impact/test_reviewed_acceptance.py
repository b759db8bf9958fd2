import numpy as np
import polars as pl
import pytest
from impact_builders import activities, cells, share, task, work

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import default_assumptions
from roleshift.impact.capability import design_effect, lower_bound
from roleshift.impact.draws import draw_levels, draw_pair
from roleshift.impact.reviewed import FROM_USE, Judgements, acceptance, cells_from_use, reviewed_cells
from roleshift.impact.roles import analyse


def simulated(rng, items, judged, reviewers=3):
    """Items whose acceptance follows their score; the truth is the mean acceptance over the population's law."""
    scores = rng.random(items)
    accepted = rng.random(items) < 0.2 + 0.75 * scores
    chosen = np.sort(rng.permutation(items)[:judged])
    return Judgements(scores, chosen, rng.integers(0, reviewers, judged), accepted[chosen])


def test_with_every_item_judged_once_the_estimate_is_the_plain_share():
    j = simulated(np.random.default_rng(0), 60, 60)
    assert acceptance(j, 200, [1]).estimate == pytest.approx(j.accepted.mean(), abs=0.03)


def test_the_interval_covers_the_acceptance_rate_and_unjudged_items_narrow_it():
    rng = np.random.default_rng(3)
    truth, hits, widths, plain = 0.2 + 0.75 / 2, 0, [], []
    for s in range(300):
        j = simulated(rng, 400, 120, reviewers=1)
        found = acceptance(j, 300, [s])
        low, high = np.quantile(found.draws, (0.05, 0.95))
        hits += low <= truth <= high
        widths.append(high - low)
        alone = rng.binomial(120, j.accepted.mean(), 2000) / 120
        plain.append(np.quantile(alone, 0.95) - np.quantile(alone, 0.05))
    assert 0.85 <= hits / 300 <= 0.95
    assert np.mean(widths) < np.mean(plain)


def test_few_or_unanimous_judgements_never_pass_the_exact_bound():
    j = Judgements(np.linspace(0, 1, 200), np.arange(40), np.zeros(40, dtype=int), np.ones(40, dtype=bool))
    assert acceptance(j, 200, [0]).lower == pytest.approx(lower_bound(40, 40))
    many = Judgements(np.linspace(0, 1, 200), np.arange(150), np.zeros(150, dtype=int), np.ones(150, dtype=bool))
    assert acceptance(many, 200, [0]).lower == pytest.approx(lower_bound(150, 150))


def population(items=100, judged=60, drawn_by="random"):
    rng = np.random.default_rng(2)
    ids = [f"{i:03}" for i in range(items)]
    there = {"capability": ["draft"] * items, "domain": ["news"] * items, "example_id": ids}
    frame = pl.DataFrame(there | {"score": rng.random(items)})
    given = frame.head(judged).select("capability", "domain", "example_id")
    return frame, given.with_columns(
        reviewer_id=pl.Series([f"r{i % 3}" for i in range(judged)]),
        accepted=pl.Series(rng.random(judged) < 0.97),
        drawn_by=pl.lit(drawn_by),
    )


OVERLAP = cells(share("draft", 80, 100, grade="overlap"), share("answer", 50, 60))


def test_a_reviewed_cell_takes_the_acceptance_rate_and_its_grade():
    found = reviewed_cells(OVERLAP, *population(), resamples=500, seed=1)
    cell = found["draft", "news"]
    assert (cell.grade, cell.reviewed.judged) == ("reviewed", 60)
    assert cell.lower < cell.observed == cell.reviewed.estimate
    assert found["answer", "news"] is OVERLAP["answer", "news"]
    drawn = draw_levels(found, 2000, 1)["draft", "news"]
    assert set(drawn) <= set(cell.reviewed.draws)
    assert draw_pair(found, dict(found), 100, 1).pairing["draft", "news"] == "same evidence"
    assert draw_pair(found, OVERLAP, 100, 1).pairing["draft", "news"] == "unpaired"


def test_reviewed_evidence_lifts_the_bar_of_the_grade():
    jobs = work(activities({"w": (1, {"draft": 1}, 0.0)}), [task("t", "r", ["w"])])
    before = analyse(jobs, OVERLAP, default_assumptions()).task_table
    reviewed = reviewed_cells(OVERLAP, *population(), resamples=500, seed=1)
    after = analyse(jobs, reviewed, default_assumptions()).task_table
    assert (before["decision"][0], before["binding"][0]) == ("augment", "grade")
    assert (after["decision"][0], after["grade"][0]) == ("automate", "reviewed")


@pytest.mark.parametrize(("judged", "drawn_by"), [(29, "random"), (60, "disagreement"), (60, "choice")])
def test_too_few_or_chosen_judgements_do_not_enter(judged, drawn_by):
    assert reviewed_cells(OVERLAP, *population(judged=judged, drawn_by=drawn_by), resamples=200, seed=1) == OVERLAP


def test_judgements_of_another_population_are_refused():
    frame, given = population()
    with pytest.raises(RoleShiftError, match="not in the population"):
        reviewed_cells(OVERLAP, frame.tail(50), given, resamples=200, seed=1)
    with pytest.raises(RoleShiftError, match="stands twice"):
        reviewed_cells(OVERLAP, pl.concat([frame, frame]), given, resamples=200, seed=1)


def use(requests=200, judged=60, drawn_by="random", callers=0, accept=lambda i: i % 10 > 0):
    """Captured requests of one capability, the first `judged` of them judged by one person."""
    common = {"task_definition": "letters", "capability": "draft", "domain": "business"}
    scores = np.random.default_rng(4).random(requests)
    rows = [
        common | {"example_id": f"{i:04}", "reviewer_id": "", "accepted": None, "drawn_by": "random",
                  "score": scores[i], "group_id": f"user {i % callers}" if callers else ""}
        for i in range(requests)
    ] + [
        common | {"example_id": f"{i:04}", "reviewer_id": "ann", "accepted": accept(i), "drawn_by": drawn_by,
                  "score": None, "group_id": ""}
        for i in range(judged)
    ]  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def test_judged_requests_from_use_are_a_population_of_their_own():
    (cell,) = cells_from_use(use(), resamples=500, seed=1).values()
    assert (cell.capability, cell.domain, cell.origins, cell.grade) == ("draft", FROM_USE, (FROM_USE,), "reviewed")
    assert (cell.items, cell.passes, cell.design_effect) == (60, 54, 1.0)
    assert cell.observed == pytest.approx(0.9, abs=0.03)
    assert cell.lower <= lower_bound(54, 60)
    assert cells_from_use(use(judged=29), resamples=200, seed=1) == {}
    assert cells_from_use(use(drawn_by="uncertainty"), resamples=200, seed=1) == {}


def test_what_was_not_captured_at_random_is_in_no_population():
    sent = use().filter((pl.col("reviewer_id") == "ann") | (pl.col("example_id") >= "0040"))
    assert cells_from_use(sent, resamples=200, seed=1) == {}  # 20 of the judged requests are left


def test_requests_of_one_caller_count_as_what_they_say_together():
    (alone,) = cells_from_use(use(accept=lambda i: i % 6 > 0), resamples=1000, seed=1).values()
    (together,) = cells_from_use(use(callers=6, accept=lambda i: i % 6 > 0), resamples=1000, seed=1).values()
    passed = np.array([i % 6 > 0 for i in range(60)])
    assert together.design_effect == design_effect(passed, [str(i % 6) for i in range(60)]) > 5
    assert together.lower < alone.lower - 0.1
    assert np.ptp(np.quantile(together.reviewed.draws, (0.05, 0.95))) > np.ptp(
        np.quantile(alone.reviewed.draws, (0.05, 0.95))
    )


def test_acceptance_in_use_lets_a_model_automate_only_work_that_names_use_as_its_domain():
    found = cells_from_use(use(400, 300, accept=lambda i: i % 40 > 0), resamples=500, seed=1)
    jobs = work(
        activities({"w": (1, {"draft": 1}, 0.0)}),
        [task("t", "r", ["w"], domains=["news"]), task("u", "r", ["w"], domains=[FROM_USE])],
    )
    table = analyse(jobs, found, default_assumptions()).task_table.sort("task_id")
    assert table["decision"].to_list() == ["augment", "automate"]
    assert table["transferred"].to_list() == [True, False]
