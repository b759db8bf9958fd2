"""What noise in the input costs: the same items clean and perturbed, paired."""

from typing import Any

import numpy as np

from roleshift.evaluation.evidence import Corpus, Evidence, Floats, SystemKey
from roleshift.evaluation.measures import Precision, measure, paired_difference


def capability_robustness(
    evidence: Evidence, system: SystemKey, capability: str, precision: Precision
) -> dict[str, Any] | None:
    """Perturbed minus clean by the primary metric, all perturbations together; None where unmeasured."""
    metric = evidence.primary[capability]
    noisy = [evidence.corpus(other, capability, metric) for other in _perturbed(evidence, system)]
    noisy = [corpus for corpus in noisy if corpus.example_ids]
    if not noisy:
        return None
    clean = evidence.corpus(system, capability, metric)
    return _pair(_joined(noisy), clean, metric, precision)


def perturbation_robustness(evidence: Evidence, system: SystemKey, precision: Precision) -> dict[str, Any]:
    """Per perturbation, the mean primary score over the items of all capabilities."""
    report = {}
    for other in _perturbed(evidence, system):
        noisy, clean = (
            _joined([_primary(evidence, who, name) for name in evidence.capabilities]) for who in (other, system)
        )
        report[other.perturbation] = _pair(noisy, clean, "mean_primary", precision)
    return report


def _pair(noisy: Corpus, clean: Corpus, metric: str, precision: Precision) -> dict[str, Any]:
    """`indicative` where only a part of the items was perturbed."""
    values = (measure(corpus, metric, precision)["value"] for corpus in (noisy, clean.take(noisy.example_ids)))
    perturbed, unperturbed = values
    return {
        "indicative": len(noisy.example_ids) < len(clean.example_ids),
        "clean": unperturbed,
        "perturbed": perturbed,
        **paired_difference(noisy, clean, metric, precision),
    }


def _perturbed(evidence: Evidence, system: SystemKey) -> list[SystemKey]:
    return [
        other
        for other in evidence.systems
        if other.perturbation != "none"
        and (other.model_id, other.variant, other.shots) == (system.model_id, system.variant, system.shots)
    ]


def _primary(evidence: Evidence, system: SystemKey, capability: str) -> Corpus:
    """Primary scores as a mean, so that capabilities with different metrics can be put together."""
    corpus = evidence.corpus(system, capability, evidence.primary[capability])
    return Corpus(corpus.example_ids, corpus.groups, corpus.scores, _mean(corpus.scores), corpus.signature)


def _mean(scores: Floats) -> Floats:
    return np.stack([scores, np.ones_like(scores)], axis=-1)


def _joined(parts: list[Corpus]) -> Corpus:
    """Corpora one after the other; each item stands in one of them."""
    parts = [part for part in parts if part.example_ids]
    return Corpus(
        tuple(example for part in parts for example in part.example_ids),
        tuple(group for part in parts for group in part.groups),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.statistics for part in parts]),
        " + ".join(sorted({part.signature for part in parts})),
    )
