"""From answers to scores: one row per item and metric, with statistics and signature."""

from collections.abc import Mapping

import polars as pl

from roleshift.contracts import ITEM_KEY, SCORES, check
from roleshift.errors import RoleShiftError
from roleshift.evaluation.metrics.options import DEFAULT_OPTIONS, MetricOptions
from roleshift.tasks import TaskDefinition


def score_items(
    items: pl.DataFrame,
    references: Mapping[str, list[str]],
    inputs: Mapping[str, str],
    tasks: Mapping[str, TaskDefinition],
    options: MetricOptions = DEFAULT_OPTIONS,
) -> pl.DataFrame:
    """Score every item with every metric of its task.

    `items` follows contracts.ITEMS; `references` and `inputs` are by example_id, the input as the
    model saw it. The language that decides tokenisation is the item's. An empty answer scores what
    the metric gives it (0 for every primary metric).

    Returns contracts.SCORES. Raises RoleShiftError for an unknown task, an item without an answer
    or references, and a primary metric that its task's kind does not have; each names the item.
    """
    # `evaluate` brings transformers and torch; whoever only reads stored scores must not pay for it.
    from roleshift.evaluation.metrics.choose import metrics_of

    _embed_ahead(items, references, tasks, options)
    columns: dict[str, list[object]] = {name: [] for name in SCORES.schema.names()}
    for row in items.select([*ITEM_KEY, "task_definition", "language", "output"]).iter_rows(named=True):
        example = row["example_id"]
        task = tasks.get(row["task_definition"])
        if task is None:
            raise RoleShiftError(
                f"item {example}: unknown task {row['task_definition']!r}; known are {', '.join(tasks)}"
            )
        if row["output"] is None:
            raise RoleShiftError(f"item {example} ({row['variant']}): its answer was left out; score a full copy")
        wanted = [reference for reference in references.get(example, []) if reference.strip()]
        if not wanted:
            raise RoleShiftError(
                f"item {example} of {task.id}: no reference that is not empty; mend or drop the example"
            )
        metrics = metrics_of(task, row["language"], options)
        if task.metric not in {metric.metric for metric in metrics}:
            raise RoleShiftError(f"tasks.{task.id}.metric: {task.metric!r} does not fit the kind {task.kind!r}")
        for metric in metrics:
            statistics = metric.statistics(row["output"], wanted, inputs.get(example, ""))
            for name in ITEM_KEY:
                columns[name].append(row[name])
            columns["metric"].append(metric.metric)
            columns["score"].append(metric.item_score(statistics))
            columns["statistics"].append(statistics)
            columns["signature"].append(metric.signature())
    scores = pl.DataFrame(columns, schema=SCORES.schema)
    check(scores, SCORES, "scores")
    return scores


def _embed_ahead(
    items: pl.DataFrame,
    references: Mapping[str, list[str]],
    tasks: Mapping[str, TaskDefinition],
    options: MetricOptions,
) -> None:
    """Embed everything at once: in batches of one length that is many times faster than item by item."""
    if options.embedder is None:
        return
    generated = [name for name, task in tasks.items() if task.kind == "generate"]
    rows = items.filter(
        pl.col("task_definition").is_in(generated), pl.col("language").is_in(list(options.embedded_languages))
    )
    texts = {text for example in rows["example_id"].unique() for text in references.get(example, [])}
    texts |= set(rows["output"].drop_nulls())
    if texts := {text for text in texts if text.strip()}:
        options.embedder.embed(sorted(texts))
