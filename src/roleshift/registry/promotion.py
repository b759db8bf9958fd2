"""Promotion, rollback and retirement: every change of `champion` is decided, recorded, and can be undone.

The audit log decides and MLflow's alias follows: the entry is written first, compare-and-set, then
the alias moves. A kill in between leaves an alias that lags behind the log; the same command again,
or `reconcile`, completes it.
"""

import grp
import os
import pwd
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

from roleshift.errors import RoleShiftError
from roleshift.registry.audit import CHAMPION_KINDS, AuditLog, Entry, audit_uri, audited_champion, exclusive
from roleshift.registry.gate import Verdict
from roleshift.registry.lineage import verify, verify_judged
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, aliased, list_versions, resolve

CHAMPION = "champion"
WITNESS = "roleshift.audit"
"""Tag of the registered model: sequence and hash of the log's last entry, in another place than the log."""


@dataclass(frozen=True)
class Standing:
    """Who is champion by MLflow's alias and by the audit log, and the log itself."""

    alias: int | None
    audited: int | None
    entries: list[Entry]

    @property
    def drift(self) -> str | None:
        """What the alias says against the log, where the two differ."""
        if self.alias == self.audited:
            return None
        return (
            f"the alias champion is {_named(self.alias)}, the audit log says {_named(self.audited)}: "
            "it was moved by other means, or a promotion was cut off; "
            "`roleshift reconcile` restores the log's, `roleshift reconcile --accept` takes the alias's"
        )

    @property
    def earlier(self) -> list[int]:
        """The versions that a rollback tries, the last one first; it passes over those that are not intact."""
        retired = _retired(self.entries)
        return [number for number in _predecessors(self.entries) if number not in retired]


def audit_log(tracking: Tracking, name: str) -> AuditLog:
    """The audit log of a model in this store."""
    return AuditLog(audit_uri(tracking.uri), name)


def standing(tracking: Tracking, name: str) -> Standing:
    """Where the champion stands now; raises where the log was altered, or its end is missing."""
    witnessed = _witness(tracking, name)  # read first: entries that come meanwhile are none that are missing
    entries = audit_log(tracking, name).entries()
    if witnessed is not None:
        number, last = witnessed
        if number > len(entries):
            raise RoleShiftError(
                f"audit log of {name!r}: it ends at entry {len(entries)}, the registered model names {number}; "
                "restore it from a copy"
            )
        if number and entries[number - 1].hash != last:
            raise RoleShiftError(
                f"audit log of {name!r}: entry {number} is not the one that the registered model names; "
                "restore it from a copy"
            )
    return Standing(aliased(tracking, name, CHAMPION), audited_champion(entries), entries)


def record(tracking: Tracking, name: str, kind: str, *, after: list[Entry], **about: Any) -> Entry:
    """Add an entry to the log (`AuditLog.append`), and name it as the last one in the registered model's tag."""
    entry = audit_log(tracking, name).append(kind, after=after, **about)
    with reporting(tracking.uri):
        tracking.client.set_registered_model_tag(name, WITNESS, f"{entry.sequence} {entry.hash}")
    return entry


def _witness(tracking: Tracking, name: str) -> tuple[int, str] | None:
    """Sequence and hash of the entry that the registered model names as the log's last; it may lag behind."""
    with reporting(tracking.uri):
        try:
            value = tracking.client.get_registered_model(name).tags.get(WITNESS)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
    number, _, last = (value or "").partition(" ")
    return (int(number), last) if number.isdigit() else None


def may_promote(approvers: tuple[str, ...] | None, who: str) -> bool:
    """Whether `who` is among the approvers, by name or through a `group:NAME` of this machine; None: everyone."""
    return approvers is None or who in approvers or any(f"group:{name}" in approvers for name in _groups(who))


def _groups(who: str) -> set[str]:
    """The groups of a user of this machine, the primary one too; none for anyone else."""
    try:
        ids = os.getgrouplist(who, pwd.getpwnam(who).pw_gid)
    except KeyError:
        return set()
    return {entry.gr_name for entry in grp.getgrall() if entry.gr_gid in ids}


def require_approver(approvers: tuple[str, ...] | None, who: str) -> str:
    """The name of who acts; raises where they may not."""
    if not may_promote(approvers, who):
        raise RoleShiftError(
            f"{who} may not change the champion; registry.approvers names {', '.join(approvers or ()) or 'nobody'}"
        )
    return who


