"""What a champion must show, and who may change it: the sections `gate` and `registry` of params.yaml."""

from typing import Literal

from pydantic import Field

from roleshift.params.section import Section, Share


class GateParams(Section):
    """What a version must show before it becomes champion."""

    margin: float = Field(gt=0, lt=1)
    better_on: int = Field(ge=0)
    regressed_slices: int = Field(ge=0)
    robustness_drop: Share
    leak_share: Share
    tokens_per_second: float | None = Field(gt=0, default=None)
    comparisons: int = Field(ge=1)
    win_rate: Share


class RegistryParams(Section):
    """Names in the MLflow registry, and who may change the champion."""

    model_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    experiment: str = Field(min_length=1)
    promote: Literal["manual", "automatic"] = "manual"
    approvers: tuple[str, ...] | None = None
