"""Who is champion: by the gate, one change at a time, on record, and back again."""

import grp
import multiprocessing
import os
import pwd
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_project import make_project

from roleshift.databases import sqlite_path
from roleshift.errors import RoleShiftError
from roleshift.registry import promotion
from roleshift.registry.audit import AuditLog, MovedError, audit_uri
from roleshift.registry.gate import Rule, Verdict
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import list_versions, resolve

NAME = "roleshift"


@pytest.fixture
def versions(registering: Callable[..., Registered], root: Path) -> list[int]:
    """Version 1 is the base; 2, 3 and 4 are tuned models."""
    numbers = [registering().base.number]
    for weights in ("tuned", "second", "third"):
        make_project(root, weights=weights)
        numbers.append(registering().tuned.number)
    return numbers


def passing(number: int, against: int | None = None) -> Verdict:
    return Verdict(number, against, (Rule("better", "pass", "by test"),))


def promote(tracking: Tracking, number: int, expected: int | None, who: str = "ann") -> Any:
    version = resolve(tracking, NAME, str(number))
    return promotion.promote(
        tracking, version, passing(number, expected), expected=expected, who=who, reason="for the test"
    )


def rollback(tracking: Tracking, reason: str) -> Any:
    expected = promotion.standing(tracking, NAME).alias
    return promotion.rollback(tracking, NAME, expected=expected, who="bob", reason=reason)


def champion(tracking: Tracking) -> list[int]:
    return [v.number for v in list_versions(tracking, NAME) if "champion" in v.aliases]


def database(tracking: Tracking) -> Path:
    path = sqlite_path(tracking.uri)
    assert path is not None
    return path


def test_promotion_moves_the_alias_and_says_who_when_and_why(tracking, versions):
    promote(tracking, 2, None)
    promote(tracking, 3, 2)
    assert champion(tracking) == [3]
    entries = promotion.standing(tracking, NAME).entries
    assert [(e.kind, e.who, e.version_from, e.version_to, e.expected, e.gate, e.reason) for e in entries] == [
        ("promote", "ann", None, 2, None, "pass", "for the test"),
        ("promote", "ann", 2, 3, 2, "pass", "for the test"),
    ]
    assert entries[1].previous == entries[0].hash
    assert entries[1].evidence == resolve(tracking, NAME, "3").evidence_run
    assert promote(tracking, 3, 3) is None  # already champion: nothing is written
    assert len(promotion.standing(tracking, NAME).entries) == 2


def test_a_version_that_fails_the_gate_is_not_promoted(tracking, versions):
    failed = Verdict(2, 1, (Rule("better", "fail", "on none"), Rule("leaks", "pass", "0")))
    with pytest.raises(RoleShiftError, match=r"does not pass the gate \(better\)"):
        promotion.promote(tracking, resolve(tracking, NAME, "2"), failed, expected=None, who="ann", reason=None)
    assert champion(tracking) == []


def test_promotion_refuses_when_the_champion_moved(tracking, versions):
    promote(tracking, 2, None)
    promote(tracking, 3, 2)
    with pytest.raises(RoleShiftError, match="the champion is version 3, not version 2 as expected"):
        promote(tracking, 4, 2)
    assert champion(tracking) == [3]


def _promote_in_process(uri: str, home: Path, number: int, start: Any, results: Any) -> None:
    tracking = open_tracking(uri, home, "roleshift")
    version = resolve(tracking, NAME, str(number))
    start.wait()
    try:
        promotion.promote(tracking, version, passing(number), expected=None, who=str(number), reason=None)
        results.put((number, "won"))
    except RoleShiftError as error:
        results.put((number, str(error)))


def test_of_two_promotions_at_once_exactly_one_wins(tracking, versions, tmp_path):
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_promote_in_process, args=(tracking.uri, tmp_path, number, start, results))
        for number in (2, 3)
    ]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    winners = [number for number, result in found.items() if result == "won"]
    assert len(winners) == 1
    assert champion(tracking) == winners
    assert [entry.version_to for entry in promotion.standing(tracking, NAME).entries] == winners