def promote(
    tracking: Tracking, version: Version, verdict: Verdict, *, expected: int | None, who: str, reason: str | None
) -> Entry | None:
    """Make a version the champion; None where it is already.

    `expected` is the champion that the caller decided against (None: there was none). Raises where
    the gate fails, the champion is another one by now, the version is retired, or a file was altered.
    """
    name = version.name
    if verdict.version != version.number or not verdict.passed:
        failed = ", ".join(rule.name for rule in verdict.rules if rule.state == "fail")
        raise RoleShiftError(
            f"version {version.number} does not pass the gate ({failed}); `roleshift gate {version.number}` shows the "
            "figures, --waive RULE --reason accepts a failure"
        )
    with exclusive(tracking.uri, "promote.lock"):
        now = standing(tracking, name)
        if now.audited == version.number and now.alias != version.number and _cut_off(now):
            _move(tracking, name, version.number)  # the log has it: a kill came before the alias moved
            return _last_change(now.entries)
        _refuse_drift(now)
        if now.alias == version.number:
            return None
        _refuse_moved(now, expected)
        if verdict.against is not None and now.alias is not None and verdict.against != now.alias:
            raise RoleShiftError(
                f"the gate compared with version {verdict.against}, the champion is {now.alias}; run it again"
            )
        _refuse_retired(now, version.number)
        verify(tracking, version)
        entry = record(
            tracking, name, "promote", who=who, after=now.entries, version_from=now.alias, version_to=version.number,
            expected=expected, gate=verdict.summary, evidence=version.evidence_run, evidence_hash=verdict.evidence,
            reason=reason,
        )  # fmt: skip
        _move(tracking, name, version.number)
        return entry


def rollback(tracking: Tracking, name: str, *, expected: int | None, who: str, reason: str) -> Entry:
    """Make the last version that was champion before, is not retired and is still intact, champion again.

    Intact: every file as registered, and its evidence what the gate judged by the audit log.
    `expected` is the champion that the caller wants to leave. The entry's reason names those that were passed
    over because they are not intact.
    """
    _require_reason(reason)
    with exclusive(tracking.uri, "promote.lock"):
        now = standing(tracking, name)
        _refuse_drift(now)
        _refuse_moved(now, expected)
        complete = {v.number: v for v in list_versions(tracking, name) if v.complete}
        damaged: dict[int, str] = {}
        for number in now.earlier:
            version = complete.get(number)
            if version is None:
                continue
            try:
                verify(tracking, version)
                made = _made_champion(now.entries, number)
                verify_judged(tracking, made)
            except RoleShiftError as error:
                damaged[number] = str(error)
                continue
            over = ", ".join(f"version {each}" for each in damaged)
            entry = record(
                tracking, name, "rollback", who=who, after=now.entries, version_from=now.alias, version_to=number,
                expected=expected, evidence=made.evidence if made.evidence_hash else version.evidence_run,
                evidence_hash=made.evidence_hash,
                reason=f"{reason} (passed over, not intact: {over})" if over else reason,
            )  # fmt: skip
            _move(tracking, name, number)
            return entry
    problem = f"; not intact: {'; '.join(damaged.values())}" if damaged else ""
    raise RoleShiftError(f"{name}: no earlier champion to go back to{problem}; promote another version")


def retire(tracking: Tracking, version: Version, *, who: str, reason: str) -> Entry:
    """Take a version out of use: it can be neither promoted nor rolled back to."""
    _require_reason(reason)
    if version.aliases:
        raise RoleShiftError(f"version {version.number} is {', '.join(version.aliases)}; move the alias first")
    with exclusive(tracking.uri, "promote.lock"):
        now = standing(tracking, version.name)
        _refuse_retired(now, version.number)
        return record(
            tracking, version.name, "retire", who=who, after=now.entries, version_from=version.number, reason=reason
        )


def restore(tracking: Tracking, name: str, *, who: str, reason: str | None) -> Entry | None:
    """Bring the alias back to the champion of the log, on record; None where the two agree."""
    with exclusive(tracking.uri, "promote.lock"):
        now = standing(tracking, name)
        if now.drift is None:
            return None
        entry = record(
            tracking, name, "restore", who=who, after=now.entries, version_from=now.alias, version_to=now.audited,
            reason=reason,
        )  # fmt: skip
        _move(tracking, name, now.audited)
        return entry


