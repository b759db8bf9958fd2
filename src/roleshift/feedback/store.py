"""The feedback store: events that are only ever added, and texts that can be taken away.

SQLite beside the project, or the database that ROLESHIFT_FEEDBACK_URI names. A deleted text leaves
its row as a tombstone without content, so that an export knows what it may no longer hold.
"""

import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, text

from roleshift.databases import migrate, pooled, protect, reporting_database, sqlite_path, store_lock
from roleshift.errors import RoleShiftError
from roleshift.feedback.events import DRAWN_BY, OUTCOMES, About, Answered, Event, Texts
from roleshift.files import sha256_text
from roleshift.project import Project

MIGRATIONS = (
    """
    CREATE TABLE IF NOT EXISTS roleshift_feedback (
        event_id TEXT PRIMARY KEY, kind TEXT NOT NULL, time TEXT NOT NULL, population TEXT NOT NULL, example_id TEXT,
        request_id TEXT, task_definition TEXT, capability TEXT, domain TEXT, version INTEGER, model_id TEXT NOT NULL,
        variant TEXT NOT NULL, artifact_id TEXT NOT NULL, other_version INTEGER, other_model_id TEXT,
        other_variant TEXT, other_artifact_id TEXT, drawn_by TEXT NOT NULL, outcome TEXT NOT NULL, reviewer_id TEXT,
        user_id TEXT, text_id TEXT, details TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS roleshift_feedback_texts (
        text_id TEXT PRIMARY KEY, time TEXT NOT NULL, user_id TEXT, reviewer_id TEXT, content TEXT,
        deleted TEXT, why TEXT
    )
    """,
    "CREATE INDEX IF NOT EXISTS roleshift_feedback_by_time ON roleshift_feedback (time)",
    "CREATE INDEX IF NOT EXISTS roleshift_feedback_by_request ON roleshift_feedback (request_id)",
)
WHAT = "feedback store"


def feedback_uri(project: Project) -> str:
    """The store's database; runs share the main checkout's, since what is judged is named by its content."""
    return os.environ.get("ROLESHIFT_FEEDBACK_URI") or f"sqlite:///{project.home / 'feedback.db'}"


def now() -> str:
    """The time as events hold it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


Entry = tuple[Event, dict[str, str]]
"""An event and the texts that are stored with it."""


class FeedbackStore:
    """One open store; safe for threads and for several processes."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with reporting_database(WHAT, uri), store_lock(uri, "lock"):
            self._engine: Engine = pooled(uri)
            with self._engine.begin() as connection:
                if migrate(connection, uri, "roleshift_feedback", MIGRATIONS, WHAT):
                    protect(connection, uri, "roleshift_feedback", "the feedback store")

    @classmethod
    def of(cls, project: Project) -> Self:
        """The project's store, made on first use."""
        return cls(feedback_uri(project))

    @classmethod
    def existing(cls, project: Project) -> Self | None:
        """The project's store; None where its SQLite file is not there yet."""
        uri = feedback_uri(project)
        path = sqlite_path(uri)
        return None if path is not None and not path.is_file() else cls(uri)

    def add(self, *entries: Entry) -> list[Event]:
        """Store events and their texts in one transaction: all of them or none."""
        with reporting_database(WHAT, self.uri), self._engine.begin() as connection:
            for event, content in entries:
                if content:
                    connection.execute(
                        text(
                            "INSERT INTO roleshift_feedback_texts (text_id, time, user_id, reviewer_id, content) "
                            "VALUES (:id, :time, :user, :reviewer, :content)"
                        ),
                        {"id": event.text_id, "time": event.time, "user": event.user_id,
                         "reviewer": event.reviewer_id, "content": json.dumps(content, ensure_ascii=False)},
                    )  # fmt: skip
                row = _row(event)
                names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO roleshift_feedback ({names}) VALUES ({values})"), row)  # noqa: S608
        return [event for event, _ in entries]

    def events(self, kind: str | None = None, request_id: str | None = None) -> list[Event]:
        """Events in the order of time."""
        wanted = {"kind": kind, "request_id": request_id}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = :{name}" for name in given) or "1 = 1"
        query = text(f"SELECT * FROM roleshift_feedback WHERE {where} ORDER BY time, event_id")  # noqa: S608
        with reporting_database(WHAT, self.uri), self._engine.connect() as connection:
            return [_event(dict(row)) for row in connection.execute(query, given).mappings()]

    def texts(self, text_ids: Iterable[str | None]) -> dict[str, Texts]:
        """The texts that are still there, by id."""
        wanted = {text_id for text_id in text_ids if text_id}
        query = text("SELECT content FROM roleshift_feedback_texts WHERE text_id = :id AND content IS NOT NULL")
        found = {}
        with reporting_database(WHAT, self.uri), self._engine.connect() as connection:
            for text_id in sorted(wanted):
                content = connection.execute(query, {"id": text_id}).scalar()
                if content is not None:
                    found[text_id] = Texts(**json.loads(content))
        return found

    def deleted(self) -> set[str]:
        """Ids of the texts that were taken away."""
        query = text("SELECT text_id FROM roleshift_feedback_texts WHERE content IS NULL")
        with reporting_database(WHAT, self.uri), self._engine.connect() as connection:
            return set(connection.execute(query).scalars())

    def forget(self, person: str) -> int:
        """Take away every text of one user (by the id that their requests carried) or reviewer; the number of texts.

        The events stay.
        """
        either = "(user_id IN (:who, :hashed) OR reviewer_id IN (:who, :hashed))"
        return self._take_away(either, {"who": person, "hashed": pseudonym(person)}, "asked for")

    def expire(self, days: float) -> int:
        """Take away texts of requests captured more than `days` ago, with what was written of them since; how many.

        A correction repeats its request, so it lives no longer.
        """
        before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
        captured = (
            "text_id IN (SELECT text_id FROM roleshift_feedback WHERE population = 'captured' AND request_id IN "
            "(SELECT e.request_id FROM roleshift_feedback e JOIN roleshift_feedback_texts t ON e.text_id = t.text_id "
            "WHERE e.population = 'captured' AND t.time < :before))"
        )
        return self._take_away(captured, {"before": before}, "retention")

    def _take_away(self, which: str, values: dict[str, Any], why: str) -> int:
        change = text(
            "UPDATE roleshift_feedback_texts SET content = NULL, deleted = :now, why = :why "  # noqa: S608
            f"WHERE content IS NOT NULL AND {which}"
        )
        with reporting_database(WHAT, self.uri):
            with self._engine.begin() as connection:
                count = connection.execute(change, values | {"now": now(), "why": why}).rowcount
            if count and self._engine.dialect.name == "sqlite":  # else the text stays readable in freed pages
                with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM"))
                    connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return int(count)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def pseudonym(user: str) -> str:
    """The id under which a caller's user is kept: an address or a name that came as an id is not stored as it is."""
    return f"user-{sha256_text(f'roleshift user {user}')[:16]}"


