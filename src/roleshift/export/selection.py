"""Which variant ships: the fastest that is not worse than the float32 export, on validation items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.evaluation.statistics import MINIMUM_GROUPS
from roleshift.export.invariance import BatchCheck
from roleshift.export.non_inferiority import Comparison
from roleshift.export.throughput import is_faster
from roleshift.generation.opening import exported_manifest
from roleshift.params import SelectParams
from roleshift.params.export import REFERENCE

RULE = (
    "A variant is not worse than the float32 export if, on the same validation items, the one-sided paired bootstrap "
    "bound of its mean score over capabilities lies above minus `margin`, that of its mean log-likelihood per token of "
    "the references above minus `likelihood_margin`, and no capability's score is significantly worse (paired "
    "approximate randomisation, Holm's correction over the capabilities). Among these the one with the highest "
    "measured throughput ships, if it is faster than the float32 export by more than the noise of the rounds and its "
    "greedy answers are the same at batch 1 and 8; of variants whose speeds the noise does not tell apart, the one "
    "with the higher log-likelihood. Else the float32 export ships."
)


@dataclass(frozen=True)
class Candidate:
    """A variant: its measures over the validation items, its rounds' throughputs, and how it compares.

    `against` is None for the reference; `speeds` are tokens per second, one value per round.
    """

    name: str
    size: int
    score: float
    log_likelihood: float
    by_capability: Mapping[str, float]
    speeds: Sequence[float]
    against: Comparison | None


def decide(
    candidates: Sequence[Candidate],
    params: SelectParams,
    *,
    groups: int,
    least_margin: float,
    check_batches: Callable[[str], BatchCheck],
) -> dict[str, Any]:
    """The content of metrics/selection.json; the first candidate is the reference.

    `check_batches` compares a variant's answers at batch 1 and 8; it is asked in the order of
    preference until one holds, and for what ships. `groups` is the number of independent
    validation items, `least_margin` what they can certify at best.
    """
    names = [candidate.name for candidate in candidates]
    if params.ship is not None and params.ship not in names:
        raise RoleShiftError(f"select.ship: {params.ship!r} was not exported; there are {', '.join(names)}")
    reference, *others = candidates
    problems = {other.name: _problems(other, reference, params) for other in others}
    checks: dict[str, BatchCheck] = {}

    def checked(name: str) -> BatchCheck:
        if name not in checks:
            checks[name] = check_batches(name)
        return checks[name]

    best = reference
    for candidate in by_preference([other for other in others if not problems[other.name]], params.confidence):
        if checked(candidate.name).same:
            best = candidate
            break
        problems[candidate.name].append(checks[candidate.name].text)
    shipped = params.ship or best.name
    checked(shipped)
    entries = []
    for candidate in candidates:
        check = checks.get(candidate.name)
        failed = problems.get(candidate.name)
        entry = _entry(candidate, params) | {
            "batches": None if check is None else {"prompts": check.prompts, "differing": list(check.differing)},
            "reason": _reason(candidate, best, failed, check, params),
        }
        if candidate is not reference:
            entry["faster"] = is_faster(candidate.speeds, reference.speeds, params.confidence)
        entries.append(entry)
    return {
        "shipped": shipped,
        "rule": RULE,
        "by_rule": best.name,
        "override": params.ship,
        "margin": params.margin,
        "likelihood_margin": params.likelihood_margin,
        "confidence": params.confidence,
        "independent_items": groups,
        "smallest_margin": round(least_margin, 6),
        "candidates": entries,
    }


def by_preference(candidates: Sequence[Candidate], confidence: float) -> list[Candidate]:
    """Fastest first; where the noise does not tell speeds apart, the higher log-likelihood first."""
    left, ordered = list(candidates), []
    while left:
        fastest = max(left, key=lambda c: sorted(c.speeds)[len(c.speeds) // 2])
        level = [c for c in left if c is fastest or not is_faster(fastest.speeds, c.speeds, confidence)]
        chosen = max(level, key=lambda c: (c.log_likelihood, c.name))
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def only_variant(name: str, size: int, params: SelectParams) -> dict[str, Any]:
    """metrics/selection.json where there is nothing to choose from."""
    if params.ship is not None and params.ship != name:
        raise RoleShiftError(f"select.ship: {params.ship!r} was not exported; there is only {name}")
    return {
        "shipped": name,
        "rule": RULE,
        "by_rule": name,
        "override": params.ship,
        "margin": params.margin,
        "likelihood_margin": params.likelihood_margin,
        "confidence": params.confidence,
        "candidates": [{"variant": name, "bytes": size, "reason": "the only variant"}],
    }


def variant_folders(models: Path) -> dict[str, Path]:
    """The exported variants by name, the reference first."""
    folders = {path.name: path for path in sorted(models.iterdir()) if path.is_dir()}
    if not folders:
        raise RoleShiftError(f"{models}: holds no variant; run `dvc repro export`")
    for name, folder in folders.items():
        manifest = exported_manifest(folder)
        if manifest["variant"] != name:
            raise RoleShiftError(f"{folder}: holds the manifest of {manifest['variant']}; run `dvc repro export` again")
    return dict(sorted(folders.items(), key=lambda entry: entry[0] != REFERENCE))


def _problems(candidate: Candidate, reference: Candidate, params: SelectParams) -> list[str]:
    """Why a variant cannot ship, in words; empty where nothing speaks against it."""
    found = _losses(candidate, params)
    if not is_faster(candidate.speeds, reference.speeds, params.confidence):
        found.append(f"not faster than {reference.name} by more than the noise")
    return found


def _losses(candidate: Candidate, params: SelectParams) -> list[str]:
    against = candidate.against
    if against is None:
        return []
    score, likelihood = against.score, against.log_likelihood
    if score.bound is None or likelihood.bound is None:
        return [f"fewer than {MINIMUM_GROUPS} independent items are too few for a bound"]
    found = []
    if not score.above(params.margin):
        found.append(
            f"may be worse by more than the margin: mean score {100 * score.difference:+.1f} points, "
            f"bound {100 * score.bound:+.1f}, margin {100 * params.margin:g}"
        )
    if not likelihood.above(params.likelihood_margin):
        found.append(
            f"may hold the references less likely by more than the margin: {likelihood.difference:+.3f} nats per "
            f"token, bound {likelihood.bound:+.3f}, margin {params.likelihood_margin:g}"
        )
    found += [
        f"significantly worse on {test.capability}: {100 * test.difference:+.1f} points, corrected p = {test.p:.2g}"
        for test in against.capabilities
        if test.p is not None and test.p < 1 - params.confidence and test.difference < 0
    ]
    return found


def _entry(candidate: Candidate, params: SelectParams) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "variant": candidate.name,
        "bytes": candidate.size,
        "quality": round(candidate.score, 6),
        "log_likelihood": round(candidate.log_likelihood, 6),
        "by_capability": {name: round(value, 6) for name, value in candidate.by_capability.items()},
    }
    against = candidate.against
    if against is None:
        return entry
    return entry | {
        "difference": round(against.score.difference, 6),
        "bound": _rounded(against.score.bound),
        "likelihood_difference": round(against.log_likelihood.difference, 6),
        "likelihood_bound": _rounded(against.log_likelihood.bound),
        "capabilities": {
            test.capability: {"difference": round(test.difference, 6), "p": _rounded(test.p)}
            for test in against.capabilities
        },
        "not_worse": not _losses(candidate, params),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _reason(
    candidate: Candidate, best: Candidate, failed: list[str] | None, check: BatchCheck | None, params: SelectParams
) -> str:
    if failed is None:
        text = "the reference" if candidate is not best else "the reference; nothing else qualifies, so it ships"
        return text if check is None or check.same else f"{text}, though {check.text}"
    if failed:
        return "; ".join(failed)
    if candidate is best:
        return "not worse, faster by more than the noise, and the same at batch 1 and 8"
    if is_faster(best.speeds, candidate.speeds, params.confidence):
        return f"not worse, but {best.name} is faster"
    return f"not worse, but no faster than {best.name} by more than the noise, which holds the references likelier"
