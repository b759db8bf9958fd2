"""Do the intervals hold what they promise? At least 2,000 simulated test sets each."""

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from roleshift.evaluation.metrics.corpus import bleu, chrf, ratio
from roleshift.evaluation.statistics import approximate_randomisation, bootstrap_interval, paired_bootstrap
from roleshift.evaluation.statistics.simulated_texts import PADDING, draw_texts, rouge_l_f1, rouge_n_f1
from roleshift.evaluation.statistics.simulation import (
    bleu_statistics,
    chrf_statistics,
    coverage,
    right_or_wrong,
    rouge_2_statistics,
    rouge_l_statistics,
)

SIMULATIONS = 2000
GROUPS = 200
RESAMPLES = 300


@pytest.mark.parametrize(
    ("draw", "corpus"),
    [
        (right_or_wrong, ratio),
        (rouge_l_statistics, ratio),
        (rouge_2_statistics, ratio),
        (bleu_statistics, bleu),
        (chrf_statistics, chrf),
    ],
    ids=["accuracy", "rouge_l", "rouge_2", "bleu", "chrf"],
)
def test_intervals_cover_the_true_value_at_the_nominal_rate(draw, corpus) -> None:
    covered = coverage(draw, corpus, items=GROUPS, simulations=SIMULATIONS, resamples=RESAMPLES, seed=12345)
    assert set(covered) == {"percentile", "bca"}
    for share in covered.values():
        assert 0.93 <= share <= 0.97


def test_simulated_texts_have_the_rouge_that_rouge_score_gives_them() -> None:
    reference, answer = draw_texts(np.random.default_rng(5), 500)
    texts = [[" ".join(f"w{word}" for word in row if word != PADDING) for row in side] for side in (reference, answer)]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    expected = [scorer.score(wanted, found) for wanted, found in zip(*texts, strict=True)]
    for ours, name in (
        (rouge_n_f1(reference, answer, 1), "rouge1"),
        (rouge_n_f1(reference, answer, 2), "rouge2"),
        (rouge_l_f1(reference, answer), "rougeL"),
    ):
        assert ours == pytest.approx([score[name].fmeasure for score in expected], abs=1e-12)
    assert len(set(rouge_l_f1(reference, answer).round(6))) > 50


def test_grouped_items_are_covered_by_resampling_groups() -> None:
    generator = np.random.default_rng(7)
    names = np.repeat(np.arange(GROUPS), 3)
    covered = 0
    for seed in range(SIMULATIONS):
        values = np.repeat(generator.normal(0.5, 0.1, GROUPS), 3) + generator.normal(0, 0.05, GROUPS * 3)
        interval = bootstrap_interval(
            np.stack([values, np.ones_like(values)], axis=-1), ratio, groups=names, resamples=RESAMPLES, seed=seed
        )
        covered += interval.low <= 0.5 <= interval.high
    assert 0.93 <= covered / SIMULATIONS <= 0.97


def test_exchangeable_systems_are_called_different_at_the_nominal_rate() -> None:
    generator = np.random.default_rng(11)
    called = {"interval": 0, "bootstrap": 0, "randomised": 0}
    by_sacrebleu = 0
    for seed in range(SIMULATIONS):
        difficulty = generator.beta(1, 2, size=GROUPS)
        a, b = (
            np.stack([np.clip(difficulty + generator.normal(0, 0.1, GROUPS), 0, 1), np.ones(GROUPS)], axis=-1)
            for _ in range(2)
        )
        boot = paired_bootstrap(a, b, ratio, resamples=RESAMPLES, seed=seed)
        called["interval"] += boot.low > 0 or boot.high < 0
        called["bootstrap"] += boot.p <= 0.05
        called["randomised"] += approximate_randomisation(a, b, ratio, trials=RESAMPLES, seed=seed).p <= 0.05
        theirs = paired_bootstrap(a, b, ratio, resamples=RESAMPLES, seed=seed, p_rule="sacrebleu")
        by_sacrebleu += theirs.p <= 0.05
    for count in called.values():
        assert 0.03 <= count / SIMULATIONS <= 0.07
    assert by_sacrebleu / SIMULATIONS > 0.08  # why its bootstrap rule is not the default
