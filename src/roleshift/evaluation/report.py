"""The content of metrics/baseline.json and metrics/evaluate.json.

All scores are in [0, 1], differences are a - b; a figure that is undefined, or an interval that
too few items do not allow, is null and has a `note`. Nothing here depends on the time or machine.

    schema_version  2
    base            {model_id, variant}
    tuned           {model_id, shipped, reference} or null (in baseline.json)
    settings        {confidence, resamples, seed, shots, minimum_groups}
    beats_all       how many capabilities' shipped variant beats base, base with shots and the best
                    floor, each by a paired interval (not corrected) above 0
    beats_all_capabilities
    capabilities.<capability>:
      capability, tasks, domains, languages, primary_metric, items, best_floor (a system's name)
      signatures.<metric>  how the metric was computed
      systems.<system>:    system is `base`, `base-shots`, `base-likelihood`, `floor-...`, or the
                           tuned model's variant (`onnx-fp32`, `onnx-int8`, `torch-merged`)
        model_id, variant, shots, items, truncated, empty
        pass_rate          {passes, n, rate, low, high, thresholds}; exact interval
        metrics.<metric>   {value, low, high, n, groups, note?, signature? where it is another than
                           the capability's}
      differences.<comparison>:   `tuned-base`, `tuned-base-shots`, `tuned-base-likelihood`,
                           `tuned-best-floor`, `shipped-reference`
        a, b               names of systems
        primary            {difference, low, high, p, p_corrected, verdict, needed_items, n, groups,
                           deviation, detectable, better_items, worse_items, note?} by the primary
                           metric; p by paired approximate randomisation, corrected by Holm over the
                           capabilities of this comparison; the last five as `paired_difference` and
                           `verdicts.judge` say. `roleshift compare` tests every other metric too.
      beats_all            true, false, or null where a comparison has no interval
      classes.<label>      {precision, recall, f1, support} of the shipped variant (one classify task)
      malformed            answers of the shipped variant that were not the JSON asked for (extract)
      slices               {by_name.<slice>.<value>: figure, worst: {slice, of, value, n} or null}
      robustness           {n, indicative, clean, perturbed, difference, low, high, p, ...} or null
      leaks                {input, reference, either, value_without, n_without}
    robustness_by_perturbation.<name>  the mean primary score over all capabilities, as above

`robustness`, `leaks`, `classes` and `differences` are in evaluate.json only; `slices` are those of the shipped
variant there, of the base in baseline.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from roleshift.evaluation.evidence import Evidence, SystemKey, answer_counts
from roleshift.evaluation.floors import FLOOR
from roleshift.evaluation.measures import Precision, measure, paired_difference, pass_rate, rounded
from roleshift.evaluation.metrics.corpus import per_class
from roleshift.evaluation.robustness import capability_robustness, perturbation_robustness
from roleshift.evaluation.slices import slice_report
from roleshift.evaluation.statistics import MINIMUM_GROUPS
from roleshift.evaluation.verdicts import judge

SCHEMA_VERSION = 2
BEATEN = ("tuned-base", "tuned-base-shots", "tuned-best-floor")


@dataclass(frozen=True)
class Tuned:
    """The tuned model: its id, the variant that ships and the one that it is judged against."""

    model_id: str
    shipped: str
    reference: str


def summarise(
    evidence: Evidence,
    *,
    base_id: str,
    shots: int,
    precision: Precision,
    tuned: Tuned | None = None,
    leaked: Mapping[str, set[str]] | None = None,
) -> dict[str, Any]:
    """Everything above from the evidence of one split; `leaked` (ids by where the text was found) goes with `tuned`."""
    systems = named_systems(evidence, base_id, tuned)
    capabilities: dict[str, Any] = {
        name: _capability(evidence, systems, name, precision) for name in evidence.capabilities
    }
    summary: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "base": {"model_id": base_id, "variant": systems["base"].variant if "base" in systems else None},
        "tuned": None if tuned is None else dict(tuned.__dict__),
        "settings": {
            "confidence": precision.confidence,
            "resamples": precision.resamples,
            "seed": precision.seed,
            "shots": shots,
            "minimum_groups": MINIMUM_GROUPS,
        },
        "capabilities": capabilities,
    }
    if tuned is None:
        for name, part in capabilities.items():
            if "base" in part["systems"]:
                part["slices"] = slice_report(evidence, systems["base"], name, precision)
        return summary
    shipped = systems[tuned.shipped]
    for part in capabilities.values():
        part["differences"] = _differences(evidence, systems, part, tuned, precision)
    _judge(capabilities, precision.confidence)
    for name, part in capabilities.items():
        part["beats_all"] = _beats_all(part["differences"], shots)
        part.update(_classes(evidence, shipped, name))
        part["slices"] = slice_report(evidence, shipped, name, precision)
        part["robustness"] = capability_robustness(evidence, shipped, name, precision)
        if leaked is not None:
            part["leaks"] = _leaks(evidence, shipped, name, leaked, precision)
    winners = sorted(name for name, part in capabilities.items() if part["beats_all"])
    summary["beats_all"] = len(winners)
    summary["beats_all_capabilities"] = winners
    summary["robustness_by_perturbation"] = perturbation_robustness(evidence, shipped, precision)
    return summary


def named_systems(evidence: Evidence, base_id: str, tuned: Tuned | None) -> dict[str, SystemKey]:
    """The unperturbed systems of the evidence by the names that the report gives them."""
    named = {}
    for system in evidence.systems:
        if system.perturbation != "none":
            continue
        if system.model_id == FLOOR or (tuned is not None and system.model_id == tuned.model_id):
            named[system.variant] = system
        elif system.model_id == base_id:
            kind = "base-likelihood" if system.variant.endswith("-likelihood") else "base"
            named[f"{kind}-shots" if system.shots else kind] = system
    return named


def _capability(
    evidence: Evidence, systems: Mapping[str, SystemKey], capability: str, precision: Precision
) -> dict[str, Any]:
    rows = evidence.items.filter(pl.col("capability") == capability)
    primary = evidence.primary[capability]
    measured = {}
    signatures: dict[str, str] = {}
    for name, system in systems.items():
        items = evidence.rows(system, capability)
        if items.height:
            measured[name] = _system(evidence, system, capability, items, signatures, precision)
    count = rows["example_id"].n_unique()
    floors = {
        name: part["metrics"][primary]["value"]
        for name, part in measured.items()
        if name.startswith("floor-") and part["items"] == count and part["metrics"][primary]["value"] is not None
    }
    return {
        "capability": capability,
        "tasks": [task.id for task in evidence.tasks_of(capability)],
        "domains": sorted(rows["domain"].unique().to_list()),
        "languages": sorted(rows["language"].unique().to_list()),
        "primary_metric": primary,
        "items": count,
        "best_floor": max(sorted(floors), key=lambda name: floors[name]) if floors else None,
        "signatures": signatures,
        "systems": measured,
    }


def _system(
    evidence: Evidence,
    system: SystemKey,
    capability: str,
    items: pl.DataFrame,
    signatures: dict[str, str],
    precision: Precision,
) -> dict[str, Any]:
    """One system's figures; `signatures` gains those of metrics that no system before had."""
    metrics = {}
    for metric in evidence.metrics(system, capability):
        corpus = evidence.corpus(system, capability, metric)
        figure = measure(corpus, metric, precision)
        if signatures.setdefault(metric, corpus.signature) != corpus.signature:
            figure["signature"] = corpus.signature
        metrics[metric] = figure
    return {
        "model_id": system.model_id,
        "variant": system.variant,
        "shots": system.shots,
        "items": items.height,
        **answer_counts(items),
        "pass_rate": pass_rate(
            evidence.primary_scores(system, capability),
            evidence.thresholds(system, capability),
            precision.confidence,
        ),
        "metrics": metrics,
    }


