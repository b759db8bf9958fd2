"""The audit log's tables over releases, and the evidence that its entries stand on."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from made_project import REPOSITORY
from typer.testing import CliRunner

from roleshift.cli import app
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, hash_tree, sha256_file
from roleshift.registry import promotion
from roleshift.registry.audit import MIGRATIONS, AuditLog
from roleshift.registry.gate import Rule, Verdict
from roleshift.registry.lineage import verify, verify_judged
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import resolve

NAME = "roleshift"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of which no database exists yet; the working folder."""
    for name in ("MLFLOW_TRACKING_URI", "ROLESHIFT_AUDIT_URI", "ROLESHIFT_FEEDBACK_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROLESHIFT_AUDIT_URI", f"sqlite:///{tmp_path}/audit.db")
    return tmp_path


def migrate(code: int = 0) -> str:
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == code, result.output
    return result.output


def older_database(path: Path) -> list[str]:
    """An audit log as the first release made it, with two entries; their hashes are worked out here."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE roleshift_audit_schema (version INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO roleshift_audit_schema VALUES (1)")
        connection.execute(MIGRATIONS[0])
        hashes = [""]
        for number in (1, 2):
            row = {
                "model": NAME, "sequence": number, "time": "2026-01-01T00:00:00+00:00", "who": "ann", "kind": "promote",
                "version_from": number - 1 or None, "version_to": number, "expected": number - 1 or None,
                "gate": "pass", "evidence": f"run{number}", "reason": None, "previous": hashes[-1],
            }  # fmt: skip
            hashes.append(hash_json(row))
            values = [*row.values(), hashes[-1]]
            connection.execute(f"INSERT INTO roleshift_audit VALUES ({', '.join('?' * len(values))})", values)
    return hashes[1:]


def schema(path: Path, prefix: str = "roleshift_audit") -> list[int]:
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute(f"SELECT version FROM {prefix}_schema ORDER BY version")]


def test_migrate_makes_the_tables_and_changes_nothing_the_second_time(project: Path) -> None:
    said = migrate()
    assert said == migrate()
    assert f"the audit log in sqlite:///{project}/audit.db" in said
    assert f"the feedback store in sqlite:///{project}/feedback.db" in said
    assert schema(project / "audit.db") == list(range(1, len(MIGRATIONS) + 1))
    assert schema(project / "feedback.db", "roleshift_feedback")


def test_migrate_brings_an_older_log_forward_with_its_entries_and_its_chain(project: Path) -> None:
    hashes = older_database(project / "audit.db")
    migrate()
    assert schema(project / "audit.db") == [1, 2]
    log = AuditLog(f"sqlite:///{project}/audit.db", NAME)
    entries = log.entries()
    assert [(entry.version_to, entry.hash, entry.evidence_hash) for entry in entries] == [
        (1, hashes[0], None),
        (2, hashes[1], None),
    ]
    added = log.append("promote", who="bob", after=entries, version_to=3, evidence="run3", evidence_hash="abc")
    assert added.previous == hashes[1]
    assert added.hash == hash_json({key: value for key, value in asdict(added).items() if key != "hash"})
    assert [entry.evidence_hash for entry in log.entries()] == [None, None, "abc"]
    with sqlite3.connect(project / "audit.db") as connection:
        for change in ("UPDATE roleshift_audit SET who = 'eve'", "DELETE FROM roleshift_audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)


@pytest.mark.parametrize("change", ["evidence_hash = 'other'", "evidence_hash = NULL"])
def test_an_altered_evidence_hash_is_found_as_any_other_change(project: Path, change: str) -> None:
    log = AuditLog(f"sqlite:///{project}/audit.db", NAME)
    log.append("promote", who="ann", after=[], version_to=1, evidence="run1", evidence_hash="abc")
    with sqlite3.connect(project / "audit.db") as connection:
        connection.execute("DROP TRIGGER roleshift_audit_update")
        connection.execute(f"UPDATE roleshift_audit SET {change}")
    with pytest.raises(RoleShiftError, match="entry 1 was altered; restore it from a copy"):
        log.entries()


@pytest.mark.parametrize(
    ("database", "prefix", "what"),
    [("audit.db", "roleshift_audit", "audit log"), ("feedback.db", "roleshift_feedback", "feedback store")],
)
def test_migrate_refuses_a_newer_schema_with_the_remedy_and_leaves_it(
    project: Path, database: str, prefix: str, what: str
) -> None:
    migrate()
    with sqlite3.connect(project / database) as connection:
        connection.execute(f"INSERT INTO {prefix}_schema VALUES (99)")
    before = sha256_file(project / database)
    result = CliRunner().invoke(app, ["migrate"])
    assert isinstance(result.exception, RoleShiftError)
    assert f"{what} sqlite:///{project}/{database}: its schema 99 is newer" in str(result.exception)
    assert str(result.exception).endswith("update RoleShift")
    assert sha256_file(project / database) == before


@pytest.fixture
def champions(tracking: Tracking, registering: Callable[..., Registered], root: Path) -> list[promotion.Entry]:
    """Version 1 and then version 2 were made champion, by the evidence of the pipeline run."""
    registered = registering()
    evidence = hash_tree(root / "evidence")
    entries = []
    for version, expected in ((registered.base, None), (registered.tuned, 1)):
        verdict = Verdict(version.number, expected, (Rule("better", "pass", "by test"),), evidence)
        entries.append(
            promotion.promote(
                tracking, resolve(tracking, NAME, str(version.number)), verdict, expected=expected, who="ann",
                reason=None,
            )
        )  # fmt: skip
    return entries


def stored(tracking: Tracking, name: str) -> Path:
    run = promotion.standing(tracking, NAME).entries[0].evidence
    location = tracking.client.get_run(run).info.artifact_uri.removeprefix("file://")
    return Path(location) / name


def forge(tracking: Tracking) -> None:
    """Alter a file of the evidence, and its hash where the pipeline run keeps it."""
    path = stored(tracking, "evidence/candidate/scores.parquet")
    before = sha256_file(path)
    path.write_bytes(path.read_bytes() + b" ")
    for kind in ("base", "tuned"):
        manifest = stored(tracking, f"manifest/{kind}.json")
        manifest.write_text(manifest.read_text().replace(before, sha256_file(path)))


def test_evidence_that_was_forged_together_with_its_hash_differs_from_the_log(
    tracking: Tracking, champions: list[promotion.Entry]
) -> None:
    for entry in champions:
        verify_judged(tracking, entry)
    forge(tracking)
    verify(tracking, resolve(tracking, NAME, "2"))  # what stands beside the files says nothing
    with pytest.raises(RoleShiftError, match="entry 2: the evidence of run .* is not what the gate judged then"):
        verify_judged(tracking, champions[1])
    with pytest.raises(RoleShiftError, match="no earlier champion to go back to; not intact: .*entry 1: the evidence"):
        promotion.rollback(tracking, NAME, expected=2, who="ann", reason="complaints")
    assert promotion.standing(tracking, NAME).alias == 2


def test_history_hashes_the_judged_evidence_when_asked(
    tracking: Tracking, champions: list[promotion.Entry], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    result = CliRunner().invoke(app, ["history", "--verify", "--json"])
    assert result.exit_code == 0, result.output
    assert "evidence of 2 of 2 entries hashed: as it was judged" in result.stderr
    assert [entry["hash"] for entry in json.loads(result.stdout)["entries"]] == [entry.hash for entry in champions]
    forge(tracking)
    assert "entry 1: the evidence of run" in str(CliRunner().invoke(app, ["history", "--verify"]).exception)
    assert CliRunner().invoke(app, ["history"]).exit_code == 0
