"""The audit log: every change of a champion, append-only, each entry chained to the one before by its hash.

It stands in the tracking store's own database, or where ROLESHIFT_AUDIT_URI says (an MLflow server
gives no database away). The primary key is the model's name and a running number, so of two changes
that start from the same entry the database lets exactly one in.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from roleshift.databases import connected, first_line, migrate, protect, redacted, store_lock
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json
from roleshift.registry.tracking import is_server, reporting

CHAMPION_KINDS = ("promote", "rollback", "reconcile")
"""Entries that say which version is champion from then on."""

MIGRATIONS = (
    """
    CREATE TABLE IF NOT EXISTS roleshift_audit (
        model TEXT NOT NULL, sequence INTEGER NOT NULL, time TEXT NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL,
        version_from INTEGER, version_to INTEGER, expected INTEGER, gate TEXT, evidence TEXT, reason TEXT,
        previous TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (model, sequence)
    )
    """,
    "ALTER TABLE roleshift_audit ADD COLUMN evidence_hash TEXT",
)


class MovedError(RoleShiftError):
    """Another change came between."""


@dataclass(frozen=True)
class Entry:
    """One change: who, when, from and to which version number, expected champion, gate, evidence run, reason."""

    model: str
    sequence: int
    time: str  # UTC, ISO 8601
    who: str
    kind: str  # promote, rollback, reconcile, restore, retire, waive
    version_from: int | None
    version_to: int | None
    expected: int | None
    gate: str | None  # pass, fail, waived; None where no gate was asked
    evidence: str | None  # the evidence run
    reason: str | None
    previous: str
    hash: str
    evidence_hash: str | None = None  # of the files that the gate judged

    def computed_hash(self) -> str:
        """What `hash` must be: over everything else, the hash of the entry before included.

        A column that a later migration added counts where it holds something: the hashes of older entries stay valid.
        """
        values = {key: value for key, value in asdict(self).items() if key != "hash"}
        if self.evidence_hash is None:
            del values["evidence_hash"]
        return hash_json(values)


def audit_uri(tracking_uri: str) -> str:
    """The database of the audit log."""
    given = os.environ.get("ROLESHIFT_AUDIT_URI")
    if given:
        return given
    if is_server(tracking_uri):
        raise RoleShiftError(
            f"tracking store {redacted(tracking_uri)}: a server keeps no audit log; set ROLESHIFT_AUDIT_URI to a "
            "database that everyone who promotes can reach (postgresql://…)"
        )
    return tracking_uri


def lock_uri(tracking_uri: str) -> str:
    """Where those who write to a tracking store wait for each other: a server's clients at the audit log's database."""
    return os.environ.get("ROLESHIFT_AUDIT_URI", tracking_uri) if is_server(tracking_uri) else tracking_uri


@contextmanager
def exclusive(tracking_uri: str, name: str) -> Iterator[None]:
    """Hold the lock of this name among all who write to a tracking store."""
    uri = lock_uri(tracking_uri)
    with ExitStack() as stack:
        with reporting(uri):
            stack.enter_context(store_lock(uri, name))
        yield


class AuditLog:
    """The entries of one registered model."""

    def __init__(self, uri: str, model: str) -> None:
        self.uri, self.model = uri, model
        with reporting(uri), store_lock(uri, "audit.lock"), connected(uri) as connection:
            if migrate(connection, uri, "roleshift_audit", MIGRATIONS, "audit log"):
                protect(connection, uri, "roleshift_audit", "the audit log")

    def entries(self) -> list[Entry]:
        """Every entry, oldest first; raises, naming the first one that was altered or is missing."""
        query = text("SELECT * FROM roleshift_audit WHERE model = :model ORDER BY sequence")
        with reporting(self.uri), connected(self.uri) as connection:
            found = [Entry(**row) for row in connection.execute(query, {"model": self.model}).mappings()]
        previous = ""
        for number, entry in enumerate(found, start=1):
            if entry.sequence != number or entry.previous != previous:
                raise RoleShiftError(f"audit log of {self.model!r}: entry {number} is missing; restore it from a copy")
            if entry.computed_hash() != entry.hash:
                raise RoleShiftError(f"audit log of {self.model!r}: entry {number} was altered; restore it from a copy")
            previous = entry.hash
        return found

    def append(
        self, kind: str, *, who: str, after: list[Entry], version_from: int | None = None,
        version_to: int | None = None, expected: int | None = None, gate: str | None = None,
        evidence: str | None = None, evidence_hash: str | None = None, reason: str | None = None,
    ) -> Entry:  # fmt: skip
        """Add an entry after those that the caller has seen; raises MovedError where another was added since."""
        unsigned = Entry(
            self.model, len(after) + 1, datetime.now(UTC).isoformat(timespec="seconds"), who, kind, version_from,
            version_to, expected, gate, evidence, reason, after[-1].hash if after else "", "", evidence_hash,
        )  # fmt: skip
        entry = Entry(**asdict(unsigned) | {"hash": unsigned.computed_hash()})
        columns = asdict(entry)
        names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        try:
            with connected(self.uri) as connection:
                connection.execute(text(f"INSERT INTO roleshift_audit ({names}) VALUES ({values})"), columns)  # noqa: S608
        except IntegrityError as error:
            raise MovedError(
                f"the champion of {self.model!r} was changed by someone else at the same time; "
                "look at `roleshift history`, then run again"
            ) from error
        except SQLAlchemyError as error:
            raise RoleShiftError(
                f"audit log {redacted(self.uri)}: {first_line(error, self.uri)}; nothing was changed"
            ) from error
        return entry


def audited_champion(entries: list[Entry]) -> int | None:
    """The version that is champion by the log; None before the first promotion."""
    found = [entry.version_to for entry in entries if entry.kind in CHAMPION_KINDS]
    return found[-1] if found else None