def _differences(
    evidence: Evidence,
    systems: Mapping[str, SystemKey],
    part: Mapping[str, Any],
    tuned: Tuned,
    precision: Precision,
) -> dict[str, Any]:
    capability, metric = part["capability"], part["primary_metric"]
    wanted = {
        "tuned-base": "base",
        "tuned-base-shots": "base-shots",
        "tuned-base-likelihood": "base-likelihood",
        "tuned-best-floor": part["best_floor"],
        "shipped-reference": tuned.reference if tuned.reference != tuned.shipped else None,
    }
    found = {}
    for comparison, other in wanted.items():
        if other is None or other not in part["systems"]:
            continue
        mine, theirs = (evidence.corpus(systems[name], capability, metric) for name in (tuned.shipped, other))
        if mine.signature != theirs.signature or metric not in evidence.metrics(systems[other], capability):
            continue  # measured in another way, or not on every item
        primary = paired_difference(mine, theirs, metric, precision)
        found[comparison] = {"a": tuned.shipped, "b": other, "primary": primary}
    return found


def _judge(capabilities: Mapping[str, Any], confidence: float) -> None:
    """Verdicts, corrected over the capabilities of each comparison."""
    comparisons = sorted({name for part in capabilities.values() for name in part["differences"]})
    for comparison in comparisons:
        judge(
            [
                (part["primary_metric"], part["differences"][comparison]["primary"])
                for part in capabilities.values()
                if comparison in part["differences"]
            ],
            confidence,
        )


def _beats_all(differences: Mapping[str, Any], shots: int) -> bool | None:
    wanted = [name for name in BEATEN if shots or name != "tuned-base-shots"]
    if any(name not in differences or differences[name]["primary"]["low"] is None for name in wanted):
        return None
    return all(differences[name]["primary"]["low"] > 0 for name in wanted)


def _classes(evidence: Evidence, system: SystemKey, capability: str) -> dict[str, Any]:
    tasks = evidence.tasks_of(capability)
    if len(tasks) != 1 or not evidence.rows(system, capability).height:
        return {}
    if tasks[0].kind == "classify":
        report = per_class(evidence.corpus(system, capability, "macro_f1").statistics.sum(axis=0))
        return {"classes": {label: _class(report[i]) for i, label in enumerate(tasks[0].labels)}}
    if tasks[0].kind == "extract":
        sums = evidence.corpus(system, capability, "entity_f1").statistics.sum(axis=0)
        report = per_class(sums[2:])
        classes = {field: _class(report[i]) for i, field in enumerate(tasks[0].fields)}
        return {"classes": classes, "malformed": int(sums[0])}
    return {}


def _class(row: Any) -> dict[str, Any]:
    precision, recall, f1, support = (rounded(float(value)) for value in row)
    return {"precision": precision, "recall": recall, "f1": f1, "support": int(support or 0)}


def _leaks(
    evidence: Evidence, system: SystemKey, capability: str, leaked: Mapping[str, set[str]], precision: Precision
) -> dict[str, Any]:
    metric = evidence.primary[capability]
    whole = evidence.corpus(system, capability, metric)
    hit = {where: ids & set(whole.example_ids) for where, ids in leaked.items()}
    either = set().union(*hit.values())
    clean = [example for example in whole.example_ids if example not in either]
    without = measure(whole.take(clean), metric, precision)
    return {
        **{where: len(ids) for where, ids in sorted(hit.items())},
        "either": len(either),
        "value_without": without["value"],
        "n_without": len(clean),
    }
