"""People's accept and reject as a table, and as the file that the impact stage reads.

The store grows while a pipeline runs, and a fresh clone has none; so the stage reads an exported
file that params.yaml names, and its outputs follow from its inputs. The file holds no texts, and
reviewers by a number only: it can be committed.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from roleshift.contracts import Contract, read_table, write_table
from roleshift.errors import RoleShiftError
from roleshift.feedback.events import CAPTURED, Answered, Event
from roleshift.feedback.store import stored_events
from roleshift.feedback.summary import last_words
from roleshift.project import Project

JUDGED = Contract(
    "judgements",
    2,
    pl.Schema(
        {
            "model_id": pl.String(),
            "variant": pl.String(),
            "population": pl.String(),  # a split, or "captured"; never mixed
            "task_definition": pl.String(),
            "capability": pl.String(),
            "domain": pl.String(),
            "example_id": pl.String(),
            "reviewer_id": pl.String(),  # in a file a number, the same for all judgements of one person
            "accepted": pl.Boolean(),
            "drawn_by": pl.String(),  # only "random" enters an estimate
            "score": pl.Float64(),  # of a captured answer: the geometric mean of its tokens' probabilities
            "group_id": pl.String(),  # of a captured request: who asked, in a file a number; empty where unknown
        }
    ),
    ("model_id", "variant", "population", "example_id", "reviewer_id"),
    frozenset({"task_definition", "capability", "domain", "accepted", "score"}),
)
"""A row for each judgement; and, with an empty `reviewer_id`, one for each captured request of a task.

Those are the population of which some are judged: a split's items stand in the version's evidence,
captured ones nowhere outside the store.
"""


def judged_table(events: Iterable[Event]) -> pl.DataFrame:
    """Each reviewer's last word on each answer, and the requests captured at random, in the order of JUDGED's key."""
    listed = list(events)
    words = last_words(event for event in listed if event.kind == "judgement" and event.reviewer_id)
    captured = [
        event
        for event in listed
        if event.kind == "capture" and event.drawn_by == "random" and event.about.capability is not None
    ]
    rows = [_row(event, str(event.reviewer_id), event.outcome == "accept", None, "") for event in words]
    rows += [_row(event, "", None, _probability(event), event.user_id or "") for event in captured]
    return pl.DataFrame(rows, schema=JUDGED.schema).sort(JUDGED.key)


def _row(event: Event, reviewer: str, accepted: bool | None, score: float | None, group: str) -> dict[str, object]:
    return {
        "model_id": event.answered.model_id,
        "variant": event.answered.variant,
        "population": event.about.population,
        "task_definition": event.about.task_definition,
        "capability": event.about.capability,
        "domain": event.about.domain,
        "example_id": event.about.item_id,
        "reviewer_id": reviewer,
        "accepted": accepted,
        "drawn_by": event.drawn_by,
        "score": score,
        "group_id": group,
    }


def _probability(event: Event) -> float | None:
    logprob = event.details.get("mean_logprob")
    return None if logprob is None else math.exp(min(0.0, float(str(logprob))))


def stored_judgements(project: Project) -> pl.DataFrame:
    """The table as the project's store has it; captured requests are read only where one was judged."""
    events = stored_events(project, "judgement")
    if any(event.about.population == CAPTURED for event in events):
        events += stored_events(project, "capture")
    return judged_table(events)


def population_of(judged: pl.DataFrame, answered: Answered, population: str) -> pl.DataFrame:
    """The rows of one version's answers in one population."""
    return judged.filter(
        pl.col("model_id") == answered.model_id,
        pl.col("variant") == answered.variant,
        pl.col("population") == population,
    )


def default_judgements(project: Project) -> Path:
    """Where `roleshift feedback judgements` writes."""
    return project.home / "feedback" / "judgements.parquet"


def write_judgements(path: Path, judged: pl.DataFrame) -> None:
    """Write the table with reviewers and askers as numbers, so that no name leaves the store."""
    numbered = judged.with_columns(_numbered(judged["reviewer_id"]), _numbered(judged["group_id"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, numbered.sort(JUDGED.key), JUDGED)


def _numbered(names: pl.Series) -> pl.Series:
    numbers = {name: f"{i:04}" for i, name in enumerate(sorted(set(names) - {""}), start=1)}
    return names.replace_strict(numbers | {"": ""}, return_dtype=pl.String)


def read_judgements(path: Path) -> pl.DataFrame:
    """Read what `write_judgements` wrote."""
    if not path.is_file():
        raise RoleShiftError(f"{path}: no such file; write it with `roleshift feedback judgements`")
    return read_table(path, JUDGED)
