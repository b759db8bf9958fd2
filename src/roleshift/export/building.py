"""One ONNX variant from a merged model: built offline, made self-contained, described by a manifest."""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.export.builder_process import UNSUPPORTED
from roleshift.export.graph import add_logits_from
from roleshift.files import link_or_copy, list_files, replacing, sha256_file, write_json
from roleshift.generation.opening import MANIFEST
from roleshift.params import VariantParams

CUDA_PRECISIONS = ("fp16", "bf16")


class UnsupportedArchitectureError(Exception):
    """The builder does not know the architecture; the text says which."""


def build_variant(merged: Path, name: str, variant: VariantParams, model_id: str, out: Path) -> dict[str, Any]:
    """Build a variant into `out` and return its manifest; `out` is there as a whole or not at all.

    Offline, and the same bytes for the same merged weights and versions. Raises
    UnsupportedArchitectureError, or a RoleShiftError with the builder's last line.
    """
    if variant.precision in CUDA_PRECISIONS:
        raise RoleShiftError(
            f"export.variants.{name}: {variant.precision} computes on CUDA only, and this export builds for the CPU; "
            "use fp32, int8 or int4"
        )
    settings = builder_settings(variant)
    try:
        with replacing(out) as folder:
            _run_builder(merged, folder, variant.precision, settings, name)
            add_logits_from(folder / "model.onnx")
            # transformers names a tokenizer's class by the model's config
            link_or_copy(merged / "config.json", folder / "config.json")
            manifest = {
                "variant": name,
                "model_id": model_id,
                "runtime": "onnxruntime",
                "target": "cpu",
                "precision": variant.precision,
                "settings": settings,
                "graphs": {"prefill": "model.onnx", "decode": "model.onnx"},
                "builder": {"onnxruntime-genai": _installed("onnxruntime-genai", "onnxruntime-genai-cuda")},
                "onnxruntime": _installed("onnxruntime", "onnxruntime-gpu"),
                **architecture(merged),
                "files": describe_files(folder),
            }
            write_json(folder / MANIFEST, manifest)
    except OSError as error:
        raise RoleShiftError(
            f"{out}: cannot write the variant ({error}); free disk space and run export again"
        ) from error
    return manifest


def keep_torch(merged: Path, name: str, model_id: str, out: Path) -> dict[str, Any]:
    """The merged torch model as a variant of its own: for architectures that the builder does not know."""
    try:
        with replacing(out) as folder:
            link_or_copy(merged, folder)
            manifest = {
                "variant": name,
                "model_id": model_id,
                "runtime": "torch",
                "precision": "fp32",
                **architecture(merged),
                "files": describe_files(folder),
            }
            write_json(folder / MANIFEST, manifest)
    except OSError as error:
        raise RoleShiftError(
            f"{out}: cannot write the variant ({error}); free disk space and run export again"
        ) from error
    return manifest


def builder_settings(variant: VariantParams) -> dict[str, Any]:
    """The builder's options of a variant; a float export has none."""
    if variant.precision == "fp32":
        return {}
    return {
        "block_size": variant.block_size,
        "accuracy_level": variant.accuracy_level,
        "algo_config": variant.algorithm,
    }


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and sha256 of every file but the manifest, by its name."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in list_files(folder)
        if path.name != MANIFEST
    }


def architecture(folder: Path) -> dict[str, Any]:
    """Architecture, layers, heads and context window from a model's config.json."""
    from transformers import AutoConfig

    from roleshift.generation.torch_backend import context_tokens

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    heads = config.num_attention_heads
    return {
        "architecture": (config.architectures or [config.model_type])[0],
        "layers": config.num_hidden_layers,
        "attention_heads": heads,
        "key_value_heads": getattr(config, "num_key_value_heads", None) or heads,
        "head_size": getattr(config, "head_dim", None) or config.hidden_size // heads,
        "context_tokens": context_tokens(config),
        "vocabulary": config.vocab_size,
    }


def _run_builder(merged: Path, folder: Path, precision: str, settings: dict[str, Any], name: str) -> None:
    options = [f"{key}={value}" for key, value in settings.items()]
    # Offline: a local folder is all it needs, and it must never ask a hub.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".builder-") as cache:
        done = subprocess.run(
            [sys.executable, "-m", "roleshift.export.builder_process", str(merged.resolve()), str(folder), precision,
             "cpu", cache, *options],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else "no message"
    if done.returncode == UNSUPPORTED:
        raise UnsupportedArchitectureError(architecture(merged)["architecture"])
    if done.returncode != 0:
        if "No space left on device" in done.stderr:
            raise RoleShiftError(f"{folder.parent}: no space left for variant {name}; free disk space")
        raise RoleShiftError(f"export.variants.{name}: onnxruntime-genai's model builder failed ({last[:300]})")


def _installed(*packages: str) -> str:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    raise RoleShiftError(f"{' and '.join(packages)} are not installed; run `make setup` (extra `gpu` or `cpu`)")
