"""What the project's own SQL tables share: where they lie, who may write at once, migrations, append-only rows."""

import fcntl
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from roleshift.errors import RoleShiftError

BUSY_SECONDS = 60
"""How long a writer waits for another one on SQLite."""
CONNECT_SECONDS = 10
"""How long a PostgreSQL server may take to answer a new connection."""
LOCK_SECONDS = 900
"""How long a process waits for another machine's lock on PostgreSQL: registering uploads a model."""


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite URI, absolute; None for any other store."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(match[1]).resolve() if match else None


def is_postgresql(uri: str) -> bool:
    """Whether a URI names a PostgreSQL database."""
    return uri.startswith(("postgresql:", "postgresql+"))


@contextmanager
def store_lock(uri: str, name: str = "lock") -> Iterator[None]:
    """Let one process at a time do what the store does not serialise; others wait.

    On SQLite a file lock among the processes of this machine, on PostgreSQL an advisory lock among
    all machines. A server locks nothing for its clients: two of them may work at once.
    """
    if is_postgresql(uri):
        with connected(uri) as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key(name)})
            yield
        return
    database = sqlite_path(uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.{name}").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_key(name: str) -> int:
    return zlib.crc32(f"roleshift {name}".encode())


def redacted(uri: str) -> str:
    """A URI, or a text with URIs in it, without user names and passwords."""
    return re.sub(r"(password=)[^&\s]+", r"\1***", re.sub(r"//[^/\s]+@", "//***@", uri))


def first_line(error: Exception, uri: str = "") -> str:
    """An error's first line, cut to 240 characters, without the URI's password."""
    message = redacted(str(error).replace(uri, redacted(uri)) if uri else str(error))
    line = (message.strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 240 else line[:237] + "..."


@contextmanager
def reporting_database(what: str, uri: str) -> Iterator[None]:
    """Turn a failing database into one line that names it, without its password, and says what to do."""
    try:
        yield
    except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        raise RoleShiftError(
            f"{what} {redacted(uri)}: {first_line(error, uri)}; check that it is up, its driver installed, "
            "and that you may write to it"
        ) from error


def _options(uri: str) -> dict[str, int]:
    if sqlite_path(uri) is not None:
        return {"timeout": BUSY_SECONDS}
    return {"connect_timeout": CONNECT_SECONDS} if is_postgresql(uri) else {}


@contextmanager
def connected(uri: str) -> Iterator[Connection]:
    """A connection whose transaction is committed at the end, or rolled back whole."""
    engine: Engine = create_engine(uri, connect_args=_options(uri))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def pooled(uri: str) -> Engine:
    """An engine that stays open, for a store that is asked often; SQLite in WAL mode, so readers never wait."""
    engine = create_engine(uri, connect_args=_options(uri), pool_pre_ping=True)
    if sqlite_path(uri) is not None:

        @event.listens_for(engine, "connect")
        def _wal(connection: object, _: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.close()

    return engine


def migrate(connection: Connection, uri: str, prefix: str, migrations: Sequence[str], what: str) -> bool:
    """Bring the tables named `prefix`... to the last migration; True where one was applied.

    A newer schema than the last known one is refused. Migrations are numbered from 1 and append-only: a released
    one is never edited. Where nothing is to be done nothing is written, so that a reader needs no right to write.
    """
    if not inspect(connection).has_table(f"{prefix}_schema"):
        connection.execute(text(f"CREATE TABLE {prefix}_schema (version INTEGER PRIMARY KEY)"))
    done = connection.execute(text(f"SELECT MAX(version) FROM {prefix}_schema")).scalar() or 0  # noqa: S608
    if done > len(migrations):
        raise RoleShiftError(
            f"{what} {redacted(uri)}: its schema {done} is newer than this version of RoleShift knows "
            f"({len(migrations)}); update RoleShift"
        )
    for number in range(done + 1, len(migrations) + 1):
        connection.execute(text(migrations[number - 1]))
        connection.execute(text(f"INSERT INTO {prefix}_schema VALUES (:number)"), {"number": number})  # noqa: S608
    return bool(done < len(migrations))


def protect(connection: Connection, uri: str, table: str, what: str) -> None:
    """The database itself refuses to alter or delete a row of the table: SQLite and PostgreSQL by triggers."""
    if is_postgresql(uri):
        connection.execute(
            text(
                f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
                f"BEGIN RAISE EXCEPTION '{what} is append-only'; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE OR REPLACE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                f"EXECUTE FUNCTION {table}_append_only()"
            )
        )
    elif sqlite_path(uri) is not None:
        for change in ("UPDATE", "DELETE"):
            connection.execute(
                text(
                    f"CREATE TRIGGER IF NOT EXISTS {table}_{change.lower()} BEFORE {change} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{what} is append-only'); END"
                )
            )
