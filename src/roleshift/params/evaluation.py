"""How answers are generated and measured: the sections `generation` and `evaluation` of params.yaml."""

from typing import Literal

from pydantic import Field

from roleshift.params.section import Section, Share


class GenerationParams(Section):
    """How answers are generated."""

    max_new_tokens: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    threads: int = Field(ge=0)
    provider: Literal["auto", "cpu", "cuda"]


class SemanticParams(Section):
    """The source that is a sentence-embedding model, and the languages that it understands."""

    source: str
    languages: tuple[str, ...] = Field(min_length=1)


class EvaluationParams(Section):
    """What is measured, and how sure the statements are."""

    shots: int = Field(ge=0)
    resamples: int = Field(ge=100)
    confidence: float = Field(gt=0.5, lt=1)
    robustness_items: int = Field(ge=0)
    perturbation_rate: Share
    rouge: Literal["rouge-score", "rouge-score-rs"] = "rouge-score"
    semantic: SemanticParams | None = None