def accept(tracking: Tracking, name: str, verdict: Verdict | None, *, who: str, reason: str) -> Entry | None:
    """Take the alias, moved by other means, into the log; None where the two agree.

    `verdict` is what the gate says of the version that the alias names, and goes on record with its evidence:
    whoever accepts may accept a failure, for a reason. None where there is no alias any more.
    """
    _require_reason(reason)
    with exclusive(tracking.uri, "promote.lock"):
        now = standing(tracking, name)
        if now.drift is None:
            return None
        if now.alias != (verdict.version if verdict else None):
            raise RoleShiftError(f"the champion is {_named(now.alias)} by now; look at `roleshift history`, then again")
        judged: dict[str, str | None] = {}
        if verdict is not None:
            _refuse_retired(now, verdict.version)
            version = resolve(tracking, name, str(verdict.version))
            verify(tracking, version)
            judged = {"gate": verdict.summary, "evidence": version.evidence_run, "evidence_hash": verdict.evidence}
        return record(
            tracking, name, "reconcile", who=who, after=now.entries, version_from=now.audited, version_to=now.alias,
            reason=reason, **judged,
        )  # fmt: skip


def owes(now: Standing, number: int) -> bool:
    """Whether a version that passed was never made champion, or a kill came before the alias moved."""
    if number in _retired(now.entries) or now.alias == number:
        return False
    if now.audited == number:
        return _cut_off(now)
    return all(entry.version_to != number for entry in now.entries if entry.kind in CHAMPION_KINDS)


def _cut_off(now: Standing) -> bool:
    last = _last_change(now.entries)
    return last.kind == "promote" and last.version_from == now.alias


def _last_change(entries: list[Entry]) -> Entry:
    return [entry for entry in entries if entry.kind in CHAMPION_KINDS][-1]


def _made_champion(entries: list[Entry], number: int) -> Entry:
    """The last change that made a version champion by the gate's judgement, else by other means."""
    found = [entry for entry in entries if entry.kind in CHAMPION_KINDS and entry.version_to == number]
    return next((entry for entry in reversed(found) if entry.evidence_hash is not None), found[-1])


def needed_for_rollback(entries: list[Entry]) -> set[int]:
    """The champion by the log, and every earlier one that a chain of rollbacks could still reach."""
    retired = _retired(entries)
    found = {number for number in _predecessors(entries) if number not in retired}
    champion = audited_champion(entries)
    return found | ({champion} if champion is not None else set())


def retired_versions(entries: list[Entry]) -> set[int]:
    """The versions that were taken out of use."""
    return {number for number in _retired(entries) if number is not None}


def _predecessors(entries: list[Entry]) -> list[int]:
    """Versions that were champion before the present one, the last one first; those rolled away from are left out."""
    stack: list[int] = []
    for entry in entries:
        if entry.kind == "rollback":
            while stack and stack[-1] != entry.version_to:
                stack.pop()
        elif entry.kind in ("promote", "reconcile") and entry.version_to is not None:
            stack.append(entry.version_to)
    present = stack[-1] if stack else None
    return [number for number in dict.fromkeys(reversed(stack)) if number != present]


def _retired(entries: list[Entry]) -> set[int | None]:
    return {entry.version_from for entry in entries if entry.kind == "retire"}


def _refuse_retired(now: Standing, number: int) -> None:
    if number in _retired(now.entries):
        raise RoleShiftError(f"version {number} is retired; register another one")


def _refuse_drift(now: Standing) -> None:
    if now.drift is not None:
        raise RoleShiftError(now.drift)


def _refuse_moved(now: Standing, expected: int | None) -> None:
    if now.alias != expected:
        raise RoleShiftError(
            f"the champion is {_named(now.alias)}, not {_named(expected)} as expected: another promotion came "
            "between; look at `roleshift history`, then decide again"
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise RoleShiftError("a reason is needed: --reason TEXT")


def _move(tracking: Tracking, name: str, number: int | None) -> None:
    with reporting(tracking.uri):
        if number is None:
            tracking.client.delete_registered_model_alias(name, CHAMPION)
        else:
            tracking.client.set_registered_model_alias(name, CHAMPION, str(number))


def _named(number: int | None) -> str:
    return "none" if number is None else f"version {number}"
