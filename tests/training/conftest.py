"""Encoded examples and params for the tiny models."""

from pathlib import Path
from typing import Any

import pytest

from roleshift.params import TrainParams, load_params
from roleshift.training.base import load_tokenizer
from roleshift.training.encoding import EncodedExample, encode

ROOT = Path(__file__).parents[2]


def make_examples(folder: Path, count: int) -> list[EncodedExample]:
    """Questions of different lengths, each with an answer that follows from it."""
    tokenizer = load_tokenizer(folder)
    return [
        encode(f"example-{i}", f"Count the letters: {'ab' * (1 + 7 * i % 11)}", f"{2 * (1 + 7 * i % 11)} letters", tokenizer)
        for i in range(count)
    ]


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
