"""Open a model folder: an exported variant by its manifest, any other folder by torch.

Everything here but `open_backend` is cheap: no model is loaded.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, list_files, read_json, sha256_file
from roleshift.generation.interface import Backend
from roleshift.generation.processor import native_precision, physical_cores

MANIFEST = "manifest.json"
Provider = Literal["auto", "cpu", "cuda"]
_verified: dict[str, str] = {}
"""sha256 of files by path and stat identity: a model that is opened twice is hashed once."""


def variant_of(folder: Path) -> str:
    """What a folder's answers are labelled with: the manifest's variant, else "torch-bf16" or "torch-fp32"."""
    manifest = read_manifest(folder)
    return str(manifest["variant"]) if manifest else f"torch-{native_precision()}"


def artifact_id_of(folder: Path) -> str:
    """An id of what determines an answer: the files' contents, the runtime's version, the precision.

    16 hex digits. For an exported variant the manifest's hashes are taken; `open_backend` checks
    that the files have them.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        if not (folder / "config.json").is_file():
            raise RoleShiftError(f"{folder}: not a model folder (neither {MANIFEST} nor config.json)")
        contents = {p.relative_to(folder).as_posix(): _sha256_once(p) for p in list_files(folder)}
    else:
        contents = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    runtime = manifest["runtime"] if manifest else "torch"
    packages = ["torch", "transformers"] if runtime == "torch" else ["onnxruntime"]
    precision = manifest["precision"] if manifest else native_precision()
    return hash_json(
        {"files": contents, "runtime": {name: _version(name) for name in packages}, "precision": precision}
    )[:16]


def open_backend(folder: Path, *, threads: int = 0, provider: Provider = "auto", batch_size: int = 10) -> Backend:
    """Load a model folder: ONNX Runtime where its manifest says so, else torch.

    `threads` 0 takes the physical cores; `provider` "auto" takes CUDA if it is really there.
    Raises a RoleShiftError where a file is missing or differs from its manifest, or where CUDA is
    asked for and something it needs is missing.
    """
    manifest = read_manifest(folder)
    artifact_id = artifact_id_of(folder)
    threads = threads or physical_cores()
    if manifest is not None:
        check_files(folder, manifest)
        if manifest["runtime"] == "onnxruntime":
            from roleshift.generation.onnx_backend import OnnxBackend

            return OnnxBackend(
                folder, manifest, artifact_id=artifact_id, provider=provider, threads=threads, batch_size=batch_size
            )
    import torch

    from roleshift.generation.torch_backend import TorchBackend

    precision = manifest["precision"] if manifest else native_precision()
    return TorchBackend(
        folder,
        variant=variant_of(folder),
        artifact_id=artifact_id,
        dtype={"bf16": torch.bfloat16, "fp32": torch.float32}[precision],
        device=_torch_device(provider),
        threads=threads,
        batch_size=batch_size,
    )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an exported variant; None where the folder has none."""
    path = folder / MANIFEST
    if not path.is_file():
        if not folder.is_dir():
            raise RoleShiftError(f"{folder}: no such model folder; run `make repro` (or `dvc pull`) to get it")
        return None
    manifest = read_json(path)
    needed = {"variant", "runtime", "precision", "files"}
    if isinstance(manifest, dict) and manifest.get("runtime") == "onnxruntime":
        needed |= {"graphs", "target", "context_tokens"}
    if not isinstance(manifest, dict) or not needed <= manifest.keys():
        raise RoleShiftError(f"{path}: not the manifest of an exported variant; run `dvc repro export` again")
    if manifest["runtime"] == "onnxruntime" and not {"prefill", "decode"} <= manifest.get("graphs", {}).keys():
        raise RoleShiftError(f"{path}: its graphs must name prefill and decode; run `dvc repro export` again")
    return manifest


def exported_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an exported variant; a folder without one is an error that names it."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise RoleShiftError(f"{folder}: holds no {MANIFEST}; run `dvc repro export` again")
    return manifest


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise where a file that the manifest names is missing, cut or changed."""
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise RoleShiftError(f"{path}: missing, though {MANIFEST} names it; run `dvc repro export` (or `dvc pull`)")
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise RoleShiftError(
                f"{path}: {size} bytes instead of {entry['bytes']}, so it is incomplete or changed; "
                "run `dvc repro export` (or `dvc pull`)"
            )
        if _sha256_once(path) != entry["sha256"]:
            raise RoleShiftError(
                f"{path}: its content differs from the hash in {MANIFEST}; run `dvc repro export` (or `dvc pull`)"
            )


def _torch_device(provider: Provider) -> str:
    import torch

    if provider == "cpu" or (provider == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        reason = "torch sees no CUDA device" if torch.version.cuda else "this torch is a CPU build"
        raise RoleShiftError(f"generation.provider is cuda, but {reason}; use auto or cpu")
    return "cuda"


def _sha256_once(path: Path) -> str:
    stat = path.stat()
    key = json.dumps([str(path.resolve()), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
    if key not in _verified:
        _verified[key] = sha256_file(path)
    return _verified[key]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        # onnxruntime and onnxruntime-gpu exclude each other and compute the same
        return version(f"{package}-gpu")
