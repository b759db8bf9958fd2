"""Where a system is weak: its primary metric on parts of the items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from roleshift.contracts import slices_to_map
from roleshift.evaluation.evidence import Evidence, SystemKey
from roleshift.evaluation.measures import Precision, measure
from roleshift.evaluation.statistics import MINIMUM_GROUPS

LENGTHS = ("short", "medium", "long")


def slice_values(examples: pl.DataFrame, evidence: Evidence, capability: str) -> dict[str, dict[str, str]]:
    """By slice name, each example's value: the examples' own slices, language, source, label, length.

    Length is the third of the capability's inputs, in characters, that an input belongs to; label is
    the first reference of a classify task.
    """
    rows = examples.filter(pl.col("capability") == capability).sort("example_id").to_dicts()
    found: dict[str, dict[str, str]] = {}
    lengths = np.array([len(row["input"]) for row in rows])
    bounds = np.quantile(lengths, (1 / 3, 2 / 3)) if len(rows) else np.zeros(2)
    for row, length in zip(rows, lengths, strict=True):
        values = {
            "language": row["language"],
            "source": row["source"],
            "input length": LENGTHS[int((length > bounds).sum())],
        }
        task = evidence.tasks.get(row["task_definition"])
        if task is not None and task.kind == "classify":
            values["label"] = row["references"][0]
        if task is not None and len(evidence.tasks_of(capability)) > 1:
            values["task"] = task.id
        for name, value in {**values, **slices_to_map(row["slices"])}.items():
            found.setdefault(name, {})[row["example_id"]] = value
    return {name: values for name, values in found.items() if len(set(values.values())) > 1}


def slice_report(
    evidence: Evidence,
    system: SystemKey,
    capability: str,
    values: Mapping[str, Mapping[str, str]],
    precision: Precision,
) -> dict[str, Any]:
    """`by_name`: the primary metric of each slice; `worst`: the lowest of those with enough items.

    A slice of fewer than MINIMUM_GROUPS independent items has no interval and says so in its note.
    """
    metric = evidence.primary[capability]
    whole = evidence.corpus(system, capability, metric)
    report: dict[str, dict[str, Any]] = {}
    worst: dict[str, Any] | None = None
    for name, by_example in sorted(values.items()):
        for value in sorted(set(by_example.values())):
            members = [example for example in whole.example_ids if by_example.get(example) == value]
            if not members:
                continue
            figure = measure(whole.take(members), metric, precision)
            report.setdefault(name, {})[value] = figure
            enough = figure["groups"] >= MINIMUM_GROUPS and figure["value"] is not None
            if enough and (worst is None or figure["value"] < worst["value"]):
                worst = {"slice": name, "of": value, "value": figure["value"], "n": figure["n"]}
    return {"by_name": report, "worst": worst}
