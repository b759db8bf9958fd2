"""Closeness in meaning: the cosine of sentence embeddings. Off unless params name an embedding model."""

from collections.abc import Sequence

import numpy as np

from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.evaluation.metrics.options import Embedder

DIGITS = 6
"""Of a cosine: the last bits of an embedding depend on the machine."""


class Semantic(ItemMetric):
    """Cosine of answer and closest reference (Reimers and Gurevych, 2019); the corpus value is the mean.

    A negative cosine counts as 0, and so does an empty answer.
    """

    description = "Cosine of sentence embeddings"

    def __init__(self, language: str, embedder: Embedder) -> None:
        self._embedder = embedder
        super().__init__("semantic", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Cosine, 1."""
        if not output.strip():
            return [0.0, 1.0]
        answer, *wanted = self._embedder.embed([output, *references])
        cosine = max(float(np.dot(answer, vector)) for vector in wanted)
        return [round(min(max(cosine, 0.0), 1.0), DIGITS), 1.0]

    def settings(self) -> dict[str, str]:
        """Which model embeds."""
        return {"model": self._embedder.name, "negative": "0", "refs": "best"}
