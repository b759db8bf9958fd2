"""People's accept and reject as a table, and as the file that the impact stage reads.

The store grows while a pipeline runs, and a fresh clone has none; so the stage reads an exported
file that params.yaml names, and its outputs follow from its inputs. The file holds no texts, and
reviewers by a number only: it can be committed.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from roleshift.contracts import Contract, read_table, write_table
from roleshift.errors import RoleShiftError
from roleshift.feedback.events import Answered, Event
from roleshift.feedback.summary import last_words
from roleshift.project import Project

JUDGED = Contract(
    "judgements",
    1,
    pl.Schema(
        {
            "model_id": pl.String(),
            "variant": pl.String(),
            "population": pl.String(),  # a split, or "captured"; never mixed
            "capability": pl.String(),
            "domain": pl.String(),
            "example_id": pl.String(),
            "reviewer_id": pl.String(),  # in a file a number, the same for all judgements of one person
            "accepted": pl.Boolean(),
            "drawn_by": pl.String(),  # only "random" enters an estimate
        }
    ),
    ("model_id", "variant", "population", "example_id", "reviewer_id"),
    frozenset({"capability", "domain"}),
)


def judged_table(events: Iterable[Event]) -> pl.DataFrame:
    """Each reviewer's last word on each answer: columns of JUDGED, in the order of its key."""
    rows = [
        {
            "model_id": event.answered.model_id,
            "variant": event.answered.variant,
            "population": event.about.population,
            "capability": event.about.capability,
            "domain": event.about.domain,
            "example_id": event.about.item_id,
            "reviewer_id": event.reviewer_id,
            "accepted": event.outcome == "accept",
            "drawn_by": event.drawn_by,
        }
        for event in last_words(event for event in events if event.kind == "judgement" and event.reviewer_id)
    ]
    return pl.DataFrame(rows, schema=JUDGED.schema).sort(JUDGED.key)


def judgements_of(judged: pl.DataFrame, answered: Answered, population: str) -> pl.DataFrame:
    """The judgements of one version's answers in one population."""
    return judged.filter(
        pl.col("model_id") == answered.model_id,
        pl.col("variant") == answered.variant,
        pl.col("population") == population,
    )


def default_judgements(project: Project) -> Path:
    """Where `roleshift feedback judgements` writes."""
    return project.home / "feedback" / "judgements.parquet"


def write_judgements(path: Path, judged: pl.DataFrame) -> None:
    """Write the table with reviewers as numbers, so that no name leaves the store."""
    people = {name: f"{i:04}" for i, name in enumerate(sorted(judged["reviewer_id"].unique()), start=1)}
    numbered = judged.with_columns(pl.col("reviewer_id").replace_strict(people, return_dtype=pl.String))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, numbered.sort(JUDGED.key), JUDGED)


def read_judgements(path: Path) -> pl.DataFrame:
    """Read what `write_judgements` wrote."""
    if not path.is_file():
        raise RoleShiftError(f"{path}: no such file; write it with `roleshift feedback judgements`")
    return read_table(path, JUDGED)