def test_the_database_itself_lets_one_of_two_entries_in(tracking):
    log = AuditLog(audit_uri(tracking.uri), NAME)
    seen = log.entries()
    log.append("promote", who="ann", after=seen, version_to=1)
    with pytest.raises(MovedError, match="changed by someone else"):
        log.append("promote", who="bob", after=seen, version_to=2)


def test_rollback_goes_to_the_version_before_and_then_further_back(tracking, versions):
    for number, expected in ((2, None), (3, 2), (4, 3)):
        promote(tracking, number, expected)
    rollback(tracking, "complaints")
    assert champion(tracking) == [3]
    rollback(tracking, "more complaints")
    assert champion(tracking) == [2]
    with pytest.raises(RoleShiftError, match="no earlier champion"):
        rollback(tracking, "still")
    with pytest.raises(RoleShiftError, match="reason is needed"):
        rollback(tracking, " ")


def test_rollback_refuses_when_the_champion_moved(tracking, versions):
    for number, expected in ((2, None), (3, 2), (4, 3)):
        promote(tracking, number, expected)
    with pytest.raises(RoleShiftError, match="the champion is version 4, not version 3 as expected"):
        promotion.rollback(tracking, NAME, expected=3, who="bob", reason="version 3 is bad")
    assert champion(tracking) == [4]


def test_an_altered_artifact_is_refused_on_promotion_and_passed_over_on_rollback(tracking, versions):
    for number, expected in ((2, None), (3, 2), (4, 3)):
        promote(tracking, number, expected)
    damage(tracking, 3)
    rollback(tracking, "complaints")
    assert champion(tracking) == [2]
    last = promotion.standing(tracking, NAME).entries[-1]
    assert last.reason == "complaints (passed over, not intact: version 3)"
    with pytest.raises(RoleShiftError, match=r"model\.onnx: differs from the registered content"):
        promote(tracking, 3, 2)
    with pytest.raises(RoleShiftError, match=r"model\.onnx: differs"):
        promotion.verify(tracking, resolve(tracking, NAME, "3"))
    assert champion(tracking) == [2]


def damage(tracking: Tracking, number: int) -> None:
    location = tracking.client.get_logged_model(resolve(tracking, NAME, str(number)).logged_model).artifact_location
    path = Path(location.removeprefix("file://")) / "artifacts/onnx-int8/model.onnx"
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_a_retired_version_is_neither_promoted_nor_rolled_back_to(tracking, versions):
    promote(tracking, 2, None)
    promote(tracking, 3, 2)
    with pytest.raises(RoleShiftError, match="version 3 is champion"):
        promotion.retire(tracking, resolve(tracking, NAME, "3"), who="ann", reason="old")
    promotion.retire(tracking, resolve(tracking, NAME, "2"), who="ann", reason="old")
    with pytest.raises(RoleShiftError, match="no earlier champion"):
        rollback(tracking, "back")
    with pytest.raises(RoleShiftError, match="version 2 is retired"):
        promote(tracking, 2, 3)


def test_an_alias_moved_by_other_means_is_drift_until_it_is_reconciled(tracking, versions):
    promote(tracking, 2, None)
    tracking.client.set_registered_model_alias(NAME, "champion", "3")
    assert "is version 3, the audit log says version 2" in str(promotion.standing(tracking, NAME).drift)
    with pytest.raises(RoleShiftError, match="roleshift reconcile"):
        promote(tracking, 4, 3)
    promotion.restore(tracking, NAME, who="ann", reason=None)
    assert champion(tracking) == [2]
    tracking.client.set_registered_model_alias(NAME, "champion", "3")
    promotion.accept(tracking, NAME, passing(3), who="ann", reason="agreed on the phone")
    now = promotion.standing(tracking, NAME)
    assert (now.alias, now.audited, now.drift) == (3, 3, None)


def test_an_alias_on_a_version_made_by_other_means_is_drift_and_is_not_accepted(tracking, versions, tmp_path):
    promote(tracking, 2, None)
    tracking.client.create_model_version(NAME, (tmp_path / "elsewhere").as_uri())
    tracking.client.set_registered_model_alias(NAME, "champion", "5")
    assert "is version 5, the audit log says version 2" in str(promotion.standing(tracking, NAME).drift)
    with pytest.raises(RoleShiftError, match="'5' names no version"):
        promotion.accept(tracking, NAME, passing(5), who="ann", reason="it is there")
    promotion.restore(tracking, NAME, who="ann", reason=None)
    assert champion(tracking) == [2]


