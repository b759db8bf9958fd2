"""What holds on SQLite holds on PostgreSQL: one winner, entries that stay, one first use."""

import multiprocessing
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from made_project import make_project
from servers import SUPERUSER, execute, password
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from test_promotion import _promote_in_process, champion

from roleshift.errors import RoleShiftError
from roleshift.feedback.store import FeedbackStore
from roleshift.registry import promotion
from roleshift.registry.audit import AuditLog, MovedError
from roleshift.registry.manifest import read_made
from roleshift.registry.registering import register
from roleshift.registry.tracking import open_tracking

pytestmark = pytest.mark.team
_spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def uri(database: str) -> str:
    """An empty database of its own."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    execute(database, "postgres", f"CREATE DATABASE {name}")
    return f"postgresql://{SUPERUSER}:{password(SUPERUSER)}@{database}/{name}"


def _first_use(uri: str, home: Path, start: Any) -> None:
    start.wait()
    open_tracking(uri, home, "roleshift")
    AuditLog(uri, "roleshift")
    FeedbackStore(uri)


def test_of_two_first_uses_and_two_promotions_at_once_each_makes_one(uri: str, tmp_path: Path) -> None:
    start = _spawn.Barrier(2)
    processes = [_spawn.Process(target=_first_use, args=(uri, tmp_path, start)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]

    tracking = open_tracking(uri, tmp_path, "roleshift")
    assert sorted(e.name for e in tracking.client.search_experiments()) == ["Default", "roleshift"]
    for weights in ("one", "other"):
        root = make_project(tmp_path / "project", weights=weights)
        register(tracking, root, "roleshift", read_made(root, "smollm2"), experiment=None, move_aliases=True)
    start, results = _spawn.Barrier(2), _spawn.Queue()
    processes = [
        _spawn.Process(target=_promote_in_process, args=(uri, tmp_path, number, start, results)) for number in (2, 3)
    ]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=240) for _ in processes)
    for process in processes:
        process.join()
    winners = [number for number, result in found.items() if result == "won"]
    assert len(winners) == 1, found
    assert champion(tracking) == winners
    assert [entry.version_to for entry in promotion.standing(tracking, "roleshift").entries] == winners


def test_entries_stay_and_the_database_lets_one_of_two_in(uri: str) -> None:
    log = AuditLog(uri, "roleshift")
    seen = log.entries()
    log.append("promote", who="ann", after=seen, version_to=1)
    with pytest.raises(MovedError, match="changed by someone else"):
        log.append("promote", who="bob", after=seen, version_to=2)
    engine = create_engine(uri)
    for change in ("UPDATE roleshift_audit SET who = 'eve'", "DELETE FROM roleshift_audit", "TRUNCATE roleshift_audit"):
        with pytest.raises(DBAPIError, match="the audit log is append-only"), engine.begin() as connection:
            connection.execute(text(change))
    engine.dispose()
    assert [entry.who for entry in log.entries()] == ["ann"]


def test_a_newer_schema_is_refused_with_the_remedy(uri: str) -> None:
    AuditLog(uri, "roleshift")
    with psycopg.connect(uri) as connection:
        connection.execute("INSERT INTO roleshift_audit_schema VALUES (99)")
    with pytest.raises(RoleShiftError, match="schema 99 is newer .* update RoleShift") as caught:
        AuditLog(uri, "roleshift")
    assert password(SUPERUSER) not in str(caught.value)


def test_members_read_the_log_and_only_approvers_add_to_it(database: str) -> None:
    def log_of(name: str) -> AuditLog:
        return AuditLog(f"postgresql://{name}:{password(name)}@{database}/roleshift", "by-rights")

    with pytest.raises(RoleShiftError, match="permission denied"):
        log_of("ann").append("promote", who="ann", after=[], version_to=1)
    log_of("bob").append("promote", who="bob", after=[], version_to=1)
    assert [entry.who for entry in log_of("ann").entries()] == ["bob"]


def test_a_database_that_is_down_is_one_line_without_its_password(database: str, tmp_path: Path) -> None:
    address = f"postgresql://ann:{password('ann')}@127.0.0.1:9/roleshift"
    with pytest.raises(
        RoleShiftError, match=r"postgresql://\*\*\*@127\.0\.0\.1:9/roleshift.*nothing computed is lost"
    ) as caught:
        open_tracking(address, tmp_path, "roleshift")
    assert password("ann") not in str(caught.value)
