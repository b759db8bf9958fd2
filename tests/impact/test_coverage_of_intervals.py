"""What proves the intervals: simulations with known success rates (section 10 of the model)."""

import numpy as np
import pytest
from impact_builders import activities, cell, task, work

from roleshift.impact.assumptions import default_assumptions
from roleshift.impact.decision import rules
from roleshift.impact.draws import draw_levels, draw_pair
from roleshift.impact.matching import match
from roleshift.impact.roles import interval, read_draws
from roleshift.impact.work import compile_units

NAMES = ("answer", "classify", "extract", "draft", "summarize")
MATRIX = activities(
    {
        "a": (1, {"answer": 1}, 0.0),
        "b": (1, {"answer": 1, "classify": 1}, 0.0),
        "c": (1, {"extract": 1, "draft": 1}, 0.0),
        "d": (1, {"draft": 2}, 0.0),
        "e": (1, {"summarize": 1, "extract": 1}, 0.0),
        "f": (1, {"classify": 1}, 0.0),
        "g": (0, {}, 0.0),
    }
)
JOBS = work(
    MATRIX,
    [task(name, "r", [name], weight=weight, consequence=kind) for name, weight, kind in zip(
        "abcdefg", (3, 2, 2, 1, 1, 2, 1), ("low", "low", "low", "low", "medium", "medium", "low"), strict=True
    )],
)  # fmt: skip
UNITS = compile_units(JOBS)
ASSUMPTIONS = default_assumptions().model_copy(update={"jitter": 0.0, "draws": 400})
SIMULATIONS = 2000
SHARES = ("automate", "augment", "time_freed")
NO_JITTER = MATRIX.requires_two(400, 0, 0.0)


def reading(evidence, draws):
    matched = match(UNITS, evidence, draws, {}, 400)
    return read_draws(UNITS, matched, rules(UNITS, matched, ASSUMPTIONS), NO_JITTER).roles


def truth(evidence, rates):
    return {m: v[0, 0] for m, v in reading(evidence, {k: np.full(400, rates[k[0]]) for k in evidence}).items()}


def evidence_of(rng, rates, n, name="a", first=0):
    members = [cell(c, rng.random(n) < rates[c], name=f"{name}{rng.integers(2**40)}", first=first) for c in NAMES]
    return {m.key: m for m in members}


def covers(draws, value):
    low, high = interval(draws)
    return low[0] - 1e-9 <= value <= high[0] + 1e-9


def test_ninety_per_cent_intervals_cover_known_truth():
    rng = np.random.default_rng(2024)
    hits = dict.fromkeys(("success", *SHARES), 0)
    for _ in range(SIMULATIONS):
        rates = dict(zip(NAMES, rng.uniform(0.1, 0.95, len(NAMES)), strict=True))
        evidence = evidence_of(rng, rates, int(rng.integers(60, 240)))
        known = truth(evidence, rates)
        found = reading(evidence, draw_levels(evidence, 400, 1))
        for measure in hits:
            hits[measure] += covers(found[measure], known[measure])
    assert 0.87 <= hits["success"] / SIMULATIONS <= 0.93, hits
    assert all(hits[measure] / SIMULATIONS >= 0.87 for measure in SHARES), hits


@pytest.mark.parametrize("same_items", [False, True])
def test_two_equal_systems_rarely_differ(same_items):
    rng = np.random.default_rng(7)
    hits = dict.fromkeys(("success", *SHARES), 0)
    for _ in range(SIMULATIONS):
        rates = dict(zip(NAMES, rng.uniform(0.1, 0.95, len(NAMES)), strict=True))
        first = evidence_of(rng, rates, 80)
        second = evidence_of(rng, rates, 80, "b", 0 if same_items else 1000)
        drawn = draw_pair(first, second, 400, 1)
        one, two = reading(first, drawn.first), reading(second, drawn.second)
        for measure in hits:
            hits[measure] += covers(two[measure] - one[measure], 0.0)
    assert all(count / SIMULATIONS >= 0.9 - 0.014 for count in hits.values()), hits  # two standard errors of 2,000
