"""Two model versions on the same items: what is better, what is worse, what cannot be said.

What was not measured the same way is refused: other items, references, prompts, generation
settings or metric signatures. The result is plain JSON values:

    a, b            {name, model_id, variant}
    items           how many were compared; items_only_a, items_only_b where `intersect` was asked for
    differing       what differs although it was allowed ("prompts", "settings")
    margin, confidence, resamples
    capabilities.<capability>:
      primary_metric, items
      best_floor         {name, value}: the best trivial floor on the same items by the primary metric, or null
      answers.<a or b>   {truncated (cut at the token limit), empty}: how many
      metrics.<metric>   {a, b, difference, low, high, p, p_corrected, verdict, needed_items, detectable,
                         needed_for_margin, n, groups, ...}
      left_out           metrics that only one side has
      slices             [{slice, value, a, b, difference, low, high, n, p, p_corrected, regressed}] of
                         `slice_differences`, judged over the slices of all capabilities together
    largest         of each capability the items whose primary score differs most, with both outputs
    regression      whether any capability's verdict is worse by its primary metric

Differences are a - b. P-values are corrected by Holm over capabilities: the primary metrics are one
family, each further metric is a family of its own over the capabilities where it is not the primary
one. `detectable` and `needed_items` are those of `paired_difference` and `verdicts.judge`;
`needed_for_margin` says how many independent items would show a true difference as large as the margin.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import ITEM_KEY
from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison_tables import render_json, render_markdown, render_table
from roleshift.evaluation.evidence import TRUNCATED, Evidence, SystemKey, answer_counts, load_tables
from roleshift.evaluation.floors import FLOOR
from roleshift.evaluation.measures import Precision, paired_difference, rounded
from roleshift.evaluation.metrics.corpus import corpus_score
from roleshift.evaluation.slices import judge_slices, slice_differences
from roleshift.evaluation.verdicts import judge, needed_for_margin
from roleshift.files import read_json
from roleshift.tasks import TaskDefinition

__all__ = ["Side", "compare", "load_evidence", "render_json", "render_markdown", "render_table"]

ALLOWED = ("prompts", "settings")
LARGEST = 10
"""Items with the largest differences that are shown of each capability."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its name, and the items and scores of one system.

    `floors` are items and scores of the trivial floors on the same split; None where none were measured with it.
    """

    name: str
    items: pl.DataFrame
    scores: pl.DataFrame
    floors: tuple[pl.DataFrame, pl.DataFrame] | None = None


def evidence_folder(path: Path) -> Path:
    """The folder of items and scores that a path names: itself, or a run's candidate."""
    return path if (path / "items.parquet").is_file() else path / "evidence/candidate"


def load_evidence(path: Path, variant: str | None = None) -> Side:
    """The evidence of one system below a folder.

    `path` holds items.parquet and scores.parquet, or is a run's folder with evidence/candidate and
    evidence/baseline. Unperturbed items of the split test; without `variant` the candidate's that ships
    by metrics/evaluate.json, else the only one there.
    """
    folder = evidence_folder(path)
    items, scores = _plain_test_items(folder)
    if variant is None:
        found = items.filter(pl.col("model_id") != FLOOR)["variant"].unique().sort().to_list()
        found = [name for name in found if not name.endswith("-likelihood")]
        summary = folder.parent.parent / "metrics/evaluate.json"
        shipped = (read_json(summary).get("tuned") or {}).get("shipped") if summary.is_file() else None
        variant = found[0] if len(found) == 1 else shipped
    baseline = path / "evidence/baseline"
    if baseline.is_dir():
        others = _plain_test_items(baseline)
        items, scores = pl.concat([items, others[0]]), pl.concat([scores, others[1]])
    beside = folder.parent / "baseline"
    everyone = items["variant"].unique().sort().to_list()
    if variant not in everyone:
        raise RoleShiftError(f"{folder}: name one of its variants ({', '.join(everyone) or 'none'})")
    items = items.filter(pl.col("variant") == variant)
    floors = _floors(beside) if (beside / "items.parquet").is_file() else None
    return Side(f"{path}:{variant}", items, scores.join(items, on=list(ITEM_KEY), how="semi"), floors)


