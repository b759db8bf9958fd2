"""What errors cost, and from which success rate on a machine is worth using.

All costs are in units of the human time for the task. Each of the three ways to do a task costs a
linear function of the success rate p, so every decision is a comparison of p with two thresholds.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from roleshift.impact.capability import Floats

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Costs(BaseModel):
    """The costs of one consequence class; the inequalities make a useless model never worth using."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    loss: float = Field(
        alias="L", gt=0, allow_inf_nan=False, description="one wrong result that gets through, harm included"
    )
    human_error: float = Field(alias="e_h", ge=0, lt=1, description="how often a person gets it wrong")
    attempt: Cost = Field(alias="c_ai", description="one machine attempt")
    review: Cost = Field(alias="c_rev", description="a person reviews one result")
    caught: Part = Field(alias="d", description="share of wrong results that the reviewer catches")
    redo: float = Field(alias="c_redo", ge=1, allow_inf_nan=False, description="a person redoes a caught one")

    @model_validator(mode="after")
    def _useless_is_never_used(self) -> Self:
        if not self.loss * (1 - self.human_error) > 1 - self.attempt:
            raise ValueError(
                f"L * (1 - e_h) must be above 1 - c_ai (it is {self.loss * (1 - self.human_error):g}, "
                f"against {1 - self.attempt:g}): else a model that is always wrong would be worth using; raise L"
            )
        return self

    @property
    def smallest_loss(self) -> float:
        """L must be above this, else a model that is always wrong would be worth using."""
        return (1 - self.attempt) / (1 - self.human_error)

    @property
    def tolerance(self) -> float:
        """eps: the error rate at which machine alone costs as much as a person alone."""
        return (1 + self.human_error * self.loss - self.attempt) / self.loss


COST_SYMBOLS = tuple(str(field.alias) for field in Costs.model_fields.values())


@dataclass(frozen=True)
class CostTable:
    """Costs as arrays, one entry per task (or per unit of tasks)."""

    loss: Floats
    human_error: Floats
    attempt: Floats
    review: Floats
    caught: Floats
    redo: Floats

    @classmethod
    def of(cls, costs: list[Costs]) -> "CostTable":
        """The table [len(costs)] in the order of the list."""
        return cls(*(np.array([getattr(c, name) for c in costs], dtype=float) for name in cls.__dataclass_fields__))

    def take(self, index: Any) -> "CostTable":
        """The rows at `index`."""
        return CostTable(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    @property
    def person(self) -> Floats:
        """Cost of a person alone: 1 + e_h L."""
        return 1 + self.human_error * self.loss

    @property
    def wrong_reviewed(self) -> Floats:
        """Cost of one wrong machine result under review: d (c_redo + e_h L) + (1 - d) L."""
        return self.caught * (self.redo + self.human_error * self.loss) + (1 - self.caught) * self.loss

    def machine(self, p: Floats) -> Floats:
        """Cost of the machine alone at success rate `p`: c_ai + (1 - p) L."""
        return self.attempt + (1 - p) * self.loss

    def reviewed(self, p: Floats) -> Floats:
        """Cost of the machine with a review of every result, at success rate `p`."""
        return self.attempt + self.review + (1 - p) * self.wrong_reviewed

    @property
    def tolerance(self) -> Floats:
        """eps: (1 + e_h L - c_ai) / L."""
        return (self.person - self.attempt) / self.loss

    @property
    def automate_from(self) -> Floats:
        """The success rate from which on machine alone is within tolerance and the cheapest.

        Above 1 where no success rate is enough. Against review, (1-p)(L - B) <= c_rev with B the
        cost of a wrong reviewed result. Never 0: rounding must not let a useless model through.
        """
        saved = self.loss - self.wrong_reviewed
        with np.errstate(divide="ignore", invalid="ignore"):
            against_review = np.where(saved > 0, 1 - self.review / saved, 0.0)
        return np.maximum(np.maximum(1 - self.tolerance, against_review), np.finfo(float).tiny)

    @property
    def augment_above(self) -> Floats:
        """The success rate above which machine-then-review costs less than a person; 1 or more: none is."""
        return np.maximum(1 - (self.person - self.attempt - self.review) / self.wrong_reviewed, 0.0)

    def freed_by_review(self, p: Floats) -> Floats:
        """Human time freed where a person reviews: 1 - c_rev - (1-p) d c_redo; can be negative."""
        return 1 - self.review - (1 - p) * self.caught * self.redo
