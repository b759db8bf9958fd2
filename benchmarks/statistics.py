"""Time of the paired statistics: ours over cached statistics, sacreBLEU's, and recomputing from strings.

2,000 items, two systems, BLEU + chrF++ + ROUGE-L, paired bootstrap with 1,000 resamples, one core.
sacreBLEU has no ROUGE, and its time includes making the statistics; ours is shown with and without.
Recomputing from strings is timed for a few resamples and scaled up. Then ROUGE of all four types by rouge-score
and, where it is installed, by its port to Rust.

Run: python -P benchmarks/statistics.py [--items N] [--resamples N]
"""

import argparse
import os
import random
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, get_args

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # before numpy is loaded, which reads them then

import numpy as np  # noqa: E402
import sacrebleu  # noqa: E402
from sacrebleu.significance import PairedTest  # noqa: E402

from roleshift.evaluation.metrics.corpus import corpus_function  # noqa: E402
from roleshift.evaluation.metrics.item_metric import ItemMetric  # noqa: E402
from roleshift.evaluation.metrics.options import RougeLibrary  # noqa: E402
from roleshift.evaluation.metrics.overlap import ROUGE_TYPES, Bleu, Chrf, Rouge  # noqa: E402
from roleshift.evaluation.statistics import approximate_randomisation, bootstrap_interval, paired_bootstrap  # noqa: E402

