"""From the raw sources to the four tables of examples, the quarantine and the report."""

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from roleshift.contracts import EXAMPLES
from roleshift.data.preparation.adapters import ADAPTERS
from roleshift.data.preparation.filters import within_length, without_duplicates
from roleshift.data.preparation.rows import Rejection, Row, TokenCounter, clean_rows
from roleshift.data.preparation.sampling import Sample, draw
from roleshift.data.preparation.splitting import PRIORITY, Split, assign_splits
from roleshift.errors import RoleShiftError
from roleshift.params import Params


@dataclass(frozen=True)
class Prepared:
    """Tables by split (contract EXAMPLES), rejected rows in reading order, and the report."""

    examples: dict[Split, pl.DataFrame]
    quarantine: list[dict[str, str]]
    report: dict[str, Any]


def prepare_examples(params: Params, raw: Path, count_tokens: TokenCounter) -> Prepared:
    """Read, clean, filter, split and draw.

    Raises RoleShiftError where a corpus has too many malformed rows, or a split that is asked for
    stays empty for a capability.
    """
    rows: list[Row] = []
    rejected: list[Rejection] = []
    read: Counter[str] = Counter()
    for name, corpus in sorted(params.corpora.items()):
        task = params.task_definitions()[corpus.task]
        licence = params.sources[corpus.source].licence
        entries = ADAPTERS[corpus.adapter](raw / corpus.source, corpus, task)
        kept, dropped = clean_rows(name, corpus, task, licence, entries, params.prepare)
        print(f"prepare: {name}: {len(kept) + len(dropped)} rows, {len(kept)} usable", file=sys.stderr, flush=True)
        read[name] = len(kept) + len(dropped)
        rows += kept
        rejected += dropped
    rows, too_long = within_length(rows, params.prepare, count_tokens)
    splits = assign_splits(rows, params.prepare.shares, params.prepare.sizes)
    rows, duplicates = without_duplicates(rows, lambda row: PRIORITY.index(splits[row.group]))
    sample = draw(rows, splits, params.prepare.sizes, params.seed, params.prepare.near_duplicate_similarity)
    _refuse_empty_splits(params, rows, splits, sample)
    rejected += too_long + duplicates + sample.rejected
    rejected.sort(key=lambda rejection: rejection.corpus)  # stable: reading order inside a corpus and a step
    return Prepared(
        {split: _frame(drawn) for split, drawn in sample.rows.items()},
        [rejection.record() for rejection in rejected],
        _report(params, read, rejected, rows, splits, sample),
    )


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame([row.record() for row in rows], schema=EXAMPLES.schema)


def _refuse_empty_splits(params: Params, rows: list[Row], splits: dict[str, Split], sample: Sample) -> None:
    for capability in _capabilities(params):
        groups = {row.group for row in rows if row.task.capability == capability}
        for split in PRIORITY:
            wanted = getattr(params.prepare.sizes, split)
            if wanted and not any(row.task.capability == capability for row in sample.rows[split]):
                raise RoleShiftError(
                    f"{capability}: no example is left for the split {split!r} ({len(groups)} groups usable, "
                    f"{sum(splits[group] == split for group in groups)} of them in {split}; see prepare.shares): "
                    "add rows, raise its share, or name a finer group column"
                )


def _capabilities(params: Params) -> list[str]:
    return sorted({task.capability for task in params.task_definitions().values()})


def _report(
    params: Params,
    read: Counter[str],
    rejected: list[Rejection],
    rows: list[Row],
    splits: dict[str, Split],
    sample: Sample,
) -> dict[str, Any]:
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for rejection in rejected:
        reasons[rejection.corpus][rejection.reason] += 1
    usable = Counter(row.corpus for row in rows)
    drawn = Counter(row.corpus for chosen in sample.rows.values() for row in chosen)
    return {
        "seed": params.seed,
        "sizes_asked": params.prepare.sizes.model_dump(),
        "corpora": {
            name: {
                "task": corpus.task,
                "source": corpus.source,
                "rows_read": read[name],
                "rejected": dict(sorted(reasons[name].items())),
                "not_drawn": read[name] - reasons[name].total() - drawn[name],
                "usable_before_draw": usable[name],
                "drawn": {split: sum(row.corpus == name for row in sample.rows[split]) for split in PRIORITY},
            }
            for name, corpus in sorted(params.corpora.items())
        },
        "capabilities": {
            capability: {split: _split_report(capability, split, params, rows, splits, sample) for split in PRIORITY}
            for capability in _capabilities(params)
        },
    }


def _split_report(
    capability: str, split: Split, params: Params, rows: list[Row], splits: dict[str, Split], sample: Sample
) -> dict[str, Any]:
    chosen = [row for row in sample.rows[split] if row.task.capability == capability]
    available = {row.group for row in rows if row.task.capability == capability and splits[row.group] == split}
    asked = getattr(params.prepare.sizes, split)
    labels = Counter(row.references[0] for row in chosen if row.task.kind == "classify")
    return {
        "asked": asked,
        "drawn": len(chosen),
        "short_by": max(0, asked - len(chosen)),
        "groups_available": len(available),
        "groups_drawn": len({row.group for row in chosen}),
        "languages": dict(sorted(Counter(row.language for row in chosen).items())),
        "labels": dict(sorted(labels.items())),
        "median_input_characters": median(len(row.input) for row in chosen) if chosen else None,
        "median_input_tokens": median(row.input_tokens for row in chosen) if chosen else None,
        "median_reference_tokens": median(row.reference_tokens for row in chosen) if chosen else None,
    }
