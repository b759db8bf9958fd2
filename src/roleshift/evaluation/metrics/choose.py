"""Which metrics a task is scored with."""

from functools import cache

from roleshift.evaluation.metrics.answers import Accuracy, ClassF1, ExactMatch, TokenF1
from roleshift.evaluation.metrics.entities import EntityF1
from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.evaluation.metrics.options import DEFAULT_OPTIONS, MetricOptions
from roleshift.evaluation.metrics.overlap import ROUGE_TYPES, Bleu, Chrf, Rouge
from roleshift.evaluation.metrics.semantic import Semantic
from roleshift.evaluation.metrics.surface import CopiedNgrams, Distinct, LengthRatio, Repetition
from roleshift.tasks import FieldType, TaskDefinition


def metrics_of(task: TaskDefinition, language: str, options: MetricOptions = DEFAULT_OPTIONS) -> tuple[ItemMetric, ...]:
    """The metrics of a task's items in one language, its primary metric among them."""
    return _metrics(task.kind, language, task.labels, tuple(task.typed_fields.items()), task.metric, options)


@cache
def _metrics(
    kind: str,
    language: str,
    labels: tuple[str, ...],
    fields: tuple[tuple[str, FieldType], ...],
    primary: str,
    options: MetricOptions,
) -> tuple[ItemMetric, ...]:
    if kind == "classify":
        chosen: list[ItemMetric] = [Accuracy(language)]
        chosen += [ClassF1(name, language, labels) for name in ("macro_f1", "micro_f1")]
        if primary == "exact_match":
            chosen.append(ExactMatch(language))
        return tuple(chosen)
    if kind == "extract":
        return (EntityF1(language, dict(fields)), ExactMatch(language))
    chosen = [Bleu(language), Chrf(language), *(Rouge(name, language, options.rouge) for name in ROUGE_TYPES)]
    chosen += [ExactMatch(language), TokenF1(language)]
    chosen += [LengthRatio(language), Distinct(1, language), Distinct(2, language)]
    chosen += [Repetition(language), CopiedNgrams(language)]
    if options.embedder is not None and options.embeds(language):
        chosen.append(Semantic(language, options.embedder))
    if primary == "accuracy":
        chosen.append(Accuracy(language))
    return tuple(chosen)
