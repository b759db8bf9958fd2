"""Rows on their way to becoming examples: cleaned, measured, and each dropped one with its reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from roleshift.contracts import slices_from_map
from roleshift.data.preparation.cleaning import CODE_CAPABILITIES, clean_reference, clean_text
from roleshift.data.preparation.drafts import Draft, Dropped, OwnSplit
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json
from roleshift.params import Corpus, PrepareParams
from roleshift.tasks import TaskDefinition

TokenCounter = Callable[[list[str]], list[int]]
"""Tokens of the base model in each text."""
Identity = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Row:
    """A cleaned row. `origin` names file and line; token counts are of the base model."""

    example_id: str
    corpus: str
    task: TaskDefinition
    input: str
    references: tuple[str, ...]
    group: str
    slices: dict[str, str]
    language: str
    domain: str
    own_split: OwnSplit | None
    source: str
    licence: str
    origin: str
    input_tokens: int = 0
    reference_tokens: int = 0

    @property
    def identity(self) -> Identity:
        """What two rows must not share: task, input, the slices that the instruction names."""
        return self.task.id, self.input, tuple(sorted(asked_slices(self.task, self.slices).items()))

    def record(self) -> dict[str, object]:
        """The row as the contract EXAMPLES has it."""
        return {
            "example_id": self.example_id,
            "task_definition": self.task.id,
            "capability": self.task.capability,
            "language": self.language,
            "domain": self.domain,
            "input": self.input,
            "references": list(self.references),
            "group_id": self.group,
            "slices": slices_from_map(self.slices),
            "source": self.source,
            "licence": self.licence,
        }


@dataclass(frozen=True)
class Rejection:
    """A row that is kept out, as it stands in the quarantine file."""

    corpus: str
    source: str
    origin: str
    reason: str
    detail: str
    text: str

    def record(self) -> dict[str, str]:
        """As one JSON line."""
        return {
            "corpus": self.corpus, "source": self.source, "origin": self.origin,
            "reason": self.reason, "detail": self.detail, "text": self.text,
        }  # fmt: skip


def asked_slices(task: TaskDefinition, slices: dict[str, str]) -> dict[str, str]:
    """The slices that the instruction names, and so a part of what is asked; the others only describe the item."""
    return {name: slices[name] for name in task.slice_names if name in slices}


def reject(row: Row, reason: str, detail: str = "") -> Rejection:
    """A cleaned row that is kept out after all."""
    return Rejection(row.corpus, row.source, row.origin, reason, detail, row.input)


def clean_rows(
    name: str,
    corpus: Corpus,
    read: Iterable[Draft | Dropped],
    *,
    task: TaskDefinition,
    licence: str,
    params: PrepareParams,
) -> tuple[list[Row], list[Rejection]]:
    """Clean what an adapter reads; too many malformed rows stop with file and line of the first."""
    rows: list[Row] = []
    rejected: list[Rejection] = []
    malformed: list[Dropped] = []
    for entry in read:
        if isinstance(entry, Dropped):
            rejected.append(Rejection(name, corpus.source, entry.origin, entry.reason, entry.detail, entry.text))
            if entry.malformed:
                malformed.append(entry)
            continue
        row = clean_draft(name, corpus.source, entry, task=task, licence=licence)
        if len(row.input) < params.min_input_characters:
            rejected.append(reject(row, "input_too_short", f"{len(row.input)} characters"))
        elif not row.references:
            rejected.append(reject(row, "empty_reference"))
        else:
            rows.append(row)
    total = len(rows) + len(rejected)
    if total == 0:
        raise RoleShiftError(f"corpora.{name}: its source {corpus.source!r} holds no rows")
    if len(malformed) > params.max_malformed_share * total:
        first = malformed[0]
        raise RoleShiftError(
            f"{corpus.source}/{first.origin}: malformed row ({first.detail}); {len(malformed)} of {total} rows are, "
            f"more than prepare.max_malformed_share {params.max_malformed_share:g}: mend them or raise the share"
        )
    return rows, rejected


def clean_draft(corpus: str, source: str, draft: Draft, *, task: TaskDefinition, licence: str) -> Row:
    """One row, cleaned, with the id of its content; `references` may come out empty."""
    text = clean_text(draft.input, is_code=task.capability in CODE_CAPABILITIES)
    cleaned = (clean_reference(reference, task) for reference in draft.references)
    references = tuple(dict.fromkeys(reference for reference in cleaned if reference))
    identity = [task.id, text, list(references), asked_slices(task, draft.slices)]
    return Row(
        hash_json(identity)[:16], corpus, task, text, references, draft.group, draft.slices,
        draft.language or task.language, draft.domain or task.domain,
        draft.own_split, source, licence, draft.origin,
    )  # fmt: skip
