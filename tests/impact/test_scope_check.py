import re
from pathlib import Path

import numpy as np
import pytest
from impact_builders import activities, role, task, work
from scipy.stats import rankdata, spearmanr

from roleshift.files import hash_json
from roleshift.impact.catalogue import bundled_activities
from roleshift.impact.validity import Scope, partial_rank_correlation, rank_correlation

REPOSITORY = Path(__file__).parents[2]
MATRIX = activities(
    {
        "4.A.1.a.1.I01": (1, {"answer": 1, "extract": 2}, 0.0),
        "4.A.1.a.1.I02": (1, {"answer": 2, "image": 1}, 0.0),
        "4.A.3.a.1.I01": (0, {}, 0.0),
        "4.A.4.b.4.I01": (0, {}, 0.0),  # closed, though not physical
    }
)
TASKS = [
    task("1", "a", ["4.A.1.a.1.I01"], weight=1),
    task("2", "a", ["4.A.1.a.1.I01", "4.A.1.a.1.I02"], weight=2),
    task("3", "a", ["4.A.1.a.1.I01", "4.A.4.b.4.I01"], weight=1),
    task("4", "b", ["4.A.3.a.1.I01"], weight=1),
    task("5", "b", ["4.A.1.a.1.I02"], weight=3),
    task("6", "b", [], weight=9),  # not assessed: in no share
]


@pytest.fixture
def scope() -> Scope:
    return Scope.of(work(MATRIX, TASKS, [role("a", soc="11-1011"), role("b", soc="12-1011")]))


def test_the_three_shares_are_nested_and_worked_out_by_hand(scope: Scope) -> None:
    np.testing.assert_allclose(scope.not_physical(), [1, 0.75])
    np.testing.assert_allclose(scope.gate(), [0.75, 0.75])
    np.testing.assert_allclose(scope.scope(0.8), [0.25 * 0.8**3 + 0.5 * 0.8**5, 0.75 * 0.8**3])
    np.testing.assert_allclose(scope.scope(0.8, language_only=True), [0.25 * 0.8**3, 0])
    np.testing.assert_allclose(scope.scope(1.0), scope.gate())


def test_shuffling_requirements_keeps_every_gate(scope: Scope) -> None:
    rng = np.random.default_rng(1)
    shuffled = scope.shuffled_requirements(rng)
    np.testing.assert_allclose(shuffled.gate(), scope.gate())
    rows = {tuple(row) for row in scope.activities.levels.tolist()}
    assert {tuple(row) for row in scope.shuffled(rng).activities.levels.tolist()} == rows


def test_correlations_match_scipy_and_residuals() -> None:
    rng = np.random.default_rng(0)
    z = rng.random(200).round(1)
    x, y = z + rng.random(200), z + rng.random(200)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    design = np.column_stack([np.ones(200), rankdata(z)])
    left, right = (v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (rankdata(x), rankdata(y)))
    assert partial_rank_correlation(x, y, z) == pytest.approx(np.corrcoef(left, right)[0, 1])
    assert np.isnan(rank_correlation(np.ones(5), np.arange(5)))


def test_gates_levels_and_jitter_stand_as_they_were_frozen() -> None:
    """The matrix was frozen before the exposure index was looked at; whoever changes it must say so and check anew."""
    matrix = bundled_activities()
    values = [list(matrix.ids), matrix.gate.tolist(), matrix.levels.tolist(), matrix.jitter.tolist()]
    assert hash_json(values)[:16] == "680e9d2822d7df10"


def test_every_proof_that_the_validity_document_names_exists() -> None:
    document = (REPOSITORY / "docs/impact-validity.md").read_text(encoding="utf-8").split("## What shows what")[1]
    named = set(re.findall(r"`(test_\w+)`", document))
    tests = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests/impact").glob("test_*.py"))
    assert len(named) >= 10
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []
