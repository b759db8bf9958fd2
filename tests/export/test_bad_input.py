"""What cannot be exported, opened or generated says so in one line and leaves nothing half-written."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from roleshift.errors import RoleShiftError
from roleshift.export import building
from roleshift.export.building import build_variant
from roleshift.export.calibration import Calibration
from roleshift.export.merging import merge_adapter, refuse_other_base
from roleshift.export.selection import variant_folders
from roleshift.files import write_json
from roleshift.generation import open_backend
from roleshift.params import VariantParams
from roleshift.stage import run_stage
from roleshift.training.base import load_model

FULL = OSError(errno.ENOSPC, "No space left on device", "model.onnx")


def fails_for_want_of_space(*_: Any, **__: Any) -> None:
    raise FULL


def test_a_full_disk_while_a_variant_is_written_leaves_nothing_behind(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "add_logits_from", fails_for_want_of_space)
    out = tmp_path / "variants/onnx-fp32"
    with pytest.raises(RoleShiftError, match=r"onnx-fp32: cannot write the variant .*No space left.*free disk space"):
        build_variant(
            tiny_llama, "onnx-fp32", VariantParams(precision="fp32"), "0", out,
            calibration=Calibration([], []), seed=0, tolerance=1.0,
        )  # fmt: skip
    assert list(out.parent.iterdir()) == []


def test_a_full_disk_while_merging_leaves_nothing_behind(
    tiny_llama: Path, make_adapter: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", fails_for_want_of_space)
    with pytest.raises(RoleShiftError, match="merged: cannot write the model"):
        merge_adapter(tiny_llama, make_adapter(tiny_llama), tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_anywhere_else_in_a_stage_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text("stages:\n  toy:\n    cmd: x\n    outs: [out.txt]\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"roleshift toy: no space left on the disk for model\.onnx; .* run again"):
        run_stage("toy", fails_for_want_of_space)
    assert not (tmp_path / "out.txt").exists()


def test_an_adapter_for_another_vocabulary_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    other = load_model(tiny_llama, torch.float32)
    other.resize_token_embeddings(other.config.vocab_size + 8)
    config = LoraConfig(r=2, target_modules=["embed_tokens", "q_proj"], task_type="CAUSAL_LM")
    get_peft_model(other, config).save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    with pytest.raises(RoleShiftError, match="does not fit the base model"):
        merge_adapter(tiny_llama, tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_an_adapter_that_names_another_base_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    write_json(tmp_path / "adapter_config.json", {"base_model_name_or_path": "sha256-0123456789abcdef"})
    refuse_other_base(tmp_path, "0123456789abcdef")
    with pytest.raises(RoleShiftError, match="trained on the base 0123456789abcdef, this one is fedcba9876543210"):
        refuse_other_base(tmp_path, "fedcba9876543210")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not the manifest of an exported variant"),
        (json.dumps({"variant": "onnx-int8", "runtime": "torch", "precision": "int8"}), "not the manifest"),
        (
            json.dumps({"variant": "onnx-int8", "runtime": "onnxruntime", "precision": "int8", "files": {}}),
            "not the manifest",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_names_itself(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RoleShiftError, match=rf"manifest\.json: .*{message}"):
        open_backend(tmp_path, provider="cpu")


def test_a_variant_under_another_ones_name_is_refused(tmp_path: Path) -> None:
    manifest = {"variant": "onnx-int8", "runtime": "torch", "precision": "fp32", "files": {}}
    write_json(tmp_path / "onnx-int8/manifest.json", manifest)
    assert list(variant_folders(tmp_path)) == ["onnx-int8"]
    write_json(tmp_path / "onnx-fp32/manifest.json", manifest)
    with pytest.raises(RoleShiftError, match="onnx-fp32: holds the manifest of onnx-int8"):
        variant_folders(tmp_path)
