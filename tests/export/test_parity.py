"""How two models' logits are compared."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from roleshift.export.parity import (
    Expected,
    ForcedAnswer,
    check_parity,
    kl_divergence,
    parity_figures,
    parity_text,
    torch_expected,
)
from roleshift.generation.onnx_backend import OnnxBackend
from roleshift.training.base import load_model, load_tokenizer

VOCABULARY = 11
FORCED = [ForcedAnswer("a", "classify", [1, 2], [3, 4, 5]), ForcedAnswer("b", "headline", [2], [6, 7])]


class Recorded:
    """Logits by (first prompt token, answer)."""

    def __init__(self, logits: Mapping[tuple[int, tuple[int, ...]], np.ndarray]) -> None:
        self.logits = logits

    def forced_logits(self, prompt_ids: list[int], answer_ids: list[int]) -> np.ndarray:
        return self.logits[prompt_ids[0], tuple(answer_ids)]


def logits(positions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(positions, VOCABULARY)).astype(np.float32)


def compared(change: Callable[[np.ndarray], np.ndarray]) -> tuple[list[Expected], Recorded]:
    """Torch's side, and a variant that differs from it by `change` at the second example."""
    expected, found = [], {}
    for seed, answer in enumerate(FORCED):
        own, greedy = logits(len(answer.answer_ids), seed), logits(4, seed + 10)
        greedy_ids = greedy.argmax(-1).tolist()
        expected.append(Expected(own, greedy_ids))
        second = answer.example_id == "b"
        found[answer.prompt_ids[0], tuple(answer.answer_ids)] = change(own) if second else own
        found[answer.prompt_ids[0], tuple(greedy_ids)] = change(greedy) if second else greedy
    return expected, Recorded(found)


def test_kl_divergence_is_torchs() -> None:
    p, q = logits(5, 0), logits(5, 1)
    reference = torch.nn.functional.kl_div(
        torch.log_softmax(torch.tensor(q, dtype=torch.float64), -1),
        torch.log_softmax(torch.tensor(p, dtype=torch.float64), -1),
        reduction="none",
        log_target=True,
    ).sum(-1)
    assert kl_divergence(p, q) == pytest.approx(reference.numpy(), abs=1e-12)
    assert kl_divergence(p, p + 3) == pytest.approx(np.zeros(5), abs=1e-6)


def test_equal_models_differ_nowhere() -> None:
    expected, backend = compared(lambda values: values)
    parity = check_parity(cast(OnnxBackend, backend), FORCED, expected)
    assert (parity.largest, parity.mean, parity.agreement, parity.parted) == (0, 0, 1, {})
    assert parity.kl_divergence == pytest.approx(0, abs=1e-12)
    assert (parity.positions, parity.prompts) == (5, 2)
    assert "part on 0 of 2 prompts" in parity_text(parity_figures(parity))


def test_what_differs_is_named_with_its_place() -> None:
    def swap_winner_in_the_third_position(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        row = min(2, len(values) - 1)
        first, last = changed[row].argmax(), changed[row].argmin()
        changed[row, [first, last]] = changed[row, [last, first]]
        return changed

    expected, backend = compared(swap_winner_in_the_third_position)
    parity = check_parity(cast(OnnxBackend, backend), FORCED, expected)
    spread = np.ptp(expected[1].logits[1])
    assert parity.largest == pytest.approx(spread)
    assert parity.example_id == "b"
    assert parity.mean == pytest.approx(2 * spread / (5 * VOCABULARY))
    assert parity.agreement == 4 / 5
    assert parity.parted == {"b": 2}
    assert "first at token 3" in parity_text(parity_figures(parity))


def test_logits_that_are_no_numbers_are_the_largest_difference() -> None:
    expected, backend = compared(lambda values: np.full_like(values, np.nan))
    parity = check_parity(cast(OnnxBackend, backend), FORCED, expected)
    assert parity.example_id == "b"
    assert not parity.largest <= 1e9


def test_torchs_greedy_answer_is_that_of_generate(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    prompt = tokenizer("hello the thing", add_special_tokens=False)["input_ids"]
    forced = [ForcedAnswer("a", "classify", prompt, [5, 6, 7])]
    [found] = torch_expected(tiny_llama, forced, tokenizer.eos_token_id, len(prompt) + 9)
    model = load_model(tiny_llama, torch.float32).eval()
    with torch.inference_mode():
        reference = model.generate(
            torch.tensor([prompt]), max_new_tokens=9, do_sample=False, eos_token_id=tokenizer.eos_token_id
        )[0, len(prompt) :].tolist()
        logits_of_answer = model(input_ids=torch.tensor([[*prompt, 5, 6]])).logits[0, -3:]
    assert found.greedy_ids == reference
    assert found.logits == pytest.approx(logits_of_answer.numpy(), abs=1e-5)
