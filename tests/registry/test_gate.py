"""The gate on evidence with known differences."""

from collections.abc import Callable, Sequence
from pathlib import Path
from string import Formatter

import polars as pl
import pytest
from evaluation_samples import answers, make_examples
from made_project import REPOSITORY, make_project

from roleshift.contracts import ITEMS, SCORES, write_table
from roleshift.errors import RoleShiftError
from roleshift.evaluation.plan import score_answers
from roleshift.feedback.events import About, Answered, Event
from roleshift.files import hash_tree, read_json, write_json
from roleshift.params import Params, load_params
from roleshift.registry.gate import Verdict, run_gate, stored_verdict
from roleshift.registry.registering import Registered
from roleshift.registry.statements import LANGUAGES, sentences
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import resolve

TASK = "classify-encyclopedia"


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


def give_evidence(root: Path, params: Params, *, base: float, tuned: float, weights: str, items: int = 150) -> None:
    """Evidence in which the base and the tuned model answer this share of the items rightly."""
    tasks = {TASK: params.task_definitions()[TASK]}
    test = make_examples(tasks, items, "test")
    parts = {
        "baseline": [answers(test, base, model_id="base0000base0000", variant="torch-bf16")],
        "candidate": [answers(test, tuned, model_id=f"{weights}-model-id", variant="onnx-int8")],
    }
    for part, frames in parts.items():
        found = pl.concat(frames)
        write_table(root / f"evidence/{part}/items.parquet", found, ITEMS)
        write_table(root / f"evidence/{part}/scores.parquet", score_answers(found, {"none": test}, tasks), SCORES)


@pytest.fixture
def gate_of(
    tracking: Tracking, root: Path, params: Params, registering: Callable[..., Registered]
) -> Callable[..., Verdict]:
    def run(
        waived: dict[str, str] | None = None,
        votes: Sequence[Event] = (),
        evaluated: dict[str, object] | None = None,
        selection: dict[str, str] | None = None,
        timed: list[dict[str, object]] | None = None,
        parity: float = 0.001,
        **evidence: float,
    ) -> Verdict:
        weights = f"model-{evidence['tuned']}"
        make_project(root, weights=weights)
        give_evidence(root, params, weights=weights, **evidence)
        write_json(root / "metrics/export.json", {"parity_tolerance": 0.02, "variants": {
            "onnx-fp32": {"parity": {"largest_logit_difference": parity}}}})  # fmt: skip
        if evaluated is not None:
            write_json(root / "metrics/evaluate.json", {"capabilities": evaluated})
        if selection is not None:
            write_json(root / "metrics/selection.json", selection)
        if timed is not None:
            write_json(root / "metrics/timings/select.json", {"variants": timed})
        return run_gate(tracking, params, registering().tuned, votes=votes, waived=waived)

    return run


def states(verdict: Verdict) -> dict[str, str]:
    return {rule.name: rule.state for rule in verdict.rules}


def test_a_better_version_passes_against_the_baseline_and_the_result_is_stored(gate_of, tracking, root, tmp_path):
    verdict = gate_of(base=0.2, tuned=0.8)
    assert (verdict.against, verdict.summary) == (1, "pass")
    assert {states(verdict)[name] for name in ("not worse", "better", "slices", "enough items")} == {"pass"}
    assert states(verdict)["export parity"] == "pass"
    assert states(verdict)["throughput"] == "not applicable"
    assert verdict.evidence == hash_tree(root / "evidence")
    version = resolve(tracking, "roleshift", "2")
    assert tracking.client.get_model_version("roleshift", "2").tags["roleshift.gate"] == "pass"
    stored = tracking.client.download_artifacts(version.evidence_run, "gate/version-2.json", str(tmp_path))
    assert read_json(Path(stored))["version"] == 2


def test_a_version_that_is_worse_than_the_champion_fails_although_it_beats_the_baseline(gate_of, tracking):
    gate_of(base=0.1, tuned=0.9)
    tracking.client.set_registered_model_alias("roleshift", "champion", "2")
    verdict = gate_of(base=0.1, tuned=0.4)
    assert verdict.against == 2
    assert not verdict.passed
    assert states(verdict)["not worse"] == "fail"
    assert states(verdict)["better"] == "fail"
    assert "classify" in next(rule.figure for rule in verdict.rules if rule.name == "not worse")