def _floors(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    items, scores = _plain_test_items(folder)
    items = items.filter(pl.col("model_id") == FLOOR)
    return items, scores.join(items, on=list(ITEM_KEY), how="semi")


def _plain_test_items(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    items, scores = load_tables([folder])
    return items.filter(perturbation="none", split="test", shots=0), scores


def compare(
    a: Side,
    b: Side,
    tasks: Mapping[str, TaskDefinition],
    *,
    margin: float,
    precision: Precision,
    intersect: bool = False,
    allow: Collection[str] = (),
) -> dict[str, Any]:
    """Compare two sides item by item; `allow` names differences that are shown instead of refused.

    Raises RoleShiftError with the reason where the two were not measured the same way.
    """
    common = _common_items(a, b, intersect)
    differing = _differing(a, b, common, allow)
    kept = pl.col("example_id").is_in(common)
    sides = [Evidence(side.items.filter(kept), side.scores.filter(kept), tasks) for side in (a, b)]
    keys = [_only_system(evidence, side.name) for evidence, side in zip(sides, (a, b), strict=True)]
    capabilities = {name: _capability(sides, keys, name, precision) for name in sides[0].capabilities}
    _judge(capabilities, margin, precision.confidence)
    floors = _best_floors(a.floors or b.floors, sides[0], keys[0], tasks)
    for name, part in capabilities.items():
        part["best_floor"] = floors.get(name)
    primaries = [part["metrics"][part["primary_metric"]] for part in capabilities.values()]
    return {
        **{
            letter: {"name": side.name, "model_id": key.model_id, "variant": key.variant}
            for letter, side, key in zip("ab", (a, b), keys, strict=True)
        },
        "items": len(common),
        "items_only_a": a.items.height - len(common),
        "items_only_b": b.items.height - len(common),
        "differing": differing,
        "margin": margin,
        "confidence": precision.confidence,
        "resamples": precision.resamples,
        "capabilities": capabilities,
        "largest": _largest(a, b, sides, keys),
        "regression": any(primary["verdict"] == "worse" for primary in primaries),
    }


def _common_items(a: Side, b: Side, intersect: bool) -> list[str]:
    ids_a, ids_b = set(a.items["example_id"]), set(b.items["example_id"])
    common = sorted(ids_a & ids_b)
    if not common:
        raise RoleShiftError(f"{a.name} and {b.name} have no item in common; evaluate both on the same test split")
    if ids_a != ids_b and not intersect:
        first = min(ids_a ^ ids_b)
        raise RoleShiftError(
            f"different items: {len(ids_a - ids_b)} only in {a.name}, {len(ids_b - ids_a)} only in {b.name} "
            f"(first {first}); --intersect compares the {len(common)} common ones"
        )
    return common


def _differing(a: Side, b: Side, common: list[str], allow: Collection[str]) -> list[str]:
    """The kinds of difference that were allowed and occur; the others are refused."""
    unknown = set(allow) - set(ALLOWED)
    if unknown:
        raise RoleShiftError(f"cannot allow {min(unknown)!r}; what can be allowed is {', '.join(ALLOWED)}")
    joined = a.items.filter(pl.col("example_id").is_in(common)).join(b.items, on="example_id", suffix="_b")
    found = []
    for kind, column in (("references", "references_hash"), ("prompts", "prompt_hash"), ("settings", "settings_hash")):
        other = joined.filter(pl.col(column) != pl.col(f"{column}_b"))
        if other.is_empty():
            continue
        if kind not in allow:
            remedy = f"; --allow {kind} compares them all the same" if kind in ALLOWED else ""
            raise RoleShiftError(
                f"different {kind}: {other.height} of {joined.height} items, first {other['example_id'][0]}{remedy}"
            )
        found.append(kind)
    return found


def _only_system(evidence: Evidence, name: str) -> SystemKey:
    if len(evidence.systems) != 1:
        raise RoleShiftError(f"{name}: holds {len(evidence.systems)} systems; a comparison needs one on each side")
    return evidence.systems[0]


def _capability(sides: list[Evidence], keys: list[SystemKey], name: str, precision: Precision) -> dict[str, Any]:
    names = [evidence.metrics(key, name) for evidence, key in zip(sides, keys, strict=True)]
    primary = sides[0].primary[name]
    both = [metric for metric in names[0] if metric in names[1]]
    if primary not in both:
        raise RoleShiftError(f"{name}: its primary metric {primary} was not measured on both sides; evaluate again")
    metrics = {}
    for metric in both:
        one, two = (evidence.corpus(key, name, metric) for evidence, key in zip(sides, keys, strict=True))
        if one.signature != two.signature:
            raise RoleShiftError(
                f"{name}: {metric} was measured in different ways: {one.signature} and {two.signature}"
            )
        metrics[metric] = {
            "a": rounded(corpus_score(metric, one.statistics)),
            "b": rounded(corpus_score(metric, two.statistics)),
            **paired_difference(one, two, metric, precision),
        }
    return {
        "primary_metric": primary,
        "items": metrics[primary]["n"],
        "answers": {
            letter: answer_counts(evidence.rows(key, name))
            for letter, evidence, key in zip("ab", sides, keys, strict=True)
        },
        "metrics": metrics,
        "left_out": sorted(set(names[0]) ^ set(names[1])),
        "slices": _slices(sides, keys, name, primary, precision),
    }


def _best_floors(
    floors: tuple[pl.DataFrame, pl.DataFrame] | None,
    compared: Evidence,
    key: SystemKey,
    tasks: Mapping[str, TaskDefinition],
) -> dict[str, dict[str, Any]]:
    """By capability, of the floors that answered every compared item and were scored in the same way."""
    if floors is None:
        return {}
    evidence = Evidence(
        floors[0].join(compared.items, on=["example_id", "references_hash"], how="semi"), floors[1], tasks
    )
    found: dict[str, dict[str, Any]] = {}
    for name in compared.capabilities:
        metric = compared.primary[name]
        mine = compared.corpus(key, name, metric)
        for system in evidence.systems:
            theirs = evidence.corpus(system, name, metric)
            if theirs.example_ids != mine.example_ids or theirs.signature != mine.signature:
                continue
            value = rounded(corpus_score(metric, theirs.statistics))
            if value is not None and (name not in found or value > found[name]["value"]):
                found[name] = {"name": system.variant, "value": value}
    return found


def _judge(capabilities: Mapping[str, Any], margin: float, confidence: float) -> None:
    """Verdicts of every metric, corrected within its family."""
    families: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for part in capabilities.values():
        for metric, entry in part["metrics"].items():
            family = "primary" if metric == part["primary_metric"] else metric
            families.setdefault(family, []).append((metric, entry))
            entry["needed_for_margin"] = needed_for_margin(entry, metric, confidence, margin)
    for family in families.values():
        judge(family, confidence, margin)
    judge_slices([entry for part in capabilities.values() for entry in part["slices"]], confidence)


def _slices(
    sides: list[Evidence], keys: list[SystemKey], capability: str, metric: str, precision: Precision
) -> list[dict[str, Any]]:
    one, two = (evidence.corpus(key, capability, metric) for evidence, key in zip(sides, keys, strict=True))
    return slice_differences(one, two, sides[0].rows(keys[0], capability), metric, precision)


def regressed_slices(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The slices on which a is worse than b after correction, with their `capability`."""
    return [
        {"capability": name, **entry}
        for name, part in comparison["capabilities"].items() for entry in part["slices"] if entry["regressed"]
    ]  # fmt: skip


def _largest(a: Side, b: Side, sides: list[Evidence], keys: list[SystemKey]) -> list[dict[str, Any]]:
    """By capability; among equals by id."""
    answered = [
        {row["example_id"]: row for row in side.items.select("example_id", "output", "finish_reason").to_dicts()}
        for side in (a, b)
    ]
    found = []
    for capability in sides[0].capabilities:
        metric = sides[0].primary[capability]
        one, two = (evidence.corpus(key, capability, metric) for evidence, key in zip(sides, keys, strict=True))
        apart = one.scores - two.take(one.example_ids).scores
        order = sorted(range(len(apart)), key=lambda i: (-abs(apart[i]), one.example_ids[i]))
        for index in order[:LARGEST]:
            if not apart[index]:
                break
            example = one.example_ids[index]
            entry = {
                "example_id": example,
                "capability": capability,
                "metric": metric,
                "a": rounded(one.scores[index]),
                "b": rounded(one.scores[index] - apart[index]),
                "difference": rounded(apart[index]),
            }
            for letter, rows in zip("ab", answered, strict=True):
                entry[f"output_{letter}"] = rows[example]["output"]
                entry[f"truncated_{letter}"] = rows[example]["finish_reason"] == TRUNCATED
            found.append(entry)
    return found
