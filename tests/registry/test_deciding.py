"""What people and `register` decide by the gate: waivers on record, automatic promotion, the commands end to end."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_project import REPOSITORY, make_project
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from test_gate import give_evidence
from typer.testing import CliRunner

from roleshift.cli import app
from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree
from roleshift.params import Params, load_params
from roleshift.registry import deciding, promotion
from roleshift.registry.deciding import decide, judge
from roleshift.registry.gate import GATE
from roleshift.registry.manifest import user
from roleshift.registry.promotion import standing
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking

NAME = "roleshift"


def with_registry(**changes: Any) -> Params:
    params = load_params(REPOSITORY / "params.yaml")
    return params.model_copy(update={"registry": params.registry.model_copy(update=changes)})


@pytest.fixture
def measured(root: Path, registering: Callable[..., Registered]) -> Callable[..., Registered]:
    """Registers a model of this share of right answers; the base has one of 0.2."""

    def run(tuned: float) -> Registered:
        make_project(root, weights=f"model-{tuned}")
        give_evidence(root, with_registry(), base=0.2, tuned=tuned, weights=f"model-{tuned}")
        return registering()

    return run


def test_a_waiver_is_on_record_with_its_reason_its_name_and_the_evidence(
    tracking: Tracking, root: Path, measured: Callable[..., Registered]
) -> None:
    version = measured(0.1).tuned
    params = with_registry(approvers=("ann",))
    asked = {"votes": (), "waive": ["better", "not worse", "leaks"]}
    with pytest.raises(RoleShiftError, match="--waive needs --reason"):
        judge(tracking, params, version, **asked, reason=" ", who="ann")
    with pytest.raises(RoleShiftError, match="eve may not change the champion"):
        judge(tracking, params, version, **asked, reason="agreed", who="eve")
    assert standing(tracking, NAME).entries == []
    verdict = judge(tracking, params, version, **asked, reason="agreed", who="ann")
    assert [rule.name for rule in verdict.rules if rule.state == "waived"] == ["not worse", "better"]
    (entry,) = standing(tracking, NAME).entries
    assert (entry.kind, entry.who, entry.version_from, entry.reason) == ("waive", "ann", 2, "not worse, better: agreed")
    assert entry.evidence_hash == hash_tree(root / "evidence")
    assert standing(tracking, NAME).alias is None


def test_a_waiver_of_rules_that_do_not_fail_leaves_no_entry(
    tracking: Tracking, measured: Callable[..., Registered]
) -> None:
    verdict = judge(tracking, with_registry(), measured(0.8).tuned, votes=(), waive=["better"], reason="to be sure")
    assert verdict.summary == "pass"
    assert standing(tracking, NAME).entries == []


@pytest.mark.parametrize(
    ("promote", "tuned", "move", "champion"),
    [("manual", 0.8, True, None), ("automatic", 0.8, True, 2), ("automatic", 0.1, True, None),
     ("automatic", 0.8, False, None)],
    ids=["by hand", "passes", "fails", "experiment"],
)  # fmt: skip
def test_register_promotes_only_where_it_is_told_to_and_the_gate_passes(
    tracking: Tracking,
    measured: Callable[..., Registered],
    promote: str,
    tuned: float,
    move: bool,
    champion: int | None,
) -> None:
    verdict = decide(tracking, with_registry(promote=promote), measured(tuned), votes=(), move=move)
    assert verdict is not None
    assert verdict.passed == (tuned == 0.8)
    now = standing(tracking, NAME)
    assert (now.alias, now.audited) == (champion, champion)
    assert [(e.who, e.reason) for e in now.entries] == [(user(), "automatic: the gate passed")] * len(now.entries)


@pytest.mark.parametrize("place", ["run_gate", "_move"], ids=["after the gate", "after the entry"])
def test_an_automatic_promotion_that_was_killed_is_made_up_for(
    tracking: Tracking, measured: Callable[..., Registered], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    params, registered = with_registry(promote="automatic"), measured(0.8)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(*((deciding, "promote") if place == "run_gate" else (promotion, "_move")), killed)
        decide(tracking, params, registered, votes=(), move=True)
    assert standing(tracking, NAME).alias is None
    again = replace(registered, changes=())
    assert decide(tracking, params, again, votes=(), move=True) is not None
    assert (standing(tracking, NAME).alias, len(standing(tracking, NAME).entries)) == (2, 1)
    assert decide(tracking, params, again, votes=(), move=True) is None


def test_a_version_that_people_rolled_back_from_is_not_promoted_again_by_itself(
    tracking: Tracking, measured: Callable[..., Registered]
) -> None:
    params = with_registry(promote="automatic")
    decide(tracking, params, measured(0.7), votes=(), move=True)
    registered = measured(0.9)
    decide(tracking, params, registered, votes=(), move=True)
    assert standing(tracking, NAME).alias == 3
    promotion.rollback(tracking, NAME, expected=3, who="ann", reason="complaints")
    assert decide(tracking, params, replace(registered, changes=()), votes=(), move=True) is None
    assert standing(tracking, NAME).alias == 2


def test_who_may_only_read_gets_the_result_without_storing_it(
    tracking: Tracking,
    measured: Callable[..., Registered],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    version = measured(0.8).tuned

    def denied(*_: object) -> None:
        raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    monkeypatch.setattr(tracking.client, "log_dict", denied)
    assert judge(tracking, with_registry(), version, votes=()).passed
    assert "not stored with version 2: you may only read" in caplog.text
    assert GATE not in tracking.client.get_model_version(NAME, "2").tags


def test_automatic_promotion_asks_who_runs_it(tracking: Tracking, measured: Callable[..., Registered]) -> None:
    params = with_registry(promote="automatic", approvers=("nobody-of-this-name",))
    with pytest.raises(RoleShiftError, match=f"{user()} may not change the champion"):
        decide(tracking, params, measured(0.8), votes=(), move=True)
    assert standing(tracking, NAME).alias is None


def test_the_commands_promote_refuse_waive_roll_back_and_reconcile(
    tracking: Tracking, root: Path, measured: Callable[..., Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        refused = result.exception if isinstance(result.exception, RoleShiftError) else ""
        return f"{result.output}{refused}"

    for name in ("ROLESHIFT_AUDIT_URI", "ROLESHIFT_FEEDBACK_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    measured(0.8)
    monkeypatch.chdir(root)
    assert "gate of version 2: pass" in run("gate", "challenger")
    assert "champion is none, not version 7 as expected" in run("promote", "2", "--expect", "7", code=1)
    assert "version 2 is champion (was none)" in run("promote", "challenger", "--reason", "better")
    assert "version 2 is champion already" in run("promote", "challenger")

    measured(0.1)
    rules = json.loads(run("gate", "3", "--json", code=1))["rules"]
    failed = [rule["name"] for rule in rules if rule["state"] == "fail"]
    assert {"not worse", "better", "slices"} <= set(failed)
    assert "version 3 does not pass the gate" in run("promote", "3", code=1)
    waived = [word for name in failed for word in ("--waive", name)]
    assert "--waive needs --reason" in run("promote", "3", *waived, code=1)
    assert "version 3 is champion (was 2)" in run("promote", "3", *waived, "--reason", "agreed")
    assert "version 2 is champion again (was 3)" in run("rollback", "--reason", "complaints")

    assert "version 3 is challenger; move the alias first" in run("retire", "3", "--reason", "old", code=1)
    tracking.client.set_registered_model_alias(NAME, "champion", "3")
    assert "drift: the alias champion is version 3, the audit log says version 2" in run("history")
    assert "champion: version 2, as the audit log says" in run("reconcile")
    assert "drift" not in run("history")
    kinds = [(entry["kind"], entry["gate"]) for entry in json.loads(run("history", "--json"))["entries"]]
    assert kinds == [
        ("promote", "pass"), ("waive", "waived"), ("promote", "waived"), ("rollback", None), ("restore", None),
    ]  # fmt: skip
    tracking.client.set_registered_model_alias(NAME, "champion", "3")
    accepted = run("reconcile", "--accept", "--reason", "agreed on the phone")
    assert "not worse" in accepted
    assert "champion: version 3, as the audit log says" in accepted
    found = json.loads(run("history", "--json"))
    assert (found["champion"], found["drift"]) == (3, None)
    last = found["entries"][-1]
    assert (last["kind"], last["gate"], last["reason"]) == ("reconcile", "fail", "agreed on the phone")
    assert last["evidence_hash"] == found["entries"][2]["evidence_hash"]  # what version 3 was promoted by
