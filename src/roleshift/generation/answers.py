"""The store of generated answers: what was generated once is never generated again.

One SQLite file, shared by all runs. Its key is the artifact, the prompt and the settings; each
answer is committed as it is made, so that a kill loses none.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from pathlib import Path

from roleshift.errors import RoleShiftError
from roleshift.generation.requests import Answer

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    artifact_id TEXT NOT NULL,
    prompt_hash TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    output TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_seconds REAL NOT NULL,
    decode_seconds REAL NOT NULL,
    batch_size INTEGER NOT NULL,
    cut_tokens INTEGER NOT NULL,
    PRIMARY KEY (artifact_id, prompt_hash, settings_hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS likelihoods (
    artifact_id TEXT NOT NULL,
    prompt_hash TEXT NOT NULL,
    continuations_hash TEXT NOT NULL,
    logprobs TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (artifact_id, prompt_hash, continuations_hash)
) WITHOUT ROWID;
"""
_COLUMNS = [field.name for field in fields(Answer) if field.name != "request_id"]
LOCK_SECONDS = 60
"""How long a writer waits for another process."""


class AnswerStore:
    """Answers by (artifact id, prompt hash, settings hash); an answer's `request_id` is its prompt hash."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reported():
            self._connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
            # WAL: readers and one writer at once; a killed process leaves whole rows only.
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            found = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, SCHEMA_VERSION):
                raise RoleShiftError(
                    f"{path}: written by another RoleShift (schema {found}, this one reads {SCHEMA_VERSION}); "
                    "move it away, and answers are generated again"
                )
            self._connection.executescript(f"{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};")

    def answers(self, artifact_id: str, settings_hash: str, prompt_hashes: Iterable[str]) -> dict[str, Answer]:
        """The stored answers among the prompts, by prompt hash."""
        found = {}
        query = f"SELECT {', '.join(_COLUMNS)} FROM answers WHERE artifact_id=? AND settings_hash=? AND prompt_hash=?"  # noqa: S608
        with self._reported(), closing(self._connection.cursor()) as cursor:
            for prompt_hash in prompt_hashes:
                row = cursor.execute(query, (artifact_id, settings_hash, prompt_hash)).fetchone()
                if row is not None:
                    found[prompt_hash] = Answer(prompt_hash, *row)
        return found

    def keep(self, artifact_id: str, settings_hash: str, answer: Answer) -> None:
        """Commit one answer; an equal key keeps what is there, so that no answer changes afterwards."""
        values = asdict(answer)
        names = ("artifact_id", "prompt_hash", "settings_hash", *_COLUMNS)
        row = (artifact_id, answer.request_id, settings_hash, *(values[name] for name in _COLUMNS))
        query = f"INSERT OR IGNORE INTO answers ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        with self._reported():
            self._connection.execute(query, row)

    def likelihoods(
        self, artifact_id: str, prompt_hash: str, continuations_hash: str
    ) -> tuple[list[float], float] | None:
        """The stored log-probabilities of a prompt's continuations and the seconds they took, if there."""
        with self._reported():
            row = self._connection.execute(
                "SELECT logprobs, seconds FROM likelihoods "
                "WHERE artifact_id=? AND prompt_hash=? AND continuations_hash=?",
                (artifact_id, prompt_hash, continuations_hash),
            ).fetchone()
        return None if row is None else (json.loads(row[0]), row[1])

    def keep_likelihoods(
        self, artifact_id: str, prompt_hash: str, continuations_hash: str, logprobs: list[float], seconds: float
    ) -> None:
        """Commit the log-probabilities of a prompt's continuations."""
        with self._reported():
            self._connection.execute(
                "INSERT OR IGNORE INTO likelihoods VALUES (?, ?, ?, ?, ?)",
                (artifact_id, prompt_hash, continuations_hash, json.dumps(logprobs), seconds),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "AnswerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise RoleShiftError(
                f"{self.path}: cannot be used ({error}); free disk space, or end what locks it"
            ) from error
        except sqlite3.DatabaseError as error:
            raise RoleShiftError(
                f"{self.path}: not a readable store of answers ({error}); move it away, and they are generated again"
            ) from error
