"""The series that `dvc plots` draws: lists of points as JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from roleshift.evaluation.evidence import Evidence
from roleshift.evaluation.report import Tuned, named_systems

BINS = 20
"""Of the histogram of differences between -1 and 1."""


def score_points(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The primary score of base, base with shots, best floor and tuned, with its interval, by capability."""
    points = []
    for capability, part in summary["capabilities"].items():
        metric = part["primary_metric"]
        tuned = summary["tuned"]["shipped"]
        for label, system in (
            ("base", "base"),
            ("base-shots", "base-shots"),
            ("best-floor", part["best_floor"]),
            ("tuned", tuned),
        ):
            if system in part["systems"]:
                figure = part["systems"][system]["metrics"][metric]
                values = {name: figure[name] for name in ("value", "low", "high")}
                points.append({"capability": capability, "system": label, "metric": metric, **values})
    return points


def difference_histogram(evidence: Evidence, base_id: str, tuned: Tuned) -> list[dict[str, Any]]:
    """How many items gain or lose how much: tuned minus base by primary score, `from` and `to` of each bin."""
    systems = named_systems(evidence, base_id, tuned)
    edges = np.linspace(-1, 1, BINS + 1)
    points = []
    for capability in evidence.capabilities:
        if "base" not in systems or tuned.shipped not in systems:
            continue
        metric = evidence.primary[capability]
        mine, theirs = (evidence.corpus(systems[name], capability, metric) for name in (tuned.shipped, "base"))
        common = sorted(set(mine.example_ids) & set(theirs.example_ids))
        counts, _ = np.histogram(mine.take(common).scores - theirs.take(common).scores, edges)
        points += [
            {
                "capability": capability,
                "from": round(float(edges[i]), 2),
                "to": round(float(edges[i + 1]), 2),
                "items": int(n),
            }
            for i, n in enumerate(counts)
        ]
    return points
