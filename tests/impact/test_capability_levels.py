import numpy as np
import pytest
from impact_builders import cell, cells, share, tables
from scipy.stats import binomtest

from roleshift.errors import RoleShiftError
from roleshift.impact.capability import capability_table, design_effect, lower_bound, measured_cells
from roleshift.impact.draws import draw_levels, draw_pair
from roleshift.tasks import parse_tasks

FIELDS = {"kind": "generate", "instruction": "i", "language": "en", "threshold_reason": "r"}
TASKS = parse_tasks(
    {
        "short": {**FIELDS, "capability": "summarize", "domain": "news", "metric": "rouge_l", "threshold": 0.35},
        "long": {**FIELDS, "capability": "summarize", "domain": "news", "metric": "exact_match", "threshold": 1.0},
        "find": {**FIELDS, "capability": "answer", "domain": "law", "metric": "token_f1", "threshold": 0.5},
    },
    "test",
)


def item(example: str, task: str, score: float = 1.0, **more):
    definition = TASKS[task]
    return {
        "example_id": example, "task_definition": task, "capability": definition.capability,
        "domain": definition.domain, "metric": definition.metric, "score": score, **more,
    }  # fmt: skip


@pytest.mark.parametrize(("passes", "items"), [(0, 60), (1, 60), (37, 60), (59, 60), (60, 60), (3, 7)])
def test_lower_bound_is_that_of_clopper_and_pearson(passes, items):
    exact = binomtest(passes, items, alternative="greater").proportion_ci(0.95, method="exact").low
    assert lower_bound(passes, items) == pytest.approx(exact, abs=1e-9)


def test_an_item_passes_from_the_threshold_on_and_definitions_of_one_domain_are_pooled():
    items, scores = tables(
        [item("1", "short", 0.35), item("2", "short", 0.349), item("3", "long", 1.0), item("4", "find", 0.2)]
    )
    found = measured_cells(items, scores, TASKS, variant="onnx-int8")
    assert {key: (c.passes, c.items) for key, c in found.items()} == {
        ("answer", "law"): (0, 1),
        ("summarize", "news"): (2, 3),
    }
    assert found["summarize", "news"].grade == "overlap"  # the weakest of the pooled
    assert found["answer", "law"].grade == "verifiable"
    assert capability_table(found)["capability"].to_list() == ["answer", "summarize"]


def test_other_splits_shots_perturbations_and_variants_do_not_count():
    rows = [
        item("1", "find", 1.0),
        item("2", "find", 1.0, split="review"),
        item("3", "find", 1.0, shots=3),
        item("4", "find", 1.0, perturbation="typos"),
        item("5", "find", 1.0, variant="onnx-fp32"),
    ]
    assert measured_cells(*tables(rows), TASKS, variant="onnx-int8")["answer", "law"].items == 1


def test_evidence_that_cannot_be_read_is_named():
    items, scores = tables([item("1", "find", 1.0)])
    with pytest.raises(RoleShiftError, match="onnx-int8"):
        measured_cells(items, scores, TASKS, variant="torch")
    with pytest.raises(RoleShiftError, match="likelihood"):
        measured_cells(items, scores, TASKS, variant="onnx-int8-likelihood")
    with pytest.raises(RoleShiftError, match="no score by token_f1"):
        measured_cells(items, scores.clear(), TASKS, variant="onnx-int8")
    with pytest.raises(RoleShiftError, match="'find', which has no definition"):
        measured_cells(items, scores, {}, variant="onnx-int8")
    two = tables([item("1", "find", 1.0), item("2", "find", 1.0, model_id="other")])
    with pytest.raises(RoleShiftError, match="several models"):
        measured_cells(*two, TASKS, variant="onnx-int8")
    assert measured_cells(*two, TASKS, variant="onnx-int8", model_id="other")["answer", "law"].items == 1


def test_the_content_hash_follows_scores_and_artifact_but_not_names():
    def content(**more):
        return measured_cells(*tables([item("1", "find", **more)]), TASKS, variant="onnx-int8")[
            "answer", "law"
        ].evidence_hash

    assert content() == content(model_id="another name", output=None)
    assert content() != content(artifact_id="b")
    assert content() != content(score=0.9)


