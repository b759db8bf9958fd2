"""What the stages ask and score, without knowing how a model is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import EXAMPLES, ITEMS, SCORES, TIMINGS, read_table
from roleshift.evaluation.metrics.options import DEFAULT_OPTIONS, MetricOptions
from roleshift.evaluation.scoring import score_items
from roleshift.tasks import TaskDefinition


def read_examples(root: Path) -> dict[str, pl.DataFrame]:
    """The examples of train, test and review."""
    return {
        split: read_table(root / f"data/examples/{split}.parquet", EXAMPLES) for split in ("train", "test", "review")
    }


def score_answers(
    items: pl.DataFrame,
    asked: Mapping[str, pl.DataFrame],
    tasks: Mapping[str, TaskDefinition],
    options: MetricOptions = DEFAULT_OPTIONS,
) -> pl.DataFrame:
    """Scores of items by the examples that were asked: `asked` by perturbation, `none` the clean ones."""
    parts = []
    for perturbation, examples in asked.items():
        rows = examples.select("example_id", "input", "references").to_dicts()
        answered = items.filter(pl.col("perturbation") == perturbation)
        references = {row["example_id"]: row["references"] for row in rows}
        inputs = {row["example_id"]: row["input"] for row in rows}
        parts.append(score_items(answered, references, inputs, tasks, options))
    return pl.concat(parts) if parts else pl.DataFrame(schema=SCORES.schema)


def together(parts: list[tuple[pl.DataFrame, pl.DataFrame]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Items and timings of several rounds of asking in one table each."""
    items = pl.concat([pl.DataFrame(schema=ITEMS.schema), *(part[0] for part in parts)])
    timings = pl.concat([pl.DataFrame(schema=TIMINGS.schema), *(part[1] for part in parts)])
    return items, timings


def timing_summary(items: pl.DataFrame, timings: pl.DataFrame) -> dict[str, Any]:
    """By variant (and shots): items, seconds of prompts and of decoding, tokens a second."""
    key = list(TIMINGS.key)
    rows = timings.join(items.select(*key, "prompt_tokens", "output_tokens"), on=key)
    summary = {}
    for (variant, shots), part in sorted(rows.group_by("variant", "shots")):
        prompt, decode = float(part["prompt_seconds"].sum()), float(part["decode_seconds"].sum())
        name = f"{variant}-{shots}-shot" if shots else str(variant)
        summary[name] = {
            "items": part.height,
            "prompt_seconds": round(prompt, 3),
            "decode_seconds": round(decode, 3),
            "prompt_tokens_per_second": round(int(part["prompt_tokens"].sum()) / prompt, 1) if prompt else None,
            "output_tokens_per_second": round(int(part["output_tokens"].sum()) / decode, 1) if decode else None,
        }
    return summary
