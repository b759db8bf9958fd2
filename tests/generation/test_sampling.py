"""Settings, sampling, stopping, the end of the window."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from roleshift.errors import RoleShiftError
from roleshift.generation import GenerationConfig, Request, open_backend
from roleshift.generation.sampling import choose_token, encode_prompt
from roleshift.generation.torch_backend import TorchBackend

PROMPTS = [Request(str(i), "hello " * (i + 1) + "the thing") for i in range(7)]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0}, "top_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"seed": -1}, "seed"),
        ({"stop": ("",)}, "stop"),
        ({"stop": "text"}, "stop"),
    ],
)
def test_invalid_settings_are_named(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(RoleShiftError, match=f"generation: {named} is"):
        GenerationConfig(**{"max_new_tokens": 4, **wrong})  # type: ignore[arg-type]


def test_settings_hash_ignores_what_greedy_ignores() -> None:
    assert GenerationConfig(4, seed=1).settings_hash == GenerationConfig(4, seed=2, top_k=3).settings_hash
    assert GenerationConfig(4, 1.0, seed=1).settings_hash != GenerationConfig(4, 1.0, seed=2).settings_hash
    assert GenerationConfig(4).settings_hash != GenerationConfig(5).settings_hash


def test_sampling_draws_from_the_distribution_of_transformers_processors() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=50).astype(np.float32) * 2
    seen = np.array([3, 7, 11])
    config = GenerationConfig(4, temperature=0.7, top_k=20, top_p=0.8, repetition_penalty=1.3)
    ids, scores = torch.tensor([seen]), torch.tensor(logits)[None]
    for processor in (
        RepetitionPenaltyLogitsProcessor(1.3),
        TemperatureLogitsWarper(0.7),
        TopKLogitsWarper(20),
        TopPLogitsWarper(0.8),
    ):
        scores = processor(ids, scores)
    expected = scores.softmax(-1)[0].numpy()
    drawn = np.bincount([choose_token(logits, seen, config, generator) for _ in range(20000)], minlength=50) / 20000
    assert set(np.flatnonzero(drawn)) <= set(np.flatnonzero(expected))
    assert np.abs(drawn - expected).max() < 0.015


def test_greedy_equals_transformers_generate(backend: TorchBackend, tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    for asked, answer in zip(PROMPTS, backend.generate(PROMPTS, GenerationConfig(20)), strict=True):
        ids = backend.tokenizer(asked.prompt, return_tensors="pt", add_special_tokens=False)
        out = model.generate(**ids, max_new_tokens=20, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert answer.output == backend.tokenizer.decode(out, skip_special_tokens=True)


@pytest.mark.parametrize("architecture", ["tiny_llama", "tiny_qwen2", "tiny_gpt2"])
def test_answers_do_not_depend_on_the_batch(architecture: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(architecture)
    both = []
    for size in (1, 4):
        opened = TorchBackend(
            folder, variant="x", artifact_id="x", dtype=torch.float32, device="cpu", threads=1, batch_size=size
        )
        both.append([answer.output for answer in opened.generate(PROMPTS, GenerationConfig(20))])
    assert both[0] == both[1]


def test_stop_text_ends_an_answer_and_is_not_part_of_it(backend: TorchBackend) -> None:
    whole = backend.generate(PROMPTS[:1], GenerationConfig(20))[0]
    stop = whole.output[3:5]
    config = GenerationConfig(20, stop=(stop,))
    answer = backend.generate(PROMPTS[:1], config)[0]
    assert answer.finish_reason == "stop"
    assert answer.output == whole.output[: whole.output.index(stop)]
    assert answer.output_tokens < whole.output_tokens
    assert "".join(backend.stream(PROMPTS[0], config)) == answer.output


def test_window_end_finishes_an_answer(backend: TorchBackend) -> None:
    ids = backend.tokenizer("a" * 2045, add_special_tokens=False)["input_ids"]
    prompt = Request("long", backend.tokenizer.decode(ids[:2045]))
    answer = backend.generate([prompt], GenerationConfig(20))[0]
    assert answer.prompt_tokens == 2045
    assert answer.finish_reason in ("length", "stop")
    assert answer.prompt_tokens + answer.output_tokens <= 2048


def test_overlong_prompt_is_refused_or_cut_from_the_left_and_marked(backend: TorchBackend) -> None:
    prompt = Request("long", "b" + "a" * 2047)
    with pytest.raises(RoleShiftError, match="request long: the prompt has 2048 tokens"):
        backend.generate([prompt], GenerationConfig(4))
    config = GenerationConfig(4, cut_prompt=True)
    answer = backend.generate([prompt], config)[0]
    assert (answer.prompt_tokens, answer.cut_tokens) == (2044, 4)
    ids, _ = encode_prompt(backend.tokenizer, prompt, config, 2048)
    assert backend.tokenizer.decode(ids) == "a" * 2044


def test_empty_prompt_is_refused(backend: TorchBackend) -> None:
    with pytest.raises(RoleShiftError, match="request 7: the prompt is empty"):
        backend.generate([Request("7", "")], GenerationConfig(4))
    with pytest.raises(RoleShiftError, match="empty"):
        backend.continuation_logprobs("", ["a"])
    with pytest.raises(RoleShiftError, match="'' is empty"):
        backend.continuation_logprobs("a", [""])


def test_continuation_logprobs_equal_a_plain_forward(backend: TorchBackend, tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    prompt, labels = "hello the", ["a", "an other thing", "xyz"]
    expected = []
    for label in labels:
        head = backend.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        tail = backend.tokenizer(label, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logprobs = model(input_ids=torch.tensor([head + tail])).logits[0].log_softmax(-1)
        expected.append(sum(float(logprobs[len(head) - 1 + i, token]) for i, token in enumerate(tail)))
    assert np.allclose(backend.continuation_logprobs(prompt, labels), expected, atol=1e-4)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoleShiftError, match="not a model folder"):
        open_backend(tmp_path)
    with pytest.raises(RoleShiftError, match="no such model folder"):
        open_backend(tmp_path / "none")
