"""Intervals and tests against references: scipy, sacreBLEU, simulation."""

import numpy as np
import pytest
import sacrebleu
from evaluation_samples import random_pairs
from sacrebleu.significance import PairedTest
from scipy.stats import binomtest
from scipy.stats import bootstrap as scipy_bootstrap

from roleshift.evaluation.metrics.corpus import bleu, chrf, ratio
from roleshift.evaluation.metrics.overlap import Bleu, Chrf
from roleshift.evaluation.statistics import (
    approximate_randomisation,
    bootstrap_interval,
    clopper_pearson,
    detectable_difference,
    holm,
    needed_groups,
    paired_bootstrap,
)
from roleshift.evaluation.statistics.resampling import group_sums


def means(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones_like(values)], axis=-1)


@pytest.fixture(scope="module")
def two_systems() -> tuple[list[str], list[str], list[str]]:
    """Outputs of two systems of nearly the same quality, and one reference each."""
    pairs = random_pairs("en", 300, seed=5)
    references = [refs[0] for _, refs, _ in pairs]
    draw = np.random.default_rng(6)

    def noisy(rate: float) -> list[str]:
        return [" ".join("x" if draw.random() < rate else w for w in ref.split()) for ref in references]

    return noisy(0.30), noisy(0.31), references


@pytest.mark.parametrize(("passes", "n"), [(0, 10), (10, 10), (3, 10), (57, 60), (1, 1), (500, 1200)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_clopper_pearson_equals_scipy(passes: int, n: int, confidence: float) -> None:
    expected = binomtest(passes, n).proportion_ci(confidence, "exact")
    assert clopper_pearson(passes, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_clopper_pearson_covers_at_least_nominally() -> None:
    for n in (20, 60):
        bounds = np.array([clopper_pearson(k, n) for k in range(n + 1)])
        for p in np.linspace(0.02, 0.98, 25):
            covered = (bounds[:, 0] <= p) & (p <= bounds[:, 1])
            mass = np.array([binomtest_pmf(k, n, p) for k in range(n + 1)])
            assert mass[covered].sum() >= 0.95


def binomtest_pmf(k: int, n: int, p: float) -> float:
    from scipy.stats import binom

    return float(binom.pmf(k, n, p))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_interval_agrees_with_scipy(method: str) -> None:
    values = np.random.default_rng(0).beta(0.5, 2, size=150)
    ours = bootstrap_interval(means(values), ratio, resamples=20_000, method=method)  # type: ignore[arg-type]
    theirs = scipy_bootstrap(
        (values,), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_groups_are_resampled_together() -> None:
    values = np.repeat(np.random.default_rng(0).random(40), 5)
    groups = [f"g{i // 5}" for i in range(200)]
    together = bootstrap_interval(means(values), ratio, groups=groups, resamples=4000)
    apart = bootstrap_interval(means(values), ratio, resamples=4000)
    one_each = bootstrap_interval(means(values[::5]), ratio, resamples=4000)
    assert together.groups == 40
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low == pytest.approx(one_each.high - one_each.low, rel=0.1)
    assert together.high - together.low > 1.8 * (apart.high - apart.low)
    assert group_sums(np.ones((3, 2)), ["b", "a", "b"]).tolist() == [[1, 1], [2, 2]]


def test_too_few_groups_give_values_without_intervals() -> None:
    few = means(np.array([0.1, 0.5, 0.9, 1.0]))
    assert bootstrap_interval(few, ratio) == bootstrap_interval(few, ratio, groups=list("abcd"))
    assert bootstrap_interval(few, ratio).low is None
    result = paired_bootstrap(few, few, ratio)
    assert (result.value_a, result.difference, result.low, result.p) == (pytest.approx(0.625), 0, None, None)
    assert paired_bootstrap(np.zeros((0, 2)), np.zeros((0, 2)), ratio).groups == 0


def test_equal_systems_are_never_different() -> None:
    values = means(np.random.default_rng(0).random(100))
    for test in (paired_bootstrap, approximate_randomisation):
        result = test(values, values, ratio)
        assert result.difference == 0
        assert result.p == 1
    assert paired_bootstrap(values, values, ratio).low == 0


@pytest.mark.parametrize("apart", [1, 3, 4, 5, 8])
def test_right_or_wrong_items_have_the_p_of_the_exact_test(apart: int) -> None:
    better = np.ones(60)
    worse = better.copy()
    worse[:apart] = 0
    trials = 20_000
    ours = approximate_randomisation(means(better), means(worse), ratio, trials=trials)
    exact = binomtest(apart, apart, 0.5).pvalue  # McNemar's, exact
    assert ours.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / trials) + 1 / trials)


def test_exchangeable_right_or_wrong_systems_are_not_called_different_too_often() -> None:
    generator = np.random.default_rng(3)
    called = 0
    for seed in range(2000):
        shared = generator.random(60) < 0.5
        a, b = (np.where(generator.random(60) < 0.1, ~shared, shared).astype(float) for _ in range(2))
        called += (approximate_randomisation(means(a), means(b), ratio, trials=300, seed=seed).p or 0) <= 0.05
    assert called / 2000 <= 0.05


@pytest.mark.parametrize("kind", ["bs", "ar"])
def test_p_values_agree_with_sacrebleu(kind: str, two_systems: tuple[list[str], list[str], list[str]]) -> None:
    first, second, references = two_systems
    trials = 2000
    theirs = PairedTest(
        [("a", first), ("b", second)],
        {"bleu": sacrebleu.BLEU(force=True), "chrf": sacrebleu.CHRF(word_order=2)},
        [references],
        test_type=kind,
        n_samples=trials,
    )()[1]
    for metric, corpus in ((Bleu("en"), bleu), (Chrf("en"), chrf)):
        a, b = (
            np.array([metric.statistics(out, [ref], "") for out, ref in zip(outs, references, strict=True)])
            for outs in (first, second)
        )
        if kind == "bs":
            ours = paired_bootstrap(a, b, corpus, resamples=trials, p_rule="sacrebleu")
        else:
            ours = approximate_randomisation(a, b, corpus, trials=trials)
        name = "BLEU" if metric.metric == "bleu" else "chrF2++"
        expected = theirs[name][1].p_value
        error = 4 * np.sqrt(2 * max(expected * (1 - expected), 1 / trials) / trials)
        assert 0.01 < expected < 0.9
        assert ours.p == pytest.approx(expected, abs=error)
        assert ours.value_a * 100 == pytest.approx(theirs[name][0].score, abs=1e-4)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = means(np.random.default_rng(0).random(50))
    assert bootstrap_interval(values, ratio, seed=3) == bootstrap_interval(values, ratio, seed=3)
    assert bootstrap_interval(values, ratio, seed=3) != bootstrap_interval(values, ratio, seed=4)


def test_holm_corrects_step_down_and_keeps_what_has_no_p_value() -> None:
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_needed_number_of_groups_has_the_promised_power() -> None:
    generator = np.random.default_rng(0)
    needed = needed_groups(deviation=1 / np.sqrt(50), groups=50, difference=0.3)
    assert needed == pytest.approx(87, abs=1)
    samples = generator.normal(0.3, 1, size=(4000, needed))
    z = samples.mean(axis=1) / (samples.std(axis=1, ddof=1) / np.sqrt(needed))
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.03)
    assert detectable_difference(1 / np.sqrt(needed)) == pytest.approx(0.3, abs=0.005)
    assert needed_groups(0.1, 50, 0.0) is None
