"""ACLSum: papers of computational linguistics, each with three sentences by an expert."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roleshift.data.preparation.drafts import Draft, Dropped, OwnSplit
from roleshift.errors import RoleShiftError
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

ASPECTS = ("challenge", "approach", "outcome")
SPLITS: dict[str, OwnSplit] = {"train.jsonl": "train", "val.jsonl": "held-out", "test.jsonl": "test"}


def read_papers(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """One row per paper and aspect: abstract -> summary of the aspect. The corpus keeps its own splits."""
    for file, own_split in SPLITS.items():
        if not (folder / file).is_file():
            raise RoleShiftError(f"{folder / file}: no such file; ACLSum's {', '.join(SPLITS)} are needed")
        with (folder / file).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield from _paper(line, f"{file}:{number}", own_split)


def _paper(line: str, origin: str, own_split: OwnSplit) -> Iterator[Draft | Dropped]:
    try:
        paper: dict[str, Any] = json.loads(line)
        abstract = " ".join(paper["sentences"]["abstract"])
        summaries = [(aspect, str(paper["summary"][aspect])) for aspect in ASPECTS]
        group = f"aclsum:{paper['id']}"
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        yield Dropped("malformed", origin, line[:200], f"{type(error).__name__}: {error}", malformed=True)
        return
    for aspect, summary in summaries:
        yield Draft(abstract, (summary,), group, f"{origin}:{aspect}", {"aspect": aspect}, own_split=own_split)
