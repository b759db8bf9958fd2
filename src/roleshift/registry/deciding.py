"""What `register` decides by itself: the gate of what it registered and, if params.yaml says so, the champion."""

from roleshift.params import Params
from roleshift.registry.gate import GATE, Verdict, run_gate
from roleshift.registry.promotion import promote, require_approver, standing
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking


def decide(tracking: Tracking, params: Params, registered: Registered, *, move: bool) -> Verdict | None:
    """Run the gate where something is new or the version has none yet; promote only by `registry.promote: automatic`.

    Without `move` (a DVC experiment) the champion stays whatever the gate says.
    """
    tags = tracking.client.get_model_version(registered.tuned.name, str(registered.tuned.number)).tags
    if not registered.changes and GATE in tags:
        return None
    before = standing(tracking, registered.tuned.name).alias
    verdict = run_gate(tracking, params, registered.tuned)
    if move and params.registry.promote == "automatic" and verdict.passed:
        who = require_approver(params.registry.approvers)
        promote(tracking, registered.tuned, verdict, expected=before, who=who, reason="automatic: the gate passed")
    return verdict
