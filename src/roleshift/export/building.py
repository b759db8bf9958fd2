"""One ONNX variant from a merged model: built offline, made self-contained, described by a manifest."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.export.builder_process import UNSUPPORTED
from roleshift.export.calibration import Calibration
from roleshift.export.graph import add_logits_from
from roleshift.export.quantising import quantise_two_graphs
from roleshift.export.reparameterisation import reparameterise
from roleshift.files import link_or_copy, list_files, replacing, sha256_file, write_json
from roleshift.generation.engine import Engine
from roleshift.generation.opening import MANIFEST
from roleshift.generation.prefixes import Prefix, Prefixes
from roleshift.generation.processor import physical_cores
from roleshift.generation.providers import missing_for_cuda
from roleshift.params import VariantParams

CUDA_PRECISIONS = ("fp16", "bf16")
BITS = {"int8": 8, "int4": 4}
GRAPH, PREFIXES = "model.onnx", "prefixes.safetensors"


class UnsupportedArchitectureError(Exception):
    """The builder does not know the architecture; the text says which."""


def build_variant(
    merged: Path,
    name: str,
    variant: VariantParams,
    model_id: str,
    out: Path,
    *,
    calibration: Calibration,
    seed: int,
    tolerance: float,
) -> dict[str, Any]:
    """Build a variant into `out` and return its manifest; `out` is there as a whole or not at all.

    Offline, and the same bytes for the same merged weights, calibration and versions. `seed` is of
    the rotation, `tolerance` the largest logit difference that a rewriting of the weights may make.
    Raises UnsupportedArchitectureError, or a RoleShiftError with the builder's last line.
    """
    target = "cuda" if variant.precision in CUDA_PRECISIONS else "cpu"
    if target == "cuda" and (missing := missing_for_cuda()):
        raise RoleShiftError(
            f"export.variants.{name}: {variant.precision} computes on CUDA only, and {missing}; "
            "use fp32, int8 or int4, or export where CUDA is"
        )
    settings = builder_settings(variant)
    try:
        with (
            replacing(out) as folder,
            tempfile.TemporaryDirectory(dir=out.parent, prefix=".work-", ignore_cleanup_errors=True) as temporary,
        ):
            source, rewriting = merged, {}
            if variant.rewritten:
                source = Path(temporary) / "rewritten"
                rewriting = reparameterise(
                    merged,
                    source,
                    variant=name,
                    rotate=variant.rotate,
                    smooth=variant.smooth,
                    sequences=calibration.sequences,
                    seed=seed,
                    tolerance=tolerance,
                )
            parts: dict[str, Any] = {"graphs": {"prefill": GRAPH, "decode": GRAPH}}
            if variant.prefill == "dynamic":
                parts = _build_two_graphs(source, Path(temporary) / "float", folder, name, variant, calibration)
            else:
                _run_builder(source, folder, variant.precision, target, _builder_options(source, variant), name)
                add_logits_from(folder / GRAPH)
            # transformers names a tokenizer's class by the model's config
            link_or_copy(source / "config.json", folder / "config.json")
            manifest = {
                "variant": name,
                "model_id": model_id,
                "runtime": "onnxruntime",
                "target": target,
                "precision": variant.precision,
                "settings": settings,
                **({"rewriting": rewriting} if rewriting else {}),
                **parts,
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


def _build_two_graphs(
    source: Path, floats: Path, folder: Path, name: str, variant: VariantParams, calibration: Calibration
) -> dict[str, Any]:
    """Both graphs and the prefixes from one float32 graph; what the manifest says of them."""
    _run_builder(source, floats, "fp32", "cpu", {}, name)
    add_logits_from(floats / GRAPH)
    folder.mkdir()
    graphs = quantise_two_graphs(
        floats / GRAPH,
        folder,
        bits=BITS[variant.precision],
        block_size=variant.block_size,
        accuracy_level=variant.accuracy_level,
        exclude=expand_layers(variant.exclude_nodes, architecture(source)["layers"]),
    )
    engine = Engine(floats, {"prefill": GRAPH, "decode": GRAPH}, provider="cpu", threads=physical_cores())
    engine.reserve(1, max(len(tokens) for tokens in calibration.prefixes))
    computed = []
    for tokens in calibration.prefixes:
        engine.prefill(0, tokens)
        computed.append(Prefix(tokens, engine.cache(0, len(tokens))))
    Prefixes(computed).save(folder / PREFIXES)
    for path in list_files(floats):
        if path.name not in (GRAPH, f"{GRAPH}.data"):
            link_or_copy(path, folder / path.relative_to(floats))
    return {"graphs": graphs, "prefixes": PREFIXES}


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
    """What makes a variant besides its precision: the builder's options, and the rewriting of the weights."""
    settings: dict[str, Any] = {}
    if variant.precision in BITS:
        settings |= {
            "block_size": variant.block_size,
            "accuracy_level": variant.accuracy_level,
            "algo_config": variant.algorithm,
        }
    if variant.exclude_nodes:
        settings["exclude_nodes"] = list(variant.exclude_nodes)
    if variant.prefill != "same":
        settings["prefill"] = variant.prefill
    if variant.rewritten:
        settings |= {"rotate": variant.rotate, "smooth": variant.smooth}
    return settings


def expand_layers(names: Sequence[str], layers: int) -> list[str]:
    """Node names in which `*` stood for every layer."""
    return [name.replace("*", str(layer)) for name in names for layer in (range(layers) if "*" in name else range(1))]


def _builder_options(source: Path, variant: VariantParams) -> dict[str, Any]:
    """The options on the builder's command line; a float export has none."""
    if variant.precision not in BITS:
        return {}
    options: dict[str, Any] = {
        "block_size": variant.block_size,
        "accuracy_level": variant.accuracy_level,
        "algo_config": variant.algorithm,
    }
    if variant.exclude_nodes:
        options["nodes_to_exclude"] = ",".join(expand_layers(variant.exclude_nodes, architecture(source)["layers"]))
    return options


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


def _run_builder(merged: Path, folder: Path, precision: str, target: str, options: dict[str, Any], name: str) -> None:
    arguments = [f"{key}={value}" for key, value in options.items()]
    # Offline: a local folder is all it needs, and it must never ask a hub.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".builder-") as cache:
        done = subprocess.run(
            [sys.executable, "-m", "roleshift.export.builder_process", str(merged.resolve()), str(folder), precision,
             target, cache, *arguments],
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
