"""Exported variants: equal to torch, self-contained, the same bytes twice, whole or not there."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError

from roleshift.errors import RoleShiftError
from roleshift.export.building import build_variant, expand_layers
from roleshift.export.calibration import Calibration
from roleshift.export.merging import merge_adapter
from roleshift.export.variants import Exported, export_variants
from roleshift.files import hash_tree, read_json
from roleshift.generation import GenerationConfig, Request, open_backend
from roleshift.generation.onnx_backend import OnnxBackend
from roleshift.generation.torch_backend import TorchBackend
from roleshift.params import ExportParams, VariantParams
from roleshift.tasks import TaskDefinition
from roleshift.training.base import load_model

PARAMS = ExportParams(
    variants={"onnx-fp32": VariantParams(precision="fp32"), "onnx-int8": VariantParams(precision="int8")},
    parity_tolerance=0.001,
    parity_prompts=1,
)
REQUESTS = [Request(str(i), "hello " * (i + 1) + "the thing") for i in range(9)]
GREEDY = GenerationConfig(24)

Export = Callable[[Path, Path], tuple[Path, Exported]]


@pytest.fixture(scope="module")
def export(export_with: Callable[..., tuple[Path, Exported]]) -> Export:
    return lambda base, adapter=None: export_with(base, PARAMS, adapter)


@pytest.fixture(scope="module")
def llama(export: Export, tiny_llama: Path, make_adapter: Callable[[Path], Path]) -> tuple[Path, Exported, Path]:
    adapter = make_adapter(tiny_llama)
    return (*export(tiny_llama, adapter), adapter)


def torch_fp32(folder: Path, batch_size: int = 4) -> TorchBackend:
    return TorchBackend(
        folder,
        variant="torch-fp32",
        artifact_id="",
        dtype=torch.float32,
        device="cpu",
        threads=1,
        batch_size=batch_size,
    )


def outputs(backend: object, config: GenerationConfig = GREEDY) -> list[str]:
    return [answer.output for answer in backend.generate(REQUESTS, config)]  # type: ignore[attr-defined]


def test_merged_weights_give_the_logits_of_base_and_adapter(
    llama: tuple[Path, Exported, Path], tiny_llama: Path, tmp_path: Path
) -> None:
    adapter = llama[2]
    merge_adapter(tiny_llama, adapter, tmp_path / "merged")
    ids = torch.arange(1, 30)[None]
    with torch.inference_mode():
        two = PeftModel.from_pretrained(load_model(tiny_llama, torch.float32), str(adapter)).eval()(input_ids=ids)
        one = load_model(tmp_path / "merged", torch.float32).eval()(input_ids=ids)
        base = load_model(tiny_llama, torch.float32).eval()(input_ids=ids)
    assert torch.allclose(one.logits, two.logits, atol=1e-4)
    assert not torch.allclose(one.logits, base.logits, atol=1e-2)


@pytest.mark.parametrize("architecture", ["tiny_llama", "tiny_qwen2"])
def test_onnx_fp32_answers_as_torch_fp32_at_every_batch_size(
    architecture: str,
    llama: tuple[Path, Exported, Path],
    export: Export,
    make_adapter: Callable[[Path], Path],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    base = request.getfixturevalue(architecture)
    if architecture == "tiny_llama":
        out, exported, adapter = llama
    else:
        adapter = make_adapter(base)
        out, exported = export(base, adapter)
    merge_adapter(base, adapter, tmp_path / "merged")
    torch_backend = torch_fp32(tmp_path / "merged")
    expected = torch_backend.generate(REQUESTS, GREEDY)
    tolerance = exported.metrics["variants"]["onnx-fp32"]["parity"]["largest_logit_difference"] + 1e-4
    for batch_size in (1, 8):
        backend = open_backend(out / "onnx-fp32", provider="cpu", threads=1, batch_size=batch_size)
        assert isinstance(backend, OnnxBackend)
        for asked, mine, theirs in zip(REQUESTS, backend.generate(REQUESTS, GREEDY), expected, strict=True):
            if mine.output != theirs.output:
                # They may part only where torch itself holds two tokens equally likely.
                assert _smallest_lead(torch_backend, asked.prompt, theirs.output) < tolerance
            assert mine.prompt_tokens == theirs.prompt_tokens
        labels = ["the", "an other", "x"]
        assert np.allclose(
            backend.continuation_logprobs(REQUESTS[0].prompt, labels),
            torch_backend.continuation_logprobs(REQUESTS[0].prompt, labels),
            atol=1e-3,
        )


def _smallest_lead(backend: TorchBackend, prompt: str, output: str) -> float:
    ids = backend.tokenizer(prompt + output, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        top = backend._model(input_ids=ids).logits[0].topk(2).values
    return float((top[:, 0] - top[:, 1]).min())


def test_int8_answers_are_the_same_at_batch_1_and_8(llama: tuple[Path, Exported, Path]) -> None:
    folder = llama[0] / "onnx-int8"
    one = outputs(open_backend(folder, provider="cpu", threads=1, batch_size=1))
    assert one == outputs(open_backend(folder, provider="cpu", threads=1, batch_size=8))


def test_stream_gives_the_same_text_as_generate(llama: tuple[Path, Exported, Path]) -> None:
    backend = open_backend(llama[0] / "onnx-fp32", provider="cpu", threads=1)
    for asked, whole in zip(REQUESTS[:3], outputs(backend), strict=False):
        assert "".join(backend.stream(asked, GREEDY)) == whole


def test_sampling_depends_on_the_seed_and_not_on_the_batch(llama: tuple[Path, Exported, Path]) -> None:
    config = GenerationConfig(16, temperature=1.0, top_k=40, top_p=0.95, repetition_penalty=1.2, seed=5)
    folder = llama[0] / "onnx-fp32"
    one = open_backend(folder, provider="cpu", threads=1, batch_size=1)
    first = outputs(one, config)
    assert first == outputs(one, config)
    assert first == outputs(open_backend(folder, provider="cpu", threads=1, batch_size=8), config)
    assert first != outputs(one, GenerationConfig(16, temperature=1.0, top_k=40, top_p=0.95, seed=6))


def test_rebuilding_gives_the_same_bytes(llama: tuple[Path, Exported, Path], export: Export, tiny_llama: Path) -> None:
    out, exported, adapter = llama
    again, repeated = export(tiny_llama, adapter)
    assert hash_tree(again) == hash_tree(out)
    assert repeated.metrics == exported.metrics


def test_manifest_names_no_path_of_this_machine(llama: tuple[Path, Exported, Path]) -> None:
    for path in llama[0].rglob("*.json"):
        assert str(llama[0].parent.parent) not in path.read_text()
    manifest = read_json(llama[0] / "onnx-int8" / "manifest.json")
    assert manifest["settings"] == {"accuracy_level": 4, "algo_config": "default", "block_size": 32}
    assert (manifest["layers"], manifest["key_value_heads"], manifest["head_size"]) == (2, 2, 16)


def test_unknown_architecture_ships_the_merged_torch_model(export: Export, tiny_gpt2: Path) -> None:
    out, exported = export(tiny_gpt2, None)  # type: ignore[arg-type]
    assert not exported.metrics["supported"]
    assert "GPT2LMHeadModel" in exported.metrics["reason"]
    assert [path.name for path in out.iterdir()] == ["torch-merged"]
    backend = open_backend(out / "torch-merged", provider="cpu", threads=1, batch_size=2)
    assert backend.variant == "torch-merged"
    assert len(outputs(backend)) == len(REQUESTS)


def test_changed_or_cut_weights_are_refused(llama: tuple[Path, Exported, Path], tmp_path: Path) -> None:
    folder = tmp_path / "onnx-fp32"
    shutil.copytree(llama[0] / "onnx-fp32", folder)
    weights = folder / "model.onnx.data"
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.unlink()
    weights.write_bytes(content)
    with pytest.raises(RoleShiftError, match=r"model\.onnx\.data: its content differs"):
        open_backend(folder, provider="cpu")
    weights.write_bytes(content[:-10])
    with pytest.raises(RoleShiftError, match="bytes instead of"):
        open_backend(folder, provider="cpu")
    weights.unlink()
    with pytest.raises(RoleShiftError, match="missing"):
        open_backend(folder, provider="cpu")


def test_export_over_the_tolerance_names_the_example(
    tiny_llama: Path,
    make_adapter: Callable[[Path], Path],
    validation: pl.DataFrame,
    tasks: dict[str, TaskDefinition],
    tmp_path: Path,
) -> None:
    strict = PARAMS.model_copy(
        update={"parity_tolerance": 1e-12, "variants": {"onnx-fp32": VariantParams(precision="fp32")}}
    )
    with pytest.raises(RoleShiftError, match=r"prompt of example example-\d\d"):
        export_variants(
            base_folder=tiny_llama,
            adapter_folder=make_adapter(tiny_llama),
            model_id="0",
            params=strict,
            seed=17,
            validation=validation,
            tasks=tasks,
            work=tmp_path / "work",
            out=tmp_path / "out",
        )
    assert not (tmp_path / "out").exists()


def test_adapter_of_another_base_is_refused(
    tiny_llama: Path, tiny_gpt2: Path, make_adapter: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(RoleShiftError, match="does not fit the base model"):
        merge_adapter(tiny_gpt2, make_adapter(tiny_llama), tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_cuda_is_refused_with_what_is_missing(llama: tuple[Path, Exported, Path]) -> None:
    with pytest.raises(RoleShiftError, match=r"generation\.provider is cuda, but"):
        open_backend(llama[0] / "onnx-fp32", provider="cuda")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precision_for_cuda_is_refused_where_cuda_is_missing(
    precision: Literal["fp16", "bf16"], tiny_llama: Path, tmp_path: Path
) -> None:
    with pytest.raises(RoleShiftError, match=rf"onnx-half: {precision} computes on CUDA only, and .*; use fp32"):
        build_variant(
            tiny_llama, "onnx-half", VariantParams(precision=precision), "0", tmp_path / "out",
            calibration=Calibration([], []), seed=0, tolerance=1.0,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "fp32", "rotate": True}, "are for int8 and int4"),
        ({"precision": "fp32", "exclude_nodes": ["/lm_head/MatMul"]}, "are for int8 and int4"),
        ({"precision": "int4", "prefill": "dynamic", "algorithm": "k_quant"}, "algorithm default only, not k_quant"),
        ({"precision": "int8", "smooth": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VariantParams.model_validate(settings)


def test_star_in_a_node_name_stands_for_every_layer() -> None:
    assert expand_layers(["/l.*/down", "/head"], 3) == ["/l.0/down", "/l.1/down", "/l.2/down", "/head"]
