"""The gate: what a version must show, by its stored evidence, before it becomes champion.

Each rule gives one verdict with its figure. A version is compared, item by item, with the champion,
or with the baseline where there is none yet or it is the champion itself.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from mlflow.exceptions import MlflowException
from requests import HTTPError

from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import compare, regressed_slices
from roleshift.evaluation.measures import Precision
from roleshift.feedback.events import Answered, Event
from roleshift.feedback.summary import win_rate
from roleshift.files import hash_tree, read_json
from roleshift.params import Params
from roleshift.registry.sides import version_side
from roleshift.registry.statements import Statement, say
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, download_evidence, list_versions

State = Literal["pass", "fail", "not applicable", "waived"]
GATE = "roleshift.gate"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """One rule's verdict and the figure behind it, in English and as what it says in any language."""

    name: str
    state: State
    figure: str
    says: Statement | None = None  # absent in results of earlier versions

    def text(self, language: str, names: Mapping[str, str] = MappingProxyType({})) -> str:
        """The figure in a language of statements.yaml, ids under their `names`."""
        return self.figure if self.says is None else self.says.text(language, names)


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a version."""

    version: int
    against: int | None
    rules: tuple[Rule, ...]
    evidence: str | None = None  # hash of the version's evidence that was judged

    @property
    def passed(self) -> bool:
        """No rule fails; a waived one does not count as failed."""
        return not any(rule.state == "fail" for rule in self.rules)

    @property
    def summary(self) -> str:
        """fail, waived (nothing fails, but only by a waiver) or pass."""
        if not self.passed:
            return "fail"
        return "waived" if any(rule.state == "waived" for rule in self.rules) else "pass"


def run_gate(
    tracking: Tracking,
    params: Params,
    version: Version,
    *,
    votes: Sequence[Event],
    waived: Mapping[str, str] | None = None,
) -> Verdict:
    """Apply every rule to the evidence that is stored with the version, and store the result with it.

    Who may only read gets the result too; that it was not stored is logged.
    `votes` are the feedback store's blind comparisons.
    `waived` maps a rule's name to the reason why its failure is accepted.
    """
    versions = list_versions(tracking, params.registry.model_name)
    others = [other for other in versions if other.complete and other.number != version.number]
    against = _with_alias(others, "champion") or _with_alias(others, "baseline")
    with tempfile.TemporaryDirectory() as folder:
        rules = [*_paired(tracking, params, version, against, Path(folder))]
        rules += _measured(tracking, params, version, Path(folder))
        evidence = _evidence_hash(tracking, version, Path(folder))
    rules.append(_human(params, version, against, votes))
    if all(rule.state == "not applicable" for rule in rules):
        rules.append(_rule("evidence", False, say("nothing_applies")))
    names = {rule.name for rule in rules}
    for name in waived or {}:
        if name not in names:
            raise RoleShiftError(f"no rule of the gate is named {name!r}; they are {', '.join(sorted(names))}")
    rules = [_waive(rule, (waived or {}).get(rule.name)) for rule in rules]
    verdict = Verdict(version.number, against.number if against else None, tuple(rules), evidence)
    with reporting(tracking.uri):
        try:
            if version.evidence_run is not None:
                tracking.client.log_dict(version.evidence_run, asdict(verdict), f"gate/version-{version.number}.json")
            tracking.client.set_model_version_tag(version.name, str(version.number), GATE, verdict.summary)
        except (MlflowException, HTTPError) as error:
            if not _denied(error):
                raise
            logger.warning("the gate's result is not stored with version %d: you may only read", version.number)
    return verdict


def _denied(error: MlflowException | HTTPError) -> bool:
    if isinstance(error, MlflowException):
        return bool(error.error_code == "PERMISSION_DENIED")
    return error.response is not None and error.response.status_code == HTTPStatus.FORBIDDEN


def stored_verdict(tracking: Tracking, version: Version) -> Verdict | None:
    """The gate's last result that is stored with the version; None where it never ran."""
    path = f"gate/version-{version.number}.json"
    with tempfile.TemporaryDirectory() as folder, reporting(tracking.uri):
        run = version.evidence_run
        if run is None or path not in {entry.path for entry in tracking.client.list_artifacts(run, "gate")}:
            return None
        found = read_json(Path(tracking.client.download_artifacts(run, path, folder)))
    rules = (_stored_rule(rule) for rule in found["rules"])
    return Verdict(found["version"], found["against"], tuple(rules), found.get("evidence"))


def _stored_rule(stored: Mapping[str, Any]) -> Rule:
    says = stored.get("says")
    return Rule(stored["name"], stored["state"], stored["figure"], Statement.of(says) if says else None)