def test_a_margin_that_these_items_cannot_certify_is_named(gate_of):
    verdict = gate_of(base=0.5, tuned=0.55, items=30)
    assert states(verdict)["enough items"] == "fail"
    assert "30 items can hardly certify" in next(r.figure for r in verdict.rules if r.name == "enough items")


def test_a_waiver_needs_a_rule_that_exists_and_is_shown(gate_of):
    verdict = gate_of(dict.fromkeys(("better", "not worse", "slices"), "agreed (ann)"), base=0.9, tuned=0.3)
    assert verdict.summary == "waived"
    assert "waived: agreed (ann)" in next(rule.figure for rule in verdict.rules if rule.name == "better")
    with pytest.raises(RoleShiftError, match="no rule of the gate is named 'nicer'"):
        gate_of({"nicer": "x"}, base=0.9, tuned=0.3)


def test_evidence_that_cannot_be_compared_fails_with_the_reason(gate_of, tracking):
    gate_of(base=0.1, tuned=0.9, items=150)
    tracking.client.set_registered_model_alias("roleshift", "champion", "2")
    verdict = gate_of(base=0.1, tuned=0.8, items=140)
    assert states(verdict)["not worse"] == "fail"
    assert "different items" in next(rule.figure for rule in verdict.rules if rule.name == "not worse")


def test_the_champion_itself_is_judged_against_the_baseline(gate_of, tracking, params):
    gate_of(base=0.1, tuned=0.9)
    tracking.client.set_registered_model_alias("roleshift", "champion", "2")
    verdict = run_gate(tracking, params, resolve(tracking, "roleshift", "2"), votes=())
    assert (verdict.against, states(verdict)["better"]) == (1, "pass")


@pytest.mark.parametrize(
    ("verdicts", "state", "text"),
    [
        ({"classify": "not worse than the margin", "headline": "undecided"}, "pass", "confirmed: onnx-int8 is worse"),
        ({"classify": "worse", "headline": "undecided"}, "fail", "contradicted: onnx-int8 is worse than fp32 on class"),
        ({}, "not applicable", "onnx-int8 was not compared"),
    ],
)
def test_test_items_confirm_or_contradict_the_choice_and_an_override_is_named(
    gate_of: Callable[..., Verdict], verdicts: dict[str, str], state: str, text: str
) -> None:
    parts = {
        name: {"primary_metric": "accuracy", "systems": {}, "differences": {"shipped-reference": {"primary": {
            "difference": -0.1, "low": -0.2, "high": -0.01, "verdict": verdict}}}}
        for name, verdict in verdicts.items()
    }  # fmt: skip
    chosen = {"shipped": "onnx-int8", "by_rule": "onnx-fp32", "override": "onnx-int8"}
    verdict = gate_of(base=0.2, tuned=0.8, evaluated=parts, selection=chosen)
    rule = next(rule for rule in verdict.rules if rule.name == "precision on test")
    assert (rule.state, text in rule.figure) == (state, True)
    assert rule.figure.endswith("select.ship names it, the rule chose onnx-fp32")


def test_a_budget_of_throughput_is_held_against_the_measured_one(
    gate_of: Callable[..., Verdict], tracking: Tracking, params: Params
) -> None:
    row = {"quality": 0.3, "peak_memory_bytes": 1, "bytes": 1, "on_front": True}
    rates = {"onnx-fp32": 900.0, "onnx-int8": 1200.0}
    timed = [{"name": name, "tokens_per_second": rate, **row} for name, rate in rates.items()]
    gate_of(base=0.2, tuned=0.8, timed=timed)
    version = resolve(tracking, "roleshift", "2")
    for least, state in ((1000, "pass"), (1300, "fail")):
        budget = params.model_copy(update={"gate": params.gate.model_copy(update={"tokens_per_second": least})})
        assert states(run_gate(tracking, budget, version, votes=()))["throughput"] == state


@pytest.mark.parametrize(
    ("change", "rule", "state"),
    [
        ({"robustness": {"difference": -0.15, "low": -0.3, "high": -0.09}}, "robustness", "pass"),
        ({"robustness": {"difference": -0.2, "low": -0.3, "high": -0.11}}, "robustness", "fail"),
        ({"robustness": {"difference": -0.2, "low": None, "high": None}}, "robustness", "pass"),  # too few to say
        ({}, "robustness", "not applicable"),
        ({"leaks": {"either": 5}}, "leaks", "pass"),
        ({"leaks": {"either": 6}}, "leaks", "fail"),
        ({}, "leaks", "not applicable"),
    ],
)
def test_what_the_run_measured_is_held_against_the_bounds_of_params(
    gate_of: Callable[..., Verdict], change: dict[str, object], rule: str, state: str
) -> None:
    part = {"primary_metric": "accuracy", "systems": {}, "differences": {}, "items": 100} | change
    verdict = gate_of(base=0.2, tuned=0.8, evaluated={"classify": part})
    assert states(verdict)[rule] == state
    assert ("classify" in next(each.figure for each in verdict.rules if each.name == rule)) == (
        state == "fail" or "leaks" in change or "robustness" in change
    )


