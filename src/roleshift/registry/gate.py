"""The gate: what a version must show, by its stored evidence, before it becomes champion.

Each rule gives one verdict with its figure. A version is compared, item by item, with the champion,
or with the baseline where there is none yet or it is the champion itself.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import compare
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.statistics import needed_groups
from roleshift.feedback.events import Answered, Event
from roleshift.feedback.summary import win_rate
from roleshift.files import read_json
from roleshift.params import Params
from roleshift.registry.sides import version_side
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, list_versions

State = Literal["pass", "fail", "not applicable", "waived"]
GATE = "roleshift.gate"


@dataclass(frozen=True)
class Rule:
    """One rule's verdict and the figure behind it."""

    name: str
    state: State
    figure: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a version."""

    version: int
    against: int | None
    rules: tuple[Rule, ...]

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

    `votes` are the feedback store's blind comparisons.
    `waived` maps a rule's name to the reason why its failure is accepted.
    """
    versions = list_versions(tracking, params.registry.model_name)
    others = [other for other in versions if other.complete and other.number != version.number]
    against = _with_alias(others, "champion") or _with_alias(others, "baseline")
    with tempfile.TemporaryDirectory() as folder:
        rules = [*_paired(tracking, params, version, against, Path(folder))]
        rules += _measured(tracking, params, version, Path(folder))
    rules.append(_human(params, version, against, votes))
    names = {rule.name for rule in rules}
    for name in waived or {}:
        if name not in names:
            raise RoleShiftError(f"no rule of the gate is named {name!r}; they are {', '.join(sorted(names))}")
    rules = [_waive(rule, (waived or {}).get(rule.name)) for rule in rules]
    verdict = Verdict(version.number, against.number if against else None, tuple(rules))
    with reporting(tracking.uri):
        if version.evidence_run is not None:
            tracking.client.log_dict(version.evidence_run, asdict(verdict), f"gate/version-{version.number}.json")
        tracking.client.set_model_version_tag(version.name, str(version.number), GATE, verdict.summary)
    return verdict


def stored_verdict(tracking: Tracking, version: Version) -> Verdict | None:
    """The gate's last result that is stored with the version; None where it never ran."""
    path = f"gate/version-{version.number}.json"
    with tempfile.TemporaryDirectory() as folder, reporting(tracking.uri):
        run = version.evidence_run
        if run is None or path not in {entry.path for entry in tracking.client.list_artifacts(run, "gate")}:
            return None
        found = read_json(Path(tracking.client.download_artifacts(run, path, folder)))
    return Verdict(found["version"], found["against"], tuple(Rule(**rule) for rule in found["rules"]))


def _with_alias(versions: list[Version], alias: str) -> Version | None:
    return next((version for version in versions if alias in version.aliases), None)


def _waive(rule: Rule, reason: str | None) -> Rule:
    return Rule(rule.name, "waived", f"{rule.figure}; waived: {reason}") if reason and rule.state == "fail" else rule


def _human(params: Params, version: Version, against: Version | None, votes: Sequence[Event]) -> Rule:
    """People's blind comparisons with `against`; they count from `gate.comparisons` items on."""
    name = "human review"
    if against is None:
        return Rule(name, "not applicable", "there is no other version to compare with")
    sides = [Answered(each.number, each.model_id, each.variant, "") for each in (version, against)]
    found = win_rate(votes, sides[0], sides[1], params.evaluation.confidence)
    ground = f"against version {against.number}: {found.items} items compared blind by {found.reviewers} people"
    if found.rate is None or found.items < params.gate.comparisons:
        return Rule(name, "not applicable", f"{ground}; it counts from {params.gate.comparisons} items on")
    figure = f"{ground}, win rate {found.rate:.1%} [{found.lower:.1%}, {found.upper:.1%}]"
    return _rule(
        name, found.lower >= params.gate.win_rate, f"{figure}, lower bound at least {params.gate.win_rate:.0%}"
    )


PAIRED = ("not worse", "better", "slices", "enough items")


def _paired(tracking: Tracking, params: Params, version: Version, against: Version | None, folder: Path) -> list[Rule]:
    gate, evaluation = params.gate, params.evaluation
    if against is None:
        return [Rule(name, "not applicable", "there is no other version to compare with") for name in PAIRED]
    precision = Precision(evaluation.resamples, evaluation.confidence, params.seed)
    try:
        sides = [version_side(tracking, each, folder) for each in (version, against)]
        found = compare(sides[0], sides[1], params.task_definitions(), margin=gate.margin, precision=precision)
    except RoleShiftError as error:
        return [Rule(name, "fail", f"cannot be compared with version {against.number}: {error}") for name in PAIRED]
    primary = {name: part["metrics"][part["primary_metric"]] for name, part in found["capabilities"].items()}
    good = ("better", "not worse than the margin")
    doubtful = [f"{name} {_figure(entry)} ({entry['verdict']})" for name, entry in primary.items()
                if entry["verdict"] not in good]  # fmt: skip
    better = [name for name, entry in primary.items() if entry["verdict"] == "better"]
    slices = [f"{name}: {each['slice']} {each['value']} {_figure(each)}"
              for name, part in found["capabilities"].items() for each in part["regressed_slices"]]  # fmt: skip
    few = _too_few(primary, gate.margin, evaluation.confidence)
    ground = f"against version {against.number}, margin {100 * gate.margin:g} points"
    return [
        _rule("not worse", not doubtful, f"{ground}: {'; '.join(doubtful) or 'no capability is worse'}"),
        _rule("better", len(better) >= gate.better_on, f"{ground}: better on {', '.join(better) or 'none'}; "
              f"{gate.better_on} asked for"),
        _rule("slices", len(slices) <= gate.regressed_slices, f"{len(slices)} slices regressed, at most "
              f"{gate.regressed_slices} may{': ' if slices else ''}{'; '.join(slices[:5])}"),
        _rule("enough items", not few, "; ".join(few) or f"they can certify {100 * gate.margin:g} points"),
    ]  # fmt: skip


