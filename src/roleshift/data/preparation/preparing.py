"""From the raw sources to the four tables of examples, the quarantine and the report."""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import EXAMPLES
from roleshift.data.preparation.adapters import ADAPTERS
from roleshift.data.preparation.corrections import read_corrections
from roleshift.data.preparation.filters import within_length, without_duplicates
from roleshift.data.preparation.report import Outcome, capabilities, report
from roleshift.data.preparation.rows import Rejection, Row, TokenCounter, clean_rows
from roleshift.data.preparation.sampling import draw
from roleshift.data.preparation.splitting import PRIORITY, Split, assign_splits
from roleshift.errors import RoleShiftError
from roleshift.params import Params


@dataclass(frozen=True)
class Prepared:
    """Tables by split (contract EXAMPLES), rejected rows by corpus, and the report."""

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
    tasks = params.task_definitions()
    for name, corpus in sorted(params.corpora.items()):
        task = tasks[corpus.task]
        licence = params.sources[corpus.source].licence
        entries = ADAPTERS[corpus.adapter](raw / corpus.source, corpus, task)
        kept, dropped = clean_rows(name, corpus, entries, task=task, licence=licence, params=params.prepare)
        print(f"prepare: {name}: {len(kept) + len(dropped)} rows, {len(kept)} usable", file=sys.stderr, flush=True)
        read[name] = len(kept) + len(dropped)
        rows += kept
        rejected += dropped
    rows, too_long = within_length(rows, params.prepare, count_tokens)
    splits = assign_splits(rows, params.prepare.shares, params.prepare.sizes)
    rows, duplicates = without_duplicates(rows, lambda row: PRIORITY.index(splits[row.group]))
    corrections, unusable = read_corrections(params, raw)
    corrections, too_long_too = within_length(corrections, params.prepare, count_tokens)
    sample = draw(
        rows, splits, params.prepare.sizes, seed=params.seed, similarity=params.prepare.near_duplicate_similarity,
        corrections=corrections,
    )  # fmt: skip
    rejected += too_long + duplicates + unusable + too_long_too + sample.rejected
    rejected.sort(key=lambda rejection: rejection.corpus)  # stable: reading order inside a corpus and a step
    outcome = Outcome(params, read, rejected, rows, splits, sample)
    refuse_empty_splits(outcome)
    return Prepared(
        {split: _frame(drawn) for split, drawn in sample.rows.items()},
        [rejection.record() for rejection in rejected],
        report(outcome),
    )


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame([row.record() for row in rows], schema=EXAMPLES.schema)


def refuse_empty_splits(outcome: Outcome) -> None:
    """Raise where a capability has no example for a split that is asked for."""
    sizes = outcome.params.prepare.sizes
    for capability in capabilities(outcome.params):
        groups = {row.group for row in outcome.rows if row.task.capability == capability}
        for split in PRIORITY:
            drawn = [row for row in outcome.sample.rows[split] if row.task.capability == capability]
            if getattr(sizes, split) and not drawn:
                inside = sum(outcome.splits[group] == split for group in groups)
                raise RoleShiftError(
                    f"{capability}: no example for the split {split!r}; of {len(groups)} usable groups {inside} fall "
                    "there: add rows, raise its share in prepare.shares, or name a finer group column"
                )
