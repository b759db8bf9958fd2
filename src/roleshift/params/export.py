"""Which variants are built and which one ships: the sections `export` and `select` of params.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from roleshift.evaluation.statistics import MINIMUM_GROUPS, groups_to_certify, smallest_margin
from roleshift.params.section import Section

REFERENCE = "onnx-fp32"
"""The variant that every other one is judged against."""


class VariantParams(Section):
    """One exported precision variant.

    Attributes:
        prefill: same: prompts pass the graph that decodes; dynamic: a second graph with quantised
            activations, which is faster.
        rotate: residual stream and value heads are rotated by random orthogonal matrices.
        smooth: exponent by which the range of the down projections' inputs moves into their
            weights; null: not at all.
        exclude_nodes: matrix products that stay in float, by their node names; `*` is every layer.
    """

    precision: Literal["fp32", "int8", "int4", "fp16", "bf16"]
    block_size: Literal[16, 32, 64, 128, 256] = 32
    algorithm: Literal["default", "rtn", "k_quant", "k_quant_mixed"] = "default"
    accuracy_level: Literal[0, 1, 2, 3, 4] = 4
    prefill: Literal["same", "dynamic"] = "same"
    rotate: bool = False
    smooth: float | None = Field(ge=0, le=1, default=None)
    exclude_nodes: list[str] = Field(default_factory=list)

    @property
    def rewritten(self) -> bool:
        """Whether the weights are rewritten before they are quantised."""
        return self.rotate or self.smooth is not None

    @model_validator(mode="after")
    def _fits_the_precision(self) -> Self:
        quantised = self.precision in ("int8", "int4")
        if not quantised and (self.prefill == "dynamic" or self.exclude_nodes or self.rewritten):
            raise ValueError("prefill: dynamic, rotate, smooth and exclude_nodes are for int8 and int4")
        if self.prefill == "dynamic" and self.algorithm != "default":
            raise ValueError(f"prefill: dynamic knows algorithm default only, not {self.algorithm}")
        return self


class ExportParams(Section):
    """Variants by name, and how close the fp32 export must be to torch."""

    variants: dict[str, VariantParams] = Field(min_length=1)
    parity_tolerance: float = Field(gt=0)
    parity_prompts: int = Field(ge=1)

    @model_validator(mode="after")
    def _has_the_reference(self) -> Self:
        if REFERENCE not in self.variants or self.variants[REFERENCE].precision != "fp32":
            raise ValueError(
                f"variants must hold {REFERENCE} with precision fp32: every other variant is judged against it"
            )
        return self


class SelectParams(Section):
    """Which variant ships."""

    margin: float = Field(gt=0, lt=1)
    likelihood_margin: float = Field(gt=0)
    confidence: float = Field(gt=0.5, lt=1)
    ship: str | None = None

    def impossible_with(self, groups: int) -> str | None:
        """Why no outcome of so many independent validation items lets any variant but the reference ship.

        That is so below MINIMUM_GROUPS, where no bound is given, and where the margin does not exceed
        `smallest_margin`, which caps every bound: see there for why it holds whatever the answers are.
        None where it can be certified, and where `ship` names a variant, so that nothing has to be.
        """
        least = smallest_margin(groups, self.confidence)
        if self.ship is not None or (groups >= MINIMUM_GROUPS and self.margin > least):
            return None
        needed = max(MINIMUM_GROUPS, groups_to_certify(self.margin, self.confidence))
        some = groups >= MINIMUM_GROUPS
        return (
            f"select.margin: {self.margin:g} can never be certified with {groups} independent validation items "
            f"({f'at best {least:.3f} can' if some else 'so few give no bound at all'}); "
            f"{f'choose a margin above {least:.3f}, or' if some else 'choose'} at least {needed} items over all "
            "capabilities (prepare.sizes.validation), or name the variant that ships in select.ship"
        )
