"""How the base is fine-tuned: the section `train` of params.yaml."""

from typing import Literal

from pydantic import Field

from roleshift.params.section import Section, Share


class TrainParams(Section):
    """LoRA fine-tuning."""

    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    epochs: int = Field(ge=1)
    max_steps: int | None = Field(ge=1, default=None)
    warmup_share: Share
    pack_tokens: int = Field(ge=32)
    packs_per_step: int = Field(ge=1)
    max_gradient_norm: float = Field(gt=0)
    precision: Literal["auto", "bf16", "fp32"]
    compile: Literal["auto", "on", "off"]
    evaluations_per_epoch: int = Field(ge=1)
    early_stopping_patience: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)
