"""How sources become examples: the sections `corpora` and `prepare` of params.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from roleshift.params.section import Section, Share


class Columns(Section):
    """Which columns of a user's table hold what."""

    input: str
    references: tuple[str, ...] = Field(min_length=1)
    group: str | None = None
    domain: str | None = None
    language: str | None = None
    slices: dict[str, str] = Field(default={})


class Corpus(Section):
    """How a source becomes examples of one task."""

    source: str
    adapter: Literal[
        "aclsum", "wikipedia-headline", "wikipedia-topic", "interface-texts", "python-docstrings",
        "table", "labelled-lines", "tagged-text",
    ]  # fmt: skip
    task: str
    file: str | None = None
    columns: Columns | None = None
    labels: dict[str, str] = Field(default={})
    tags: dict[str, str] = Field(default={})
    joined_tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _adapter_has_its_keys(self) -> Self:
        for key, adapter in (("columns", "table"), ("labels", "labelled-lines"), ("tags", "tagged-text")):
            if (self.adapter == adapter) != bool(getattr(self, key)):
                raise ValueError(f"`{key}` goes with the adapter `{adapter}`, and only with it")
        if self.joined_tags and self.adapter != "tagged-text":
            raise ValueError("`joined_tags` goes with the adapter `tagged-text`, and only with it")
        return self


class Sizes(Section):
    """Examples per capability."""

    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)
    review: int = Field(ge=0)


class SplitShares(Section):
    """Share of groups per split, where a source has no split of its own."""

    train: Share
    validation: Share
    test: Share
    review: Share

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = self.train + self.validation + self.test + self.review
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares add up to {total:g}, not 1")
        return self


class PrepareParams(Section):
    """Cleaning, duplicates, splits, sizes."""

    max_input_tokens: int = Field(ge=8)
    max_reference_tokens: int = Field(ge=1)
    min_input_characters: int = Field(ge=1)
    near_duplicate_similarity: float = Field(gt=0, le=1)
    max_malformed_share: Share
    shares: SplitShares
    sizes: Sizes
    corrections: str | None = None
