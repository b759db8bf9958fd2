"""What `prepare` says of its own work: counts by corpus and reason, by capability and split."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from roleshift.data.preparation.corrections import CORPUS
from roleshift.data.preparation.rows import Rejection, Row
from roleshift.data.preparation.sampling import Sample
from roleshift.data.preparation.splitting import PRIORITY, Split
from roleshift.params import Params


@dataclass(frozen=True)
class Outcome:
    """`read`: rows by corpus; `rows`: what passed every filter; `splits`: by group; `sample`: what was drawn."""

    params: Params
    read: Counter[str]
    rejected: list[Rejection]
    rows: list[Row]
    splits: dict[str, Split]
    sample: Sample


def capabilities(params: Params) -> list[str]:
    """The capabilities that the corpora are evidence for."""
    return sorted({task.capability for task in params.task_definitions().values()})


def report(outcome: Outcome) -> dict[str, Any]:
    """The contents of data/report.json; rows_read = rejected + drawn + not_drawn for each corpus."""
    joined = sum(row.corpus == CORPUS for row in outcome.sample.rows["train"])
    refused = Counter(rejection.reason for rejection in outcome.rejected if rejection.corpus == CORPUS)
    return {
        **({CORPUS: {"joined": joined, "rejected": dict(sorted(refused.items()))}} if joined or refused else {}),
        "seed": outcome.params.seed,
        "sizes_asked": outcome.params.prepare.sizes.model_dump(),
        "corpora": {name: _corpus(name, outcome) for name in sorted(outcome.params.corpora)},
        "capabilities": {
            capability: {split: _split(capability, split, outcome) for split in PRIORITY}
            for capability in capabilities(outcome.params)
        },
    }


def _corpus(name: str, outcome: Outcome) -> dict[str, Any]:
    corpus = outcome.params.corpora[name]
    reasons = Counter(rejection.reason for rejection in outcome.rejected if rejection.corpus == name)
    drawn = {split: sum(row.corpus == name for row in outcome.sample.rows[split]) for split in PRIORITY}
    return {
        "task": corpus.task,
        "source": corpus.source,
        "rows_read": outcome.read[name],
        "rejected": dict(sorted(reasons.items())),
        "drawn": drawn,
        "not_drawn": outcome.read[name] - reasons.total() - sum(drawn.values()),
    }


def _split(capability: str, split: Split, outcome: Outcome) -> dict[str, Any]:
    mine = (row for row in outcome.sample.rows[split] if row.corpus != CORPUS)
    chosen = [row for row in mine if row.task.capability == capability]
    available: dict[str, int] = defaultdict(int)
    for row in outcome.rows:
        if row.task.capability == capability and outcome.splits[row.group] == split:
            available[row.group] += 1
    asked: int = getattr(outcome.params.prepare.sizes, split)
    labels = Counter(row.references[0] for row in chosen if row.task.kind == "classify")
    return {
        "asked": asked,
        "drawn": len(chosen),
        "short_by": asked - len(chosen),
        "groups_drawn": len({row.group for row in chosen}),
        "groups_available": len(available),
        "rows_available": sum(available.values()),
        "languages": dict(sorted(Counter(row.language for row in chosen).items())),
        "labels": dict(sorted(labels.items())),
        "median_input_characters": median(len(row.input) for row in chosen) if chosen else None,
        "median_input_tokens": median(row.input_tokens for row in chosen) if chosen else None,
        "median_reference_tokens": median(row.reference_tokens for row in chosen) if chosen else None,
    }
