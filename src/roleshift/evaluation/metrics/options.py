"""What params say about metrics; imports nothing heavy, unlike the metrics themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

RougeLibrary = Literal["rouge-score", "rouge-score-rs"]


class Embedder(Protocol):
    """A sentence-embedding model."""

    @property
    def name(self) -> str:
        """What tells it from every other model; it stands in the metric's signature."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector of length 1 for each text, shape (texts, dimensions); a text seen before costs nothing."""
        ...


@dataclass(frozen=True)
class MetricOptions:
    """`rouge` computes ROUGE; with an `embedder` answers in `embedded_languages` (BCP 47) get `semantic` too."""

    rouge: RougeLibrary = "rouge-score"
    embedder: Embedder | None = None
    embedded_languages: tuple[str, ...] = ()

    def embeds(self, language: str) -> bool:
        """Whether answers in this language are embedded."""
        return self.embedder is not None and language in self.embedded_languages


DEFAULT_OPTIONS = MetricOptions()
