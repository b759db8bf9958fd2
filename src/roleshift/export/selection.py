"""Which variant ships: the fastest that is not worse than the float32 export, on validation items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from roleshift.errors import RoleShiftError
from roleshift.evaluation.statistics import MINIMUM_GROUPS, PairedResult, non_inferior, paired_bootstrap
from roleshift.export.throughput import Speedup
from roleshift.params import SelectParams
from roleshift.tasks import TaskDefinition

RESAMPLES = 2000
RULE = (
    "Among the variants whose mean score over capabilities is, by the one-sided paired bootstrap bound, less than "
    "the margin below the float32 export's, the one with the highest measured throughput ships, if its speed-up "
    "exceeds 1 by more than the noise of the rounds; else the float32 export ships."
)


@dataclass(frozen=True)
class Candidate:
    """A variant beside the reference: quality on the same items, size, speed-up (None: the reference)."""

    name: str
    size: int
    quality: float
    by_capability: dict[str, float]
    paired: PairedResult | None
    speedup: Speedup | None


def primary_scores(scores: pl.DataFrame, items: pl.DataFrame, tasks: Mapping[str, TaskDefinition]) -> pl.DataFrame:
    """Each item's score by its task's primary metric: example_id, capability, group_id, score; by example."""
    wanted = pl.DataFrame(
        {"task_definition": list(tasks), "metric": [task.metric for task in tasks.values()]},
        schema={"task_definition": pl.String, "metric": pl.String},
    )
    kept = items.select("example_id", "task_definition", "capability", "group_id").join(wanted, on="task_definition")
    return (
        kept.join(scores.select("example_id", "metric", "score"), on=["example_id", "metric"])
        .select("example_id", "capability", "group_id", "score")
        .sort("example_id")
    )


def mean_by_capability(scored: pl.DataFrame) -> dict[str, float]:
    """The mean primary score of each capability."""
    means = scored.group_by("capability").agg(pl.col("score").mean()).sort("capability")
    return dict(zip(means["capability"].to_list(), means["score"].to_list(), strict=True))


def compare_quality(candidate: pl.DataFrame, reference: pl.DataFrame, confidence: float, seed: int) -> PairedResult:
    """The difference of the mean over capabilities; `low` is its one-sided bound at `confidence`.

    Both frames are from `primary_scores`, of the same examples. Items of one group are resampled
    together. Raises ValueError where the examples differ.
    """
    if candidate["example_id"].to_list() != reference["example_id"].to_list():
        raise ValueError("the two variants answered different examples")
    names = sorted(set(reference["capability"].to_list()))
    member = np.array([[c == name for name in names] for c in reference["capability"].to_list()], dtype=np.float64)

    def statistics(frame: pl.DataFrame) -> Any:
        return np.hstack([member * frame["score"].to_numpy()[:, None], member])

    def mean_over_capabilities(sums: Any) -> Any:
        with np.errstate(invalid="ignore"):  # a resample without any item of a capability has no value
            return (sums[..., : len(names)] / sums[..., len(names) :]).mean(-1)

    return paired_bootstrap(
        statistics(candidate),
        statistics(reference),
        mean_over_capabilities,
        groups=reference["group_id"].to_list(),
        resamples=RESAMPLES,
        # the lower end of this two-sided interval is the one-sided bound
        confidence=2 * confidence - 1,
        seed=seed,
    )


def decide(candidates: Sequence[Candidate], params: SelectParams) -> dict[str, Any]:
    """The content of metrics/selection.json; the first candidate is the reference."""
    reference = candidates[0]
    entries, eligible = [], []
    for candidate in candidates:
        entry: dict[str, Any] = {
            "variant": candidate.name,
            "bytes": candidate.size,
            "quality": round(candidate.quality, 6),
            "by_capability": {name: round(value, 6) for name, value in candidate.by_capability.items()},
        }
        if candidate.paired is None or candidate.speedup is None:
            entries.append(entry | {"reason": "the reference"})
            continue
        low = candidate.paired.low
        good, fast = non_inferior(candidate.paired, params.margin), candidate.speedup.low > 1
        entry |= {
            "difference": round(candidate.paired.difference, 6),
            "bound": None if low is None else round(low, 6),
            "not_worse": good,
            "faster": fast,
            "reason": _reason(low, good, fast, params, candidate.paired.groups),
        }
        entries.append(entry)
        if good and fast:
            eligible.append(candidate)
    best = max(eligible, key=lambda c: c.speedup.ratio if c.speedup else 0.0, default=reference)
    names = [candidate.name for candidate in candidates]
    if params.ship is not None and params.ship not in names:
        raise RoleShiftError(f"select.ship: {params.ship!r} was not exported; there are {', '.join(names)}")
    return {
        "shipped": params.ship or best.name,
        "rule": RULE,
        "by_rule": best.name,
        "override": params.ship,
        "margin": params.margin,
        "confidence": params.confidence,
        "candidates": entries,
    }


def only_variant(name: str, size: int, params: SelectParams) -> dict[str, Any]:
    """metrics/selection.json where there is nothing to choose from."""
    if params.ship is not None and params.ship != name:
        raise RoleShiftError(f"select.ship: {params.ship!r} was not exported; there is only {name}")
    return {
        "shipped": name,
        "rule": RULE,
        "by_rule": name,
        "override": params.ship,
        "margin": params.margin,
        "confidence": params.confidence,
        "candidates": [{"variant": name, "bytes": size, "reason": "the only variant"}],
    }


def variant_folders(models: Path) -> dict[str, Path]:
    """The exported variants by name, the reference first."""
    folders = {path.name: path for path in sorted(models.iterdir()) if path.is_dir()}
    if not folders:
        raise RoleShiftError(f"{models}: holds no variant; run `dvc repro export`")
    return dict(sorted(folders.items(), key=lambda entry: entry[0] != "onnx-fp32"))


def _reason(low: float | None, good: bool | None, fast: bool, params: SelectParams, groups: int) -> str:
    if low is None:
        return f"{groups} groups are too few for a bound (at least {MINIMUM_GROUPS}, some of each capability)"
    if not good:
        return f"may be worse by more than the margin of {params.margin:g}"
    if not fast:
        return "not worse, but not faster by more than the noise"
    return "not worse, and faster by more than the noise"
