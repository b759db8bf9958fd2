"""Throughput of variants on the same prompts, in alternated rounds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roleshift.generation import Backend, GenerationConfig, Request

ROUNDS = 3


@dataclass(frozen=True)
class Speedup:
    """How many times the reference's throughput; `low` is the one-sided bound over the rounds."""

    ratio: float
    low: float


def measure_throughput(
    backends: Mapping[str, Backend], requests: Sequence[Request], config: GenerationConfig
) -> dict[str, list[float]]:
    """Tokens (of prompts and answers) per second of each backend, one value per round.

    The backends take turns within a round, so that a clock that drifts hits all of them; each runs
    one request before the first round, which is not counted.
    """
    speeds: dict[str, list[float]] = {name: [] for name in backends}
    for backend in backends.values():
        backend.generate(requests[:1], config)
    for _ in range(ROUNDS):
        for name, backend in backends.items():
            start = time.perf_counter()
            answers = backend.generate(requests, config)
            seconds = time.perf_counter() - start
            speeds[name].append(sum(a.prompt_tokens + a.output_tokens for a in answers) / seconds)
    return speeds


def speedup(candidate: Sequence[float], reference: Sequence[float], confidence: float) -> Speedup:
    """The ratio of two throughputs with a one-sided bound: Student's t on the rounds' log ratios."""
    from scipy.stats import t

    logs = np.log(np.asarray(candidate) / np.asarray(reference))
    error = logs.std(ddof=1) / np.sqrt(len(logs))
    low = logs.mean() - t.ppf(confidence, len(logs) - 1) * error
    return Speedup(float(np.exp(logs.mean())), float(np.exp(low)))


def is_faster(a: Sequence[float], b: Sequence[float], confidence: float) -> bool:
    """Whether a's throughput is above b's by more than the noise of the rounds."""
    return speedup(a, b, confidence).low > 1
