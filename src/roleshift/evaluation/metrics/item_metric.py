"""The base of every metric here: `evaluate.Metric`, offline, with statistics per item."""

import tempfile
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import datasets
import numpy as np

import evaluate
from roleshift.evaluation.metrics.corpus import corpus_function, corpus_score

OUR_VERSION = 1
"""Part of every signature; raised when a metric's values change."""


class ItemMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """A metric of one answer against one or more references.

    `metric` is its name in the scores, `language` the language of the answers. Instances are made
    by `roleshift.evaluation.metrics.choose.metrics_of`, and work with `compute(predictions=...,
    references=...)` like any metric of the `evaluate` library, without fetching a script.
    """

    needs_input: ClassVar[bool] = False
    description: ClassVar[str] = ""

    def __init__(self, metric: str, language: str) -> None:
        self.metric = metric
        self.language = language
        super().__init__(keep_in_memory=True, cache_dir=_scratch(), seed=0)

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "predictions": datasets.Value("string"),
            "references": datasets.Sequence(datasets.Value("string")),
        }
        if self.needs_input:
            features["inputs"] = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.description,
            citation="",
            inputs_description="predictions: answers; references: a list of references for each answer.",
            features=datasets.Features(features),
        )

    def _compute(
        self, predictions: Sequence[str], references: Sequence[Sequence[str]], inputs: Sequence[str] | None = None
    ) -> dict[str, Any]:
        texts = inputs if inputs is not None else [""] * len(predictions)
        statistics = [self.statistics(*item) for item in zip(predictions, references, texts, strict=True)]
        return {
            self.metric: corpus_score(self.metric, np.array(statistics)),
            "scores": [self.item_score(values) for values in statistics],
            "statistics": statistics,
            "signature": self.signature(),
        }

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """The sufficient statistics of one item: they add up to those of a corpus."""
        raise NotImplementedError

    def settings(self) -> dict[str, str]:
        """What the value depends on besides the texts: library version, tokeniser, case, references."""
        raise NotImplementedError

    def item_score(self, statistics: Sequence[float]) -> float:
        """The score of one item in [0, 1]; 0 where it is undefined."""
        score = float(corpus_function(self.metric)(np.asarray(statistics, dtype=np.float64)))
        return 0.0 if np.isnan(score) else min(max(score, 0.0), 1.0)

    def signature(self) -> str:
        """Name and settings; two values with different signatures must not be compared."""
        parts = [f"{name}:{value}" for name, value in self.settings().items()]
        return "|".join([self.metric, *parts, f"roleshift:{OUR_VERSION}"])


@cache
def _scratch() -> str:
    # evaluate makes a folder per metric below its cache even when it keeps everything in memory;
    # a temporary one works where the home folder cannot be written.
    return _keep(tempfile.TemporaryDirectory(prefix="roleshift-metrics-"))


def _keep(folder: "tempfile.TemporaryDirectory[str]") -> str:
    _KEPT.append(folder)
    return folder.name


_KEPT: list["tempfile.TemporaryDirectory[str]"] = []
"""Removed when the process ends."""