FROM_STRINGS = 2
"""Resamples that are recomputed from strings; the time is scaled to all."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    items, resamples = arguments.items, arguments.resamples
    references, first, second = texts(items)
    metrics: list[ItemMetric] = [Bleu("en"), Chrf("en"), Rouge("rouge_l", "en")]

    made, making = timed(
        lambda: [[cache(metric, outputs, references) for outputs in (first, second)] for metric in metrics]
    )
    pairs = list(zip(metrics, made, strict=True))
    boot, bootstrapping = timed(
        lambda: [paired_bootstrap(a, b, corpus_function(m.metric), resamples=resamples) for m, (a, b) in pairs]
    )
    swapped, swapping = timed(
        lambda: [approximate_randomisation(a, b, corpus_function(m.metric), trials=resamples) for m, (a, b) in pairs]
    )
    _, accelerated = timed(
        lambda: [
            bootstrap_interval(a, corpus_function(m.metric), resamples=resamples, method="bca") for m, (a, _) in pairs
        ]
    )
    theirs, sacre = {}, {}
    for kind in ("bs", "ar"):
        test = PairedTest(
            [("first", first), ("second", second)],
            {"BLEU": sacrebleu.BLEU(force=True), "chrF": sacrebleu.CHRF(word_order=2)},
            [references],
            test_type=kind,
            n_samples=resamples,
        )
        result, sacre[kind] = timed(test)
        theirs[kind] = [result[1][name][1].p_value for name in ("BLEU", "chrF2++")]
    _, strings = timed(lambda: from_strings(metrics, references, first, second))

    print(f"{items} items, 2 systems, {resamples} resamples, one core, processor seconds\n")
    for what, seconds in (
        ("ours, paired bootstrap, BLEU + chrF++ + ROUGE-L", bootstrapping),
        ("ours, approximate randomisation, the same metrics", swapping),
        ("ours, BCa interval of one system, the same metrics", accelerated),
        ("ours, making the statistics once", making),
        ("sacreBLEU, paired bootstrap, BLEU + chrF++", sacre["bs"]),
        ("sacreBLEU, approximate randomisation, BLEU + chrF++", sacre["ar"]),
        ("recomputing from strings (scaled up)", strings / FROM_STRINGS * resamples),
    ):
        print(f"{what:52} {seconds:10.2f} s")
    # sacreBLEU has no ROUGE: its time is compared with ours for the two metrics that both have.
    shared, sharing = timed(
        lambda: [[cache(metric, outputs, references) for outputs in (first, second)] for metric in metrics[:2]]
    )
    _, ours_bs = timed(
        lambda: [
            paired_bootstrap(a, b, corpus_function(m.metric), resamples=resamples)
            for m, (a, b) in zip(metrics[:2], shared, strict=True)
        ]
    )
    _, ours_ar = timed(
        lambda: [
            approximate_randomisation(a, b, corpus_function(m.metric), trials=resamples)
            for m, (a, b) in zip(metrics[:2], shared, strict=True)
        ]
    )
    print()
    for what, ratio in (
        (
            "sacreBLEU's bootstrap / ours, BLEU + chrF++, making the statistics included",
            sacre["bs"] / (sharing + ours_bs),
        ),
        ("sacreBLEU's randomisation / ours, likewise", sacre["ar"] / (sharing + ours_ar)),
        (
            "recomputing from strings / ours, BLEU + chrF++ + ROUGE-L, likewise",
            strings / FROM_STRINGS * resamples / (making + bootstrapping),
        ),
        *rouge_ratio(references, first[::-1]),  # pairs that were not scored before, since scores are kept
    ):
        print(f"{what:74} {ratio:8.1f} times")

    print("\np-values                           BLEU    chrF++  ROUGE-L")
    print("ours, bootstrap, two-sided       ", "  ".join(f"{result.p:.4f}" for result in boot))
    as_theirs = [
        paired_bootstrap(a, b, corpus_function(m.metric), resamples=resamples, p_rule="sacrebleu")
        for m, (a, b) in pairs
    ]
    print("ours, bootstrap, sacreBLEU's rule", "  ".join(f"{result.p:.4f}" for result in as_theirs))
    print("sacreBLEU, bootstrap             ", "  ".join(f"{p:.4f}" for p in theirs["bs"]))
    print("ours, randomised                 ", "  ".join(f"{result.p:.4f}" for result in swapped))
    print("sacreBLEU, randomised            ", "  ".join(f"{p:.4f}" for p in theirs["ar"]))


def texts(items: int) -> tuple[list[str], list[str], list[str]]:
    """References of about 20 words, and two systems of nearly the same quality."""
    draw = random.Random(0)
    words = [f"w{i}" for i in range(400)]
    weights = [1 / (i + 1) for i in range(400)]
    references = [draw.choices(words, weights, k=draw.randint(8, 32)) for _ in range(items)]

    def system(noise: float) -> list[str]:
        return [" ".join(draw.choice(words) if draw.random() < noise else word for word in ref) for ref in references]

    return [" ".join(reference) for reference in references], system(0.400), system(0.404)


def cache(metric: ItemMetric, outputs: list[str], references: list[str]) -> np.ndarray:
    """The statistics of all items, shape (n, k)."""
    return np.array([metric.statistics(out, [ref], "") for out, ref in zip(outputs, references, strict=True)])


def from_strings(metrics: list[ItemMetric], references: list[str], first: list[str], second: list[str]) -> None:
    """A few resamples as they are made without cached statistics."""
    generator = np.random.default_rng(0)
    for _ in range(FROM_STRINGS):
        drawn = generator.integers(0, len(references), len(references)).tolist()
        for metric in metrics:
            for outputs in (first, second):
                statistics = cache(metric, [outputs[i] for i in drawn], [references[i] for i in drawn])
                corpus_function(metric.metric)(statistics.sum(axis=0))


def rouge_ratio(references: list[str], outputs: list[str]) -> list[tuple[str, float]]:
    """How many times as fast the port computes all four types, one pair after the other; empty without it."""
    if find_spec("rouge_score_rs") is None:
        return []
    seconds = {}
    for library in get_args(RougeLibrary):
        metrics = [Rouge(name, "en", library) for name in ROUGE_TYPES]
        # The four types of a pair in a row, as a run scores them.
        _, seconds[library] = timed(partial(score_all, metrics, outputs, references))
    return [("ROUGE by rouge-score / by rouge-score-rs", seconds["rouge-score"] / seconds["rouge-score-rs"])]


def score_all(metrics: list[Rouge], outputs: list[str], references: list[str]) -> None:
    """Every metric of one pair, then of the next."""
    for output, reference in zip(outputs, references, strict=True):
        for metric in metrics:
            metric.statistics(output, [reference], "")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and the processor seconds it took: on one thread those of an otherwise idle core."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


if __name__ == "__main__":
    main()