def _too_few(primary: Mapping[str, Mapping[str, Any]], margin: float, confidence: float) -> list[str]:
    """Capabilities whose statement these items cannot make: undecided, and equal models would be so too."""
    found = []
    for name, entry in primary.items():
        if entry["verdict"] == "too few items":
            found.append(f"{name} has {entry['n']} items, {entry['needed_items']} are needed for an interval")
        elif entry["verdict"] == "undecided":
            needed = needed_groups(entry["deviation"], entry["groups"], margin, confidence)
            if needed is not None and needed > entry["groups"]:
                found.append(f"{name}: {entry['groups']} items can hardly certify this margin, {needed} would")
    return found


def _measured(tracking: Tracking, params: Params, version: Version, folder: Path) -> list[Rule]:
    """Rules on what the version's own pipeline run measured."""
    gate = params.gate
    names = ("robustness", "export parity", "precision on test", "leaks", "throughput")
    if version.kind == "base" or version.evidence_run is None:
        return [Rule(name, "not applicable", "the base is not exported or trained") for name in names]
    target = folder / "metrics-of-version"
    target.mkdir()
    with reporting(tracking.uri):
        tracking.client.download_artifacts(version.evidence_run, "metrics", str(target))
    evaluated = read_json(target / "metrics/evaluate.json").get("capabilities", {})
    exported = read_json(target / "metrics/export.json")
    drops = {name: part["robustness"] for name, part in evaluated.items() if part.get("robustness")}
    far = [f"{name} {_figure(entry)}" for name, entry in drops.items()
           if entry["high"] is not None and entry["high"] < -gate.robustness_drop]  # fmt: skip
    shipped = {name: _primary(part, "shipped-reference") for name, part in evaluated.items()}
    known = {name: entry for name, entry in shipped.items() if entry is not None}
    leaks = {name: part["leaks"]["either"] / part["items"] for name, part in evaluated.items() if part.get("leaks")}
    return [
        _rule("robustness", not far, f"a drop of more than {100 * gate.robustness_drop:g} points is established for "
              f"{'; '.join(far) or 'no capability'}") if drops else _unknown("robustness"),
        _parity(exported),
        _precision(known, read_json(target / "metrics/selection.json")),
        _leaks(leaks, gate.leak_share),
        _throughput(target / "metrics/timings/select.json", version.variant, gate.tokens_per_second),
    ]  # fmt: skip


def _primary(part: Mapping[str, Any], pair: str) -> Mapping[str, Any] | None:
    found = part.get("differences", {}).get(pair, {}).get("primary")
    return found if isinstance(found, Mapping) else None


def _precision(against_fp32: Mapping[str, Mapping[str, Any]], selection: Mapping[str, Any]) -> Rule:
    """Whether the test items confirm what `select` decided on validation items."""
    name, shipped = "precision on test", selection["shipped"]
    override = ""
    if selection.get("override") is not None and selection.get("by_rule") != shipped:
        override = f"; select.ship names it, the rule chose {selection.get('by_rule')}"
    if not against_fp32:
        return Rule(name, "not applicable", f"{shipped} was not compared with another precision{override}")
    worse = [f"{part} {_figure(entry)}" for part, entry in against_fp32.items() if entry["verdict"] == "worse"]
    if worse:
        return Rule(name, "fail", f"contradicted: {shipped} is worse than fp32 on {'; '.join(worse)}{override}")
    return Rule(name, "pass", f"confirmed: {shipped} is worse than fp32 on no capability{override}")


def _parity(exported: Mapping[str, Any]) -> Rule:
    fp32 = exported.get("variants", {}).get("onnx-fp32", {}).get("parity")
    if not fp32:
        return _unknown("export parity")
    largest, tolerance = fp32["largest_logit_difference"], exported["parity_tolerance"]
    return _rule(
        "export parity", largest <= tolerance, f"largest logit difference {largest:.2g}, at most {tolerance:g}"
    )


def _leaks(shares: Mapping[str, float], allowed: float) -> Rule:
    if not shares:
        return _unknown("leaks")
    worst = max(shares, key=lambda name: shares[name])
    text = f"largest share {shares[worst]:.1%} ({worst}), at most {allowed:.1%}"
    return _rule("leaks", shares[worst] <= allowed, text)


def _throughput(path: Path, variant: str, least: float | None) -> Rule:
    if least is None:
        return Rule("throughput", "not applicable", "no budget is set (gate.tokens_per_second)")
    rows = read_json(path).get("variants", []) if path.is_file() else []
    rate = next((row["tokens_per_second"] for row in rows if row["name"] == variant), None)
    if rate is None:
        return _unknown("throughput")
    return _rule("throughput", rate >= least, f"{rate:.0f} tokens/s, at least {least:g}")


def _unknown(name: str) -> Rule:
    return Rule(name, "not applicable", "was not measured")


def _rule(name: str, passed: bool, figure: str) -> Rule:
    return Rule(name, "pass" if passed else "fail", figure)


def _figure(entry: Mapping[str, Any]) -> str:
    points = f"{100 * entry['difference']:+.1f}"
    if entry.get("low") is None:
        return points
    return f"{points} [{100 * entry['low']:+.1f}, {100 * entry['high']:+.1f}]"
