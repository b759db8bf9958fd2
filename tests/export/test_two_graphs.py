"""A rewritten variant with two graphs: the same model, the same answers whatever shares the batch."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config

from roleshift.errors import RoleShiftError
from roleshift.export.calibration import calibration_of, common_prefix
from roleshift.export.reparameterisation import apply_checked, reparameterise
from roleshift.export.rotation import fold_norms, random_orthogonal, rotate_residual_stream, rotate_value_heads
from roleshift.export.smoothing import input_ranges, smooth_down_projections
from roleshift.export.variants import Exported, export_variants
from roleshift.files import hash_tree, read_json, write_json
from roleshift.generation import GenerationConfig, Request, open_backend, processor
from roleshift.generation.onnx_backend import OnnxBackend
from roleshift.generation.prefixes import Prefix, Prefixes
from roleshift.params import ExportParams, VariantParams
from roleshift.prompts import instruction
from roleshift.tasks import TaskDefinition
from roleshift.training.base import load_tokenizer

NAME = "onnx-int8-rotated"
ROTATED = VariantParams(precision="int8", prefill="dynamic", rotate=True, smooth=0.5)
PARAMS = ExportParams(
    variants={"onnx-fp32": VariantParams(precision="fp32"), NAME: ROTATED}, parity_tolerance=0.001, parity_prompts=1
)
GREEDY = GenerationConfig(24)
REQUESTS = [Request(str(i), "<|im_start|>user\n" + "hello " * (i + 1) + "the thing") for i in range(9)]
SMALL: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.1,
}
CONFIGS = {
    "llama, tied": LlamaConfig(**SMALL, tie_word_embeddings=True),
    "llama with biases, untied": LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True, tie_word_embeddings=False),
    "mistral": MistralConfig(**SMALL, sliding_window=None),
    "qwen2": Qwen2Config(**SMALL, tie_word_embeddings=True),
}


def random_model(config: Any) -> Any:
    """A model none of whose weights is trivial: norms and biases are random too."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 2)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.3)
    return model


def sequences(count: int = 6) -> list[list[int]]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randint(0, 90, (12 + i,), generator=draw).tolist() for i in range(count)]


@pytest.mark.parametrize("kind", CONFIGS)
def test_rewritten_model_computes_what_the_merged_one_does(kind: str, tmp_path: Path, tiny_llama: Path) -> None:
    model = random_model(CONFIGS[kind])
    model.save_pretrained(tmp_path / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_llama / name, tmp_path / "merged" / name)
    steps = reparameterise(
        tmp_path / "merged", tmp_path / "out", variant=NAME, rotate=True, smooth=0.5, sequences=sequences(), seed=3,
        tolerance=1e-3,
    )  # fmt: skip
    assert len(steps) == 5
    rewritten = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    ids = torch.tensor(sequences(1))
    with torch.no_grad():
        assert torch.allclose(rewritten(ids).logits, model(ids).logits, atol=1e-4)
    before, after = model.model.layers[1].mlp.down_proj.weight, rewritten.model.layers[1].mlp.down_proj.weight
    assert not torch.allclose(before, after, atol=1e-2)


def test_rotation_spreads_what_one_channel_holds() -> None:
    model = random_model(CONFIGS["llama, tied"])
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 7] = 50.0
        ids = torch.tensor(sequences(1))
        before = model.model.embed_tokens(ids)
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
        fold_norms(model)
        rotate_residual_stream(model, torch.Generator().manual_seed(0))
        after = model.model.embed_tokens(ids)
    assert torch.allclose(before.norm(dim=-1), after.norm(dim=-1), rtol=1e-5)
    assert after.abs().max() < before.abs().max() / 2


def test_random_orthogonal_matrix_is_orthogonal_and_follows_its_generator() -> None:
    one, two = (random_orthogonal(20, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.allclose(one @ one.T, torch.eye(20, dtype=torch.float64), atol=1e-12)


def test_smoothing_evens_out_ranges_and_leaves_first_tokens_out() -> None:
    model = random_model(CONFIGS["llama, tied"])
    down = model.model.layers[0].mlp.down_proj
    seen: list[torch.Tensor] = []
    hook = down.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0]))
    with torch.no_grad():
        ranges = input_ranges(model, sequences())
        hook.remove()
        assert torch.equal(ranges[0], torch.cat([each[1:] for each in seen]).abs().amax(0))
        weight = down.weight.abs().amax(0)
        smooth_down_projections(model, sequences(), 0.5)
        # At one half the range of a channel's input and that of its weights become equal, up to one factor.
        ratio = input_ranges(model, sequences())[0] / down.weight.abs().amax(0)
    assert float(ratio.log().std()) < 0.01
    assert float((ranges[0] / weight).log().std()) > 0.1