def new_event(
    kind: Any, *, about: About, answered: Answered, outcome: Any, drawn_by: Any = "choice",
    other: Answered | None = None, reviewer_id: str | None = None, user_id: str | None = None,
    texts: Texts | None = None, details: dict[str, object] | None = None,
) -> Entry:  # fmt: skip
    """An event as `FeedbackStore.add` takes it; raises on an outcome that its kind does not have."""
    if outcome not in OUTCOMES.get(kind, ()):
        raise RoleShiftError(f"feedback: {kind!r} has no outcome {outcome!r}; see roleshift.feedback.events")
    if drawn_by not in DRAWN_BY:
        raise RoleShiftError(f"feedback: drawn_by {drawn_by!r} is none of {', '.join(DRAWN_BY)}")
    if (kind == "vote") != (other is not None):
        raise RoleShiftError("feedback: a vote, and only a vote, names the other answer")
    content = {key: value for key, value in asdict(texts or Texts()).items() if value is not None}
    event = Event(
        uuid.uuid4().hex, kind, now(), about, answered, other, drawn_by, outcome, reviewer_id, user_id,
        uuid.uuid4().hex if content else None, details or {},
    )  # fmt: skip
    return event, content


def _row(event: Event) -> dict[str, Any]:
    other = asdict(event.other) if event.other else dict.fromkeys(asdict(event.answered))
    plain = {"event_id", "kind", "time", "drawn_by", "outcome", "reviewer_id", "user_id", "text_id"}
    return {
        **{name: getattr(event, name) for name in sorted(plain)},
        **asdict(event.about),
        **asdict(event.answered),
        **{f"other_{name}": value for name, value in other.items()},
        "details": json.dumps(event.details, ensure_ascii=False, sort_keys=True),
    }


def _event(row: dict[str, Any]) -> Event:
    answered = Answered(row["version"], row["model_id"], row["variant"], row["artifact_id"])
    other = None
    if row["other_model_id"] is not None:
        other = Answered(row["other_version"], row["other_model_id"], row["other_variant"], row["other_artifact_id"])
    about = About(
        row["population"], row["example_id"], row["request_id"], row["task_definition"], row["capability"],
        row["domain"],
    )  # fmt: skip
    return Event(
        row["event_id"], row["kind"], row["time"], about, answered, other, row["drawn_by"], row["outcome"],
        row["reviewer_id"], row["user_id"], row["text_id"], json.loads(row["details"]),
    )  # fmt: skip


def seen_from(event: Event, answered: Answered) -> Event | None:
    """A vote as it stands for `answered`: turned round where it is the other side; None where it is neither."""
    key = (answered.model_id, answered.variant)
    if (event.answered.model_id, event.answered.variant) == key:
        return event
    if event.other is None or (event.other.model_id, event.other.variant) != key:
        return None
    turned = {"better": "worse", "worse": "better"}.get(event.outcome, event.outcome)
    return replace(event, answered=event.other, other=event.answered, outcome=turned)  # type: ignore[arg-type]


def stored_events(project: Project, kind: str | None = None) -> list[Event]:
    """The project's events of a kind; none without a store."""
    store = FeedbackStore.existing(project)
    if store is None:
        return []
    with store:
        return store.events(kind)


def default_export(project: Project) -> Path:
    """Where `roleshift feedback export` writes."""
    return project.home / "feedback" / "corrections.jsonl"
