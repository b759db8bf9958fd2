"""Where a system is weak, or weaker than another: a capability's primary metric on parts of its items."""

from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from roleshift.contracts import slices_from_map, slices_to_map
from roleshift.evaluation.evidence import Corpus, Evidence, SystemKey
from roleshift.evaluation.measures import Precision, measure, paired_difference, rounded
from roleshift.evaluation.metrics.corpus import corpus_score
from roleshift.evaluation.statistics import MINIMUM_GROUPS, holm
from roleshift.tasks import TaskDefinition

LENGTHS = ("short", "medium", "long")
MADE_SLICES = ("source", "label", "input length", "language", "domain", "task")
"""Names of the slices that follow from examples and items; the others are the examples' own."""


def with_slices(
    items: pl.DataFrame, splits: Iterable[pl.DataFrame], tasks: Mapping[str, TaskDefinition]
) -> pl.DataFrame:
    """The items with the slices that follow from their examples (`splits`): source, label, input length.

    Length is the third of its split's and capability's inputs, in characters, that the example's belongs to, the same
    for each of its perturbations; label is the first reference of a classify task. An example's own slice
    of one of these names stands.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for part in (part for split in splits for part in split.partition_by("capability")):
        lengths = part["input"].str.len_chars().to_numpy()
        bounds = np.quantile(lengths, (1 / 3, 2 / 3))
        for row, length in zip(part.iter_rows(named=True), lengths, strict=True):
            values = {"source": row["source"], "input length": LENGTHS[int((length > bounds).sum())]}
            task = tasks.get(row["task_definition"])
            if task is not None and task.kind == "classify":
                values["label"] = row["references"][0]
            found[row["example_id"]] = slices_from_map(values | slices_to_map(row["slices"]))
    extended = [found.get(example, own) for example, own in items.select("example_id", "slices").iter_rows()]
    return items.with_columns(pl.Series("slices", extended, dtype=items.schema["slices"]))


def slice_members(rows: pl.DataFrame) -> dict[tuple[str, str], list[str]]:
    """The ids in each slice, by its name and value: what the items carry, their language, domain and task.

    A name with one value only divides nothing and is left out.
    """
    values: dict[str, dict[str, list[str]]] = {}
    for row in rows.iter_rows(named=True):
        about = {"language": row["language"], "domain": row["domain"], "task": row["task_definition"]}
        for name, value in {**about, **slices_to_map(row["slices"])}.items():
            values.setdefault(name, {}).setdefault(value, []).append(row["example_id"])
    return {
        (name, value): ids
        for name, by_value in sorted(values.items()) if len(by_value) > 1
        for value, ids in sorted(by_value.items())
    }  # fmt: skip


def slice_report(evidence: Evidence, system: SystemKey, capability: str, precision: Precision) -> dict[str, Any]:
    """`by_name`: the primary metric of each slice; `worst`: the lowest of those with enough items.

    A slice of fewer than MINIMUM_GROUPS independent items has no interval and says so in its note.
    """
    metric = evidence.primary[capability]
    whole = evidence.corpus(system, capability, metric)
    report: dict[str, dict[str, Any]] = {}
    worst: dict[str, Any] | None = None
    for (name, value), members in slice_members(evidence.rows(system, capability)).items():
        figure = measure(whole.take(members), metric, precision)
        report.setdefault(name, {})[value] = figure
        enough = figure["groups"] >= MINIMUM_GROUPS and figure["value"] is not None
        if enough and (worst is None or figure["value"] < worst["value"]):
            worst = {"slice": name, "of": value, "value": figure["value"], "n": figure["n"]}
    return {"by_name": report, "worst": worst}


def slice_differences(
    one: Corpus, two: Corpus, rows: pl.DataFrame, metric: str, precision: Precision
) -> list[dict[str, Any]]:
    """Both scores and their paired difference one - two on each slice of these items.

    slice, value, a, b, difference, low, high, n, p. p is one-sided (lower) by the normal distribution with the
    bootstrap's standard deviation, since the smallest p-value of a resampling test is too large to be corrected
    for many slices. low, high and p are None below MINIMUM_GROUPS independent items, where nothing can be said.
    """
    found = []
    for (name, value), ids in slice_members(rows).items():
        entry = paired_difference(one.take(ids), two.take(ids), metric, precision)
        scores = {
            side: rounded(corpus_score(metric, corpus.take(ids).statistics))
            for side, corpus in (("a", one), ("b", two))
        }
        kept = {key: entry[key] for key in ("difference", "low", "high", "n")}
        found.append({"slice": name, "value": value, **scores, **kept, "p": _lower_p(entry)})
    return found


def judge_slices(slices: list[dict[str, Any]], confidence: float) -> None:
    """Add p_corrected (Holm, over all of them together) and whether each is `regressed` by it."""
    for entry, p in zip(slices, holm([entry["p"] for entry in slices]), strict=True):
        entry["p_corrected"] = rounded(p)
        entry["regressed"] = p is not None and p <= 1 - confidence


def _lower_p(entry: Mapping[str, Any]) -> float | None:
    if entry["low"] is None:
        return None
    if not entry["deviation"]:
        return 0.0 if entry["difference"] < 0 else 1.0
    return NormalDist().cdf(entry["difference"] / entry["deviation"])
