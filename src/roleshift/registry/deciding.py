"""The gate with its waivers, and what `register` decides by itself."""

from collections.abc import Sequence

from roleshift.errors import RoleShiftError
from roleshift.feedback.events import Event
from roleshift.params import Params
from roleshift.registry.gate import GATE, Verdict, run_gate
from roleshift.registry.identity import acting_user
from roleshift.registry.promotion import owes, promote, record, require_approver, standing
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version


def judge(
    tracking: Tracking,
    params: Params,
    version: Version,
    *,
    votes: Sequence[Event],
    waive: Sequence[str] = (),
    reason: str | None = None,
    who: str | None = None,
) -> Verdict:
    """Run the gate; a failure of the rules named in `waive` is accepted, for a reason and on record.

    `who` asks for it: None stands for whoever runs this. Raises where a waiver has no reason, or where
    they may not change the champion.
    """
    if not waive:
        return run_gate(tracking, params, version, votes=votes)
    if not (reason or "").strip():
        raise RoleShiftError("--waive needs --reason TEXT")
    who = require_approver(params.registry.approvers, who or acting_user(tracking.uri))
    verdict = run_gate(tracking, params, version, votes=votes, waived=dict.fromkeys(waive, f"{reason} ({who})"))
    used = [rule.name for rule in verdict.rules if rule.state == "waived"]
    if used:
        record(
            tracking, version.name, "waive", who=who, after=standing(tracking, version.name).entries,
            version_from=version.number, gate=verdict.summary, evidence=version.evidence_run,
            evidence_hash=verdict.evidence, reason=f"{', '.join(used)}: {reason}",
        )  # fmt: skip
    return verdict


def decide(
    tracking: Tracking, params: Params, registered: Registered, *, votes: Sequence[Event], move: bool
) -> Verdict | None:
    """Run the gate where something is new or the version has none yet; promote only by `registry.promote: automatic`.

    A promotion that a kill prevented after the gate had passed is made up for. Without `move` (a DVC experiment) the
    champion stays whatever the gate says.
    """
    tuned = registered.tuned
    automatic = move and params.registry.promote == "automatic"
    now = standing(tracking, tuned.name) if automatic else None
    with reporting(tracking.uri):
        said = tracking.client.get_model_version(tuned.name, str(tuned.number)).tags.get(GATE)
    owed = now is not None and said == "pass" and owes(now, tuned.number)
    if not registered.changes and said is not None and not owed:
        return None
    before = now.alias if now is not None else None
    verdict = run_gate(tracking, params, tuned, votes=votes)
    if automatic and verdict.passed:
        who = require_approver(params.registry.approvers, acting_user(tracking.uri))
        promote(tracking, tuned, verdict, expected=before, who=who, reason="automatic: the gate passed")
    return verdict