def test_design_effect_of_independent_items_is_one_and_of_copies_their_number():
    rng = np.random.default_rng(0)
    passed = rng.random(300) < 0.4
    assert design_effect(passed, map(str, range(300))) == 1.0
    copies = np.repeat(rng.random(100) < 0.4, 5)
    assert design_effect(copies, np.repeat(np.arange(100), 5).astype(str)) == pytest.approx(5, rel=0.02)
    assert design_effect(np.ones(12, dtype=bool), ["a"] * 6 + ["b"] * 6) == 6  # nothing to measure: the upper limit


def test_a_design_effect_widens_bound_and_draws():
    plain, grouped = share("answer", 48, 60), share("answer", 48, 60, design_effect=3.0)
    assert grouped.lower < plain.lower
    assert grouped.observed == plain.observed
    narrow, wide = (draw_levels(cells(c), 4000, 1)[c.key].std() for c in (plain, grouped))
    assert wide > 1.5 * narrow


def test_draws_have_the_moments_of_the_beta():
    draws = draw_levels(cells(share("answer", 12, 60)), 40_000, 3)["answer", "news"]
    a, b = 12.5, 48.5
    assert draws.mean() == pytest.approx(a / (a + b), abs=2e-3)
    assert draws.var() == pytest.approx(a * b / ((a + b) ** 2 * (a + b + 1)), rel=0.05)


def test_the_same_evidence_shares_its_draws_exactly():
    one = cells(share("answer", 40, 60), share("classify", 30, 60))
    paired = draw_pair(one, cells(share("answer", 40, 60), share("classify", 31, 60)), 500, 7)
    assert (paired.first["answer", "news"] == paired.second["answer", "news"]).all()
    assert paired.pairing == {("answer", "news"): "same evidence", ("classify", "news"): "paired"}


def test_paired_draws_follow_the_dirichlet_over_the_two_by_two_table():
    rng = np.random.default_rng(5)
    left = rng.random(80) < 0.6
    right = np.where(rng.random(80) < 0.85, left, ~left)
    a, b = cell("answer", left, name="a"), cell("answer", right, name="b")
    paired = draw_pair(cells(a), cells(b), 60_000, 11)
    counts = (
        np.array([(left & right).sum(), (left & ~right).sum(), (~left & right).sum(), (~left & ~right).sum()]) + 0.25
    )
    reference = np.random.default_rng(0).dirichlet(counts, 60_000)
    difference = paired.second["answer", "news"] - paired.first["answer", "news"]
    expected = reference[:, 2] - reference[:, 1]
    assert difference.mean() == pytest.approx(expected.mean(), abs=2e-3)
    assert difference.std() == pytest.approx(expected.std(), rel=0.02)
    assert paired.first["answer", "news"].var() == pytest.approx((reference[:, 0] + reference[:, 1]).var(), rel=0.03)


def test_items_not_in_common_are_drawn_apart_and_named():
    rng = np.random.default_rng(5)
    flags = rng.random(60) < 0.7
    a = cell("answer", flags)
    apart = draw_pair(cells(a), cells(cell("answer", flags, name="b", first=1000)), 20_000, 1)
    assert apart.pairing["answer", "news"] == "unpaired"
    assert abs(np.corrcoef(apart.first["answer", "news"], apart.second["answer", "news"])[0, 1]) < 0.03
    half = draw_pair(cells(a), cells(cell("answer", np.roll(flags, -30), name="b", first=30)), 20_000, 1)
    assert half.pairing["answer", "news"] == "partly paired"
    assert 0.2 < np.corrcoef(half.first["answer", "news"], half.second["answer", "news"])[0, 1] < 0.8
    alone = draw_levels(cells(a), 20_000, 1)["answer", "news"]
    assert half.first["answer", "news"].std() == pytest.approx(alone.std(), rel=0.03)


def test_margins_stay_the_betas_where_design_effects_differ():
    flags = np.arange(90) % 3 > 0
    a, b = cell("answer", flags, design_effect=1.5), cell("answer", flags, name="b", design_effect=3.0)
    paired = draw_pair(cells(a), cells(b), 40_000, 2)
    for c, draws in ((a, paired.first), (b, paired.second)):
        x, y = 60 / c.design_effect + 0.5, 30 / c.design_effect + 0.5
        assert draws["answer", "news"].mean() == pytest.approx(x / (x + y), abs=3e-3)
        assert draws["answer", "news"].var() == pytest.approx(x * y / ((x + y) ** 2 * (x + y + 1)), rel=0.05)