def test_step_that_changes_the_logits_is_named() -> None:
    model = random_model(CONFIGS["llama, tied"])
    # Rotating while the norms still hold weights is wrong, and nothing but the logits shows it.
    step = ("rotate the value heads", lambda: rotate_value_heads(model, torch.Generator().manual_seed(0)))
    wrong = ("rotate the residual stream", lambda: rotate_residual_stream(model, torch.Generator().manual_seed(0)))
    with pytest.raises(RoleShiftError, match=rf"{NAME}: the step `rotate the residual stream` changed the logits"):
        apply_checked(model, [step, wrong], sequences(), variant=NAME, tolerance=0.01)


def test_other_architecture_is_named_before_anything_is_merged(tiny_gpt2: Path, tmp_path: Path) -> None:
    with pytest.raises(RoleShiftError, match=rf"{NAME}: rotate and smooth know llama.*not gpt2; remove"):
        export_variants(
            base_folder=tiny_gpt2, adapter_folder=tmp_path, model_id="0", params=PARAMS, seed=0,
            validation=pl.DataFrame(), tasks={}, work=tmp_path / "work", out=tmp_path / "out",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def export(export_with: Callable[..., tuple[Path, Exported]]) -> Callable[[Path], tuple[Path, Exported]]:
    return lambda base: export_with(base, PARAMS)


@pytest.fixture(scope="module")
def llama(export: Callable[[Path], tuple[Path, Exported]], tiny_llama: Path) -> tuple[Path, Exported]:
    return export(tiny_llama)


def outputs(folder: Path, batch_size: int) -> list[str]:
    backend = open_backend(folder, provider="cpu", threads=1, batch_size=batch_size)
    return [answer.output for answer in backend.generate(REQUESTS, GREEDY)]


@pytest.mark.parametrize("architecture", ["tiny_llama", "tiny_qwen2"])
def test_answers_are_the_same_at_batch_1_and_8(
    architecture: str,
    llama: tuple[Path, Exported],
    export: Callable[[Path], tuple[Path, Exported]],
    request: pytest.FixtureRequest,
) -> None:
    base = request.getfixturevalue(architecture)
    out, exported = llama if architecture == "tiny_llama" else export(base)
    one = outputs(out / NAME, 1)
    assert one == outputs(out / NAME, 8)
    assert len(set(one)) > 1
    # Random weights hold nothing that 8 bits could lose by much.
    assert exported.metrics["variants"][NAME]["parity"]["top1_agreement"] > 0.8


def test_manifest_says_how_it_was_made(llama: tuple[Path, Exported]) -> None:
    manifest = read_json(llama[0] / NAME / "manifest.json")
    assert manifest["graphs"] == {"prefill": "prefill.onnx", "decode": "decode.onnx"}
    assert manifest["prefixes"] in manifest["files"]
    assert manifest["settings"]["rotate"] is True
    assert manifest["settings"]["smooth"] == 0.5
    assert len(manifest["rewriting"]) == 5
    assert all(0 <= difference < PARAMS.parity_tolerance for difference in manifest["rewriting"].values())
    assert not (llama[0] / NAME / "model.onnx").exists()


def test_both_graphs_share_one_file_of_weights(llama: tuple[Path, Exported]) -> None:
    import onnx

    folder = llama[0] / NAME
    places: dict[str, list[str]] = {}
    for name in ("prefill.onnx", "decode.onnx"):
        for tensor in onnx.load(str(folder / name), load_external_data=False).graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                entries = {entry.key: entry.value for entry in tensor.external_data}
                places.setdefault(f"{entries['location']}:{entries['offset']}", []).append(name)
    assert any(names == ["prefill.onnx", "decode.onnx"] for names in places.values())


def test_rebuilding_gives_the_same_bytes(
    llama: tuple[Path, Exported], export: Callable[[Path], tuple[Path, Exported]], tiny_llama: Path
) -> None:
    assert hash_tree(export(tiny_llama)[0]) == hash_tree(llama[0])


def opened(folder: Path) -> OnnxBackend:
    backend = open_backend(folder, provider="cpu", threads=1)
    assert isinstance(backend, OnnxBackend)
    return backend


def test_stored_prefix_is_what_the_float_model_computes(llama: tuple[Path, Exported]) -> None:
    """The rotated keys are the float model's own: attention's rotation touches values alone."""
    out = llama[0]
    rotated, plain = opened(out / NAME), opened(out / "onnx-fp32")
    tokens = rotated.tokenizer("<|im_start|>user\nthe thing", add_special_tokens=False)["input_ids"]
    cache = rotated._engine._prefixes.longest(tokens)
    assert cache is not None
    length = cache.shape[2]
    assert length > 1
    plain._engine.reserve(1, 64)
    plain._engine.prefill(0, tokens)
    expected = plain._engine.cache(0, length)
    keys = slice(0, None, 2)
    assert np.allclose(cache[keys], expected[keys], atol=1e-4)
    values = slice(1, None, 2)
    assert np.allclose(np.linalg.norm(cache[values], axis=-1), np.linalg.norm(expected[values], axis=-1), atol=1e-4)


def test_prompt_that_begins_otherwise_or_is_one_token_is_answered(llama: tuple[Path, Exported]) -> None:
    out = llama[0]
    backend, reference = opened(out / NAME), opened(out / "onnx-fp32")
    for prompt in ("zebra and the thing", "z", "<|im_start|>"):
        ids = backend.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        found, expected = (each.forced_logits(ids, [5, 6, 7]) for each in (backend, reference))
        assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
        assert backend.generate([Request("a", prompt)], GenerationConfig(3))[0].output_tokens > 0


def test_processor_without_vnni_takes_one_graph_for_both(
    llama: tuple[Path, Exported], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processor, "_cpu_flags", lambda: {"avx2"})
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    backend, reference = opened(llama[0] / NAME), opened(llama[0] / "onnx-fp32")
    assert "has no VNNI" in caplog.text
    ids = backend.tokenizer(REQUESTS[8].prompt, add_special_tokens=False)["input_ids"]
    found, expected = (each.forced_logits(ids, [5, 6, 7]) for each in (backend, reference))
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert backend._engine._prefill is backend._engine._decode


def test_prefixes_are_read_as_written_and_refused_when_they_do_not_fit(tmp_path: Path) -> None:
    cache = np.random.default_rng(0).normal(size=(4, 2, 3, 8)).astype(np.float32)
    Prefixes([Prefix([5, 6, 7], cache), Prefix([5, 9], cache[:, :, :2])]).save(tmp_path / "p")
    read = Prefixes.load(tmp_path / "p", arrays=4, heads=2, head_size=8)
    for tokens, length in (([5, 6, 8], 2), ([5, 9, 9], 2), ([5], 1), ([5, 6, 7, 8], 3)):
        found = read.longest(tokens)
        assert found is not None
        assert np.array_equal(found, cache[:, :, :length])
    assert read.longest([6, 7]) is None
    assert read.longest([]) is None
    with pytest.raises(RoleShiftError, match="does not fit the model"):
        Prefixes.load(tmp_path / "p", arrays=4, heads=2, head_size=16)
    (tmp_path / "p").write_bytes(b"{}")
    with pytest.raises(RoleShiftError, match="not readable prefixes"):
        Prefixes.load(tmp_path / "p", arrays=4, heads=2, head_size=8)


def test_calibration_takes_what_a_tasks_prompts_share(
    validation: pl.DataFrame, tasks: dict[str, TaskDefinition], tiny_llama: Path
) -> None:
    assert common_prefix([[1, 2, 3], [1, 2, 4, 5], [1, 2]]) == [1, 2]
    assert common_prefix([[1], [2]]) == []
    tokenizer = load_tokenizer(tiny_llama)
    several = validation.group_by("task_definition").len().filter(pl.col("len") > 1)["task_definition"].to_list()
    found = [tokenizer.decode(prefix) for prefix in calibration_of(validation, tasks, tokenizer, 2048).prefixes]
    asked = [f"{instruction(tasks[name], {'aspect': 'challenge'})}\n\nthe thing number " for name in several]
    assert len(found) == len(asked)
    assert all(sum(text in prefix for prefix in found) == 1 for text in asked)
    alone = validation.unique("capability", keep="first")
    assert calibration_of(alone, tasks, tokenizer, 2048).prefixes == [[tokenizer.bos_token_id]]


def test_altered_prefixes_are_noticed(llama: tuple[Path, Exported], tmp_path: Path) -> None:
    folder = tmp_path / NAME
    shutil.copytree(llama[0] / NAME, folder)
    path = folder / "prefixes.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(RoleShiftError, match=r"prefixes\.safetensors: its content differs"):
        open_backend(folder, provider="cpu")
    path.unlink()
    with pytest.raises(RoleShiftError, match=r"prefixes\.safetensors: missing"):
        open_backend(folder, provider="cpu")
    manifest = read_json(folder / "manifest.json")
    manifest["graphs"] = {"prefill": "prefill.onnx"}
    del manifest["files"]["prefixes.safetensors"]
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(RoleShiftError, match=r"manifest\.json.*graphs"):
        open_backend(folder, provider="cpu")