def test_a_promotion_that_was_killed_before_the_alias_moved_is_completed(tracking, versions, monkeypatch):
    promote(tracking, 2, None)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(promotion, "_move", killed)
        promote(tracking, 3, 2)
    assert champion(tracking) == [2]
    promote(tracking, 3, 2)
    assert champion(tracking) == [3]
    assert len(promotion.standing(tracking, NAME).entries) == 2


def test_an_entry_cannot_be_changed_and_an_altered_or_missing_one_is_found(tracking, versions):
    for number, expected in ((2, None), (3, 2), (4, 3)):
        promote(tracking, number, expected)
    with sqlite3.connect(database(tracking)) as connection:
        for change in ("UPDATE roleshift_audit SET who = 'eve'", "DELETE FROM roleshift_audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)
        connection.execute("DROP TRIGGER roleshift_audit_update")
        connection.execute("DROP TRIGGER roleshift_audit_delete")
        connection.execute("UPDATE roleshift_audit SET who = 'eve' WHERE sequence = 2")
    with pytest.raises(RoleShiftError, match="entry 2 was altered"):
        promotion.standing(tracking, NAME)
    with sqlite3.connect(database(tracking)) as connection:
        connection.execute("DELETE FROM roleshift_audit WHERE sequence = 2")
    with pytest.raises(RoleShiftError, match="entry 2 is missing"):
        promotion.standing(tracking, NAME)


def test_the_end_of_the_log_cannot_be_cut_off_or_written_anew_unnoticed(tracking, versions):
    promote(tracking, 2, None)
    promote(tracking, 3, 2)
    with sqlite3.connect(database(tracking)) as connection:
        connection.execute("DROP TRIGGER roleshift_audit_delete")
        connection.execute("DELETE FROM roleshift_audit WHERE sequence = 2")
    with pytest.raises(RoleShiftError, match="it ends at entry 1, the registered model names 2"):
        promotion.standing(tracking, NAME)
    log = AuditLog(audit_uri(tracking.uri), NAME)
    log.append("promote", who="eve", after=log.entries(), version_from=2, version_to=4)
    with pytest.raises(RoleShiftError, match="entry 2 is not the one that the registered model names"):
        promotion.standing(tracking, NAME)


def test_an_entry_whose_name_was_not_yet_left_with_the_model_is_a_part_of_the_log(tracking, versions):
    promote(tracking, 2, None)
    log = AuditLog(audit_uri(tracking.uri), NAME)
    log.append("retire", who="ann", after=log.entries(), version_from=4)
    assert len(promotion.standing(tracking, NAME).entries) == 2


def test_a_log_of_a_newer_schema_is_refused_with_the_remedy(tracking):
    AuditLog(tracking.uri, NAME)
    with sqlite3.connect(database(tracking)) as connection:
        connection.execute("INSERT INTO roleshift_audit_schema VALUES (99)")
    with pytest.raises(RoleShiftError, match="schema 99 is newer .* update RoleShift"):
        AuditLog(tracking.uri, NAME)


def test_a_server_without_an_audit_database_is_refused_with_the_remedy(monkeypatch):
    with pytest.raises(RoleShiftError, match="set ROLESHIFT_AUDIT_URI"):
        audit_uri("http://ann:secret@mlflow.example")
    monkeypatch.setenv("ROLESHIFT_AUDIT_URI", "sqlite:////tmp/audit.db")
    assert audit_uri("http://mlflow.example") == "sqlite:////tmp/audit.db"


def test_only_approvers_change_the_champion():
    assert promotion.require_approver(None, "eve") == "eve"
    assert promotion.require_approver(("ann",), "ann") == "ann"
    me = pwd.getpwuid(os.getuid())
    assert promotion.require_approver((f"group:{grp.getgrgid(me.pw_gid).gr_name}",), me.pw_name) == me.pw_name
    with pytest.raises(RoleShiftError, match=r"eve may not change the champion; registry\.approvers names ann"):
        promotion.require_approver(("ann", "group:no-such-group"), "eve")