def _evidence_hash(tracking: Tracking, version: Version, folder: Path) -> str | None:
    """The hash of the evidence that stands with the version; None where there is none."""
    if version.evidence_run is None:
        return None
    place = folder / str(version.number)  # where a comparison has brought it already
    found = place / "evidence" if (place / "evidence").is_dir() else download_evidence(tracking, version, place)
    return hash_tree(found)


def _with_alias(versions: list[Version], alias: str) -> Version | None:
    return next((version for version in versions if alias in version.aliases), None)


def _waive(rule: Rule, reason: str | None) -> Rule:
    if not reason or rule.state != "fail":
        return rule
    says = say("waived", figure=rule.says or rule.figure, reason=reason)
    return Rule(rule.name, "waived", says.text(), says)


def _human(params: Params, version: Version, against: Version | None, votes: Sequence[Event]) -> Rule:
    """People's blind comparisons with `against`; they count from `gate.comparisons` items on."""
    name, least = "human review", params.gate.win_rate
    if against is None:
        return _not_applicable(name, say("alone"))
    sides = [Answered(each.number, each.model_id, each.variant, "") for each in (version, against)]
    found = win_rate(votes, sides[0], sides[1], params.evaluation.confidence)
    ground = {"against": against.number, "items": found.items, "people": found.reviewers}
    if found.rate is None or found.items < params.gate.comparisons:
        return _not_applicable(name, say("few_comparisons", **ground, needed=params.gate.comparisons))
    says = say("win_rate", **ground, rate=found.rate, lower=found.lower, upper=found.upper, least=least)
    return _rule(name, found.lower >= least, says)


PAIRED = ("not worse", "better", "slices", "enough items")


def _paired(tracking: Tracking, params: Params, version: Version, against: Version | None, folder: Path) -> list[Rule]:
    gate, evaluation = params.gate, params.evaluation
    if against is None:
        return [_not_applicable(name, say("alone")) for name in PAIRED]
    precision = Precision(evaluation.resamples, evaluation.confidence, params.seed)
    try:
        sides = [version_side(tracking, each, folder) for each in (version, against)]
        found = compare(sides[0], sides[1], params.task_definitions(), margin=gate.margin, precision=precision)
    except RoleShiftError as error:
        return [_rule(name, False, say("incomparable", against=against.number, error=str(error))) for name in PAIRED]
    primary = {name: part["metrics"][part["primary_metric"]] for name, part in found["capabilities"].items()}
    good = ("better", "not worse than the margin")
    doubtful = [
        say("judged", name=name, figure=_figure(entry), verdict=_verdict(entry["verdict"]))
        for name, entry in primary.items() if entry["verdict"] not in good
    ]  # fmt: skip
    better = [name for name, entry in primary.items() if entry["verdict"] == "better"]
    slices = [
        say("of_slice", name=each["capability"], slice=each["slice"], value=each["value"], figure=_figure(each))
        for each in regressed_slices(found)
    ]
    tested = sum(each["low"] is not None for part in found["capabilities"].values() for each in part["slices"])
    counted = {"count": len(slices), "tested": tested, "allowed": gate.regressed_slices}
    few = _too_few(primary)
    ground = {"against": against.number, "margin": 100 * gate.margin}
    return [
        _rule("not worse", not doubtful, say("not_worse", **ground, found=doubtful or say("none_is_worse"))),
        _rule("better", len(better) >= gate.better_on,
              say("better", **ground, found=better or say("none"), asked=gate.better_on)),
        _rule("slices", len(slices) <= gate.regressed_slices,
              say("slices_named", **counted, found=slices[:5]) if slices else say("slices", **counted)),
        _rule("enough items", not few, say("several", found=few) if few else
              say("enough_items", margin=100 * gate.margin)),
    ]  # fmt: skip


def _verdict(name: str) -> Statement:
    return say(f"verdict_{name.replace(' ', '_')}")


def _too_few(primary: Mapping[str, Mapping[str, Any]]) -> list[Statement]:
    """Capabilities whose statement these items cannot make: undecided, and equal models would be so too."""
    found = []
    for name, entry in primary.items():
        if entry["verdict"] == "too few items":
            found.append(say("few_for_interval", name=name, items=entry["n"], needed=entry["needed_items"]))
        elif entry["verdict"] == "undecided":
            needed = entry["needed_for_margin"] or entry["needed_items"]  # the latter where no pair differs
            if needed is not None and needed > entry["groups"]:
                found.append(say("few_for_margin", name=name, items=entry["groups"], needed=needed))
    return found


