"""Params for the tiny models."""

from pathlib import Path
from typing import Any

import pytest

from roleshift.params import TrainParams, load_params

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models gain nothing from threads, and lose much where several tests share the cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def default_train() -> TrainParams:
    return load_params(ROOT / "params.yaml").train


@pytest.fixture
def tiny_train(default_train: TrainParams) -> Any:
    """Default training params, scaled to the tiny models; keyword arguments override."""

    def make(**changes: Any) -> TrainParams:
        small = {
            "rank": 4,
            "alpha": 8,
            "learning_rate": 0.01,
            "pack_tokens": 96,
            "precision": "fp32",
            "compile": "off",
            "evaluations_per_epoch": 2,
            "checkpoint_every_steps": 2,
        }
        return default_train.model_copy(update={**small, **changes})

    return make
