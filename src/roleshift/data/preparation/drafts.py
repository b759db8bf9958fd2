"""What an adapter reads out of a source, before anything is cleaned or split."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

OwnSplit = Literal["train", "test", "held-out"]
"""A split that the source itself defines; `held-out` is divided into validation and review."""


@dataclass(frozen=True)
class Draft:
    """One row: input, references, and what it must not be split from.

    `group` is a name that holds across sources: rows of one group stay in one split. `origin` says
    where the row came from, as file:line or file:key inside the source.
    """

    input: str
    references: tuple[str, ...]
    group: str
    origin: str
    slices: dict[str, str] = field(default_factory=dict)
    language: str | None = None
    domain: str | None = None
    own_split: OwnSplit | None = None


@dataclass(frozen=True)
class Dropped:
    """A row that an adapter leaves out. `malformed` counts against max_malformed_share."""

    reason: str
    origin: str
    text: str
    detail: str = ""
    malformed: bool = False


class Adapter(Protocol):
    """Reads the files of one source as rows of one task, in a stable order."""

    def __call__(self, folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
        """Yield every row, used or left out."""
        ...