def _measured(tracking: Tracking, params: Params, version: Version, folder: Path) -> list[Rule]:
    """Rules on what the version's own pipeline run measured."""
    gate = params.gate
    names = ("robustness", "export parity", "precision on test", "leaks", "throughput")
    if version.kind == "base" or version.evidence_run is None:
        return [_not_applicable(name, say("base_is_untrained")) for name in names]
    target = folder / "metrics-of-version"
    target.mkdir()
    with reporting(tracking.uri):
        tracking.client.download_artifacts(version.evidence_run, "metrics", str(target))
    evaluated = read_json(target / "metrics/evaluate.json").get("capabilities", {})
    exported = read_json(target / "metrics/export.json")
    drops = {name: part["robustness"] for name, part in evaluated.items() if part.get("robustness")}
    far = {name: entry for name, entry in drops.items()
           if entry["high"] is not None and entry["high"] < -gate.robustness_drop}  # fmt: skip
    shipped = {name: _primary(part, "shipped-reference") for name, part in evaluated.items()}
    known = {name: entry for name, entry in shipped.items() if entry is not None}
    leaks = {name: part["leaks"]["either"] / part["items"] for name, part in evaluated.items() if part.get("leaks")}
    dropped = say(
        "robustness", allowed=100 * gate.robustness_drop, found=_capabilities(far), measured=_capabilities(drops)
    )
    return [
        _rule("robustness", not far, dropped) if drops else _unknown("robustness"),
        _parity(exported),
        _precision(known, read_json(target / "metrics/selection.json")),
        _leaks(leaks, gate.leak_share),
        _throughput(target / "metrics/timings/select.json", version.variant, gate.tokens_per_second),
    ]  # fmt: skip


def _capabilities(found: Mapping[str, Mapping[str, Any]]) -> Statement | list[Statement]:
    named = [say("of_capability", name=name, figure=_figure(entry)) for name, entry in found.items()]
    return named or say("no_capability")


def _primary(part: Mapping[str, Any], pair: str) -> Mapping[str, Any] | None:
    found = part.get("differences", {}).get(pair, {}).get("primary")
    return found if isinstance(found, Mapping) else None


def _precision(against_fp32: Mapping[str, Mapping[str, Any]], selection: Mapping[str, Any]) -> Rule:
    """Whether the test items confirm what `select` decided on validation items."""
    name, shipped = "precision on test", selection["shipped"]
    by_rule = selection.get("by_rule")
    overridden = selection.get("override") is not None and by_rule != shipped
    remark = say("overridden", by_rule=by_rule) if overridden else say("as_by_rule")
    if not against_fp32:
        return _not_applicable(name, say("precision_unknown", shipped=shipped, remark=remark))
    worse = {part: entry for part, entry in against_fp32.items() if entry["verdict"] == "worse"}
    key = "precision_contradicted" if worse else "precision_confirmed"
    return _rule(name, not worse, say(key, shipped=shipped, found=_capabilities(worse), remark=remark))


def _parity(exported: Mapping[str, Any]) -> Rule:
    fp32 = exported.get("variants", {}).get("onnx-fp32", {}).get("parity")
    if not fp32:
        return _unknown("export parity")
    largest, tolerance = fp32["largest_logit_difference"], exported["parity_tolerance"]
    return _rule("export parity", largest <= tolerance, say("parity", largest=largest, tolerance=tolerance))


def _leaks(shares: Mapping[str, float], allowed: float) -> Rule:
    if not shares:
        return _unknown("leaks")
    worst = max(shares, key=lambda name: shares[name])
    return _rule("leaks", shares[worst] <= allowed, say("leaks", share=shares[worst], name=worst, allowed=allowed))


def _throughput(path: Path, variant: str, least: float | None) -> Rule:
    if least is None:
        return _not_applicable("throughput", say("no_budget"))
    rows = read_json(path).get("variants", []) if path.is_file() else []
    rate = next((row["tokens_per_second"] for row in rows if row["name"] == variant), None)
    if rate is None:
        return _unknown("throughput")
    return _rule("throughput", rate >= least, say("throughput", rate=rate, least=least))


def _unknown(name: str) -> Rule:
    return _not_applicable(name, say("not_measured"))


def _not_applicable(name: str, says: Statement) -> Rule:
    return Rule(name, "not applicable", says.text(), says)


def _rule(name: str, passed: bool, says: Statement) -> Rule:
    return Rule(name, "pass" if passed else "fail", says.text(), says)


def _figure(entry: Mapping[str, Any]) -> Statement:
    """A difference in points, with its interval where there is one."""
    values = {name: entry.get(name) for name in ("difference", "low", "high")}
    points = {name: 100 * value for name, value in values.items() if value is not None}
    return say("interval", **points) if "low" in points else say("points", difference=points["difference"])
