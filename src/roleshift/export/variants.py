"""All variants of a tuned model: merge, build, check the float32 export against torch."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.errors import RoleShiftError
from roleshift.export.building import UnsupportedArchitectureError, architecture, build_variant, keep_torch
from roleshift.export.calibration import calibration_of
from roleshift.export.merging import merge_adapter
from roleshift.export.parity import (
    Parity,
    check_parity,
    forced_answers,
    open_onnx,
    parity_examples,
    parity_figures,
    torch_expected,
)
from roleshift.export.rotation import check_family
from roleshift.files import link_or_copy, write_json
from roleshift.generation.opening import MANIFEST, check_files, exported_manifest
from roleshift.params import ExportParams
from roleshift.params.export import REFERENCE
from roleshift.tasks import TaskDefinition

FALLBACK = "torch-merged"


@dataclass(frozen=True)
class Exported:
    """What the export writes besides the variants: metrics (the same for the same inputs) and seconds."""

    metrics: dict[str, Any]
    seconds: dict[str, float]


def export_variants(
    *,
    base_folder: Path,
    adapter_folder: Path,
    model_id: str,
    params: ExportParams,
    seed: int,
    validation: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
    work: Path,
    out: Path,
) -> Exported:
    """Write every variant to `out/<variant>/`; what is complete in `work` is not built again.

    Raises a RoleShiftError that names a variant which the base's architecture does not allow, or the
    example where the float32 export differs from torch by more than the tolerance.
    """
    from roleshift.training.base import load_config, load_tokenizer

    check_family(params.variants, load_config(base_folder))
    seconds: dict[str, float] = {}
    merged = work / "merged"
    if not merged.is_dir():
        seconds["merge"] = _timed(lambda: merge_adapter(base_folder, adapter_folder, merged))
    built = work / "variants"
    calibration = calibration_of(validation, tasks, load_tokenizer(merged), architecture(merged)["context_tokens"])
    reason = None
    try:
        for name, variant in params.variants.items():
            if not _complete(built / name):
                build = partial(
                    build_variant,
                    merged,
                    name,
                    variant,
                    model_id,
                    built / name,
                    calibration=calibration,
                    seed=seed,
                    tolerance=params.parity_tolerance,
                )
                seconds[f"build {name}"] = _timed(build)
        names = list(params.variants)
        start = time.perf_counter()
        parity = _parity(merged=merged, built=built, names=names, params=params, validation=validation, tasks=tasks)
        seconds["parity"] = time.perf_counter() - start
    except UnsupportedArchitectureError as error:
        reason = f"onnxruntime-genai's model builder does not know {error}"
        names, parity = [FALLBACK], {}
        if not _complete(built / FALLBACK):
            keep_torch(merged, FALLBACK, model_id, built / FALLBACK)
    for name in names:
        link_or_copy(built / name, out / name)
    metrics = {
        "supported": reason is None,
        "reason": reason,
        "model_id": model_id,
        "parity_tolerance": params.parity_tolerance,
        "variants": {name: _describe(built / name, parity.get(name)) for name in names},
    }
    shutil.rmtree(merged)
    return Exported(metrics, seconds)


def _parity(
    *,
    merged: Path,
    built: Path,
    names: list[str],
    params: ExportParams,
    validation: pl.DataFrame,
    tasks: Mapping[str, TaskDefinition],
) -> dict[str, Parity]:
    from roleshift.training.base import load_tokenizer

    reference = exported_manifest(built / REFERENCE)
    tokenizer, context = load_tokenizer(merged), int(reference["context_tokens"])
    forced = forced_answers(parity_examples(validation, params.parity_prompts), tasks, tokenizer, context)
    expected = torch_expected(merged, forced, tokenizer.eos_token_id, context)
    capabilities = {answer.example_id: answer.capability for answer in forced}
    found = {}
    for name in names:
        backend = open_onnx(built / name, provider="auto")
        found[name] = check_parity(backend, forced, expected)
        backend.close()
        if name == REFERENCE and not found[name].largest <= params.parity_tolerance:
            example = found[name].example_id
            raise RoleShiftError(
                f"{REFERENCE}: logits differ from torch by {found[name].largest:.4g} at the prompt of example "
                f"{example} ({capabilities[example]}, validation split); export.parity_tolerance is "
                f"{params.parity_tolerance:g}"
            )
    return found


def _complete(folder: Path) -> bool:
    """Whether a variant from an interrupted run is whole; one that is not is removed."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        check_files(folder, json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (RoleShiftError, ValueError):
        shutil.rmtree(folder)
        return False
    return True


def _describe(folder: Path, parity: Parity | None) -> dict[str, Any]:
    manifest = exported_manifest(folder)
    described: dict[str, Any] = {
        "precision": manifest["precision"],
        "bytes": sum(entry["bytes"] for entry in manifest["files"].values()),
    }
    if parity is not None:
        described["parity"] = parity_figures(parity)
    return described


def _timed(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_metrics(exported: Exported, metrics: Path, timings: Path) -> None:
    """Write metrics/export.json and metrics/timings/export.json."""
    write_json(metrics, exported.metrics)
    write_json(timings, {name: round(value, 2) for name, value in exported.seconds.items()})