@pytest.mark.parametrize(("difference", "state"), [(0.02, "pass"), (0.0201, "fail")])
def test_an_export_that_answers_unlike_the_trained_model_fails(
    gate_of: Callable[..., Verdict], difference: float, state: str
) -> None:
    assert states(gate_of(base=0.2, tuned=0.8, parity=difference))["export parity"] == state


def test_slices_that_regressed_are_counted_against_those_allowed(
    gate_of: Callable[..., Verdict], tracking: Tracking, params: Params
) -> None:
    verdict = gate_of(base=0.9, tuned=0.3)  # both values of the slice `aspect` are worse
    figure = next(rule.figure for rule in verdict.rules if rule.name == "slices")
    assert states(verdict)["slices"] == "fail"
    assert "aspect" in figure
    lenient = params.model_copy(update={"gate": params.gate.model_copy(update={"regressed_slices": 2})})
    version = resolve(tracking, "roleshift", "2")
    assert states(run_gate(tracking, lenient, version, votes=()))["slices"] == "pass"


def blind_votes(model: str, wins: int, losses: int) -> list[Event]:
    sides = Answered(2, model, "onnx-int8", ""), Answered(1, "base0000base0000", "torch-bf16", "")
    outcomes = ["better"] * wins + ["worse"] * losses
    return [
        Event(str(i), "vote", "2026-01-01", About("review", f"e{i}", None, TASK, "classify", "d"), sides[0], sides[1],
              "random", outcome, "ann", None, None, {})
        for i, outcome in enumerate(outcomes)
    ]  # fmt: skip


@pytest.mark.parametrize(("wins", "losses", "state"), [(10, 10, "not applicable"), (20, 20, "pass"), (4, 36, "fail")])
def test_peoples_comparisons_count_once_there_are_enough(
    gate_of: Callable[..., Verdict], wins: int, losses: int, state: str
) -> None:
    verdict = gate_of(base=0.5, tuned=0.9, votes=blind_votes("model-0.9-model-id", wins, losses))
    assert states(verdict)["human review"] == state


def test_a_version_that_nothing_applies_to_passes_only_by_a_waiver(gate_of, tracking, params):
    gate_of(base=0.1, tuned=0.9)
    base = resolve(tracking, "roleshift", "1")  # the baseline itself: there is no champion to compare it with
    verdict = run_gate(tracking, params, base, votes=())
    assert (verdict.against, verdict.summary, states(verdict)["evidence"]) == (None, "fail", "fail")
    waived = run_gate(tracking, params, base, votes=(), waived={"evidence": "a first champion (ann)"})
    assert (waived.passed, waived.summary) == (True, "waived")


def test_figures_are_read_in_chinese_from_the_stored_result_too(gate_of, tracking):
    verdict = gate_of({"better": "agreed (ann)"}, base=0.9, tuned=0.3)
    stored = stored_verdict(tracking, resolve(tracking, "roleshift", "2"))
    assert stored == verdict
    for found in (verdict, stored):
        figures = {rule.name: rule.text("zh") for rule in found.rules}
        assert figures["not worse"].startswith("对比版本 1，界限 5 分：classify -")
        assert figures["not worse"].endswith("（更差）")
        named = next(rule for rule in found.rules if rule.name == "not worse").text("zh", {"classify": "分类"})
        assert named.startswith("对比版本 1，界限 5 分：分类 -")
        assert figures["better"].endswith("要求 1 项；已豁免：agreed (ann)")
        assert {rule.name: rule.text("en") for rule in found.rules} == {rule.name: rule.figure for rule in found.rules}


def test_every_sentence_has_both_languages_and_the_same_values():
    for key, texts in sentences().items():
        fields = [{name for _, name, _, _ in Formatter().parse(texts[language]) if name} for language in LANGUAGES]
        assert fields[0] == fields[1], key
