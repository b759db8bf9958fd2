"""A version's manifest: from what it was made, by whom, where; every file by its hash."""

import getpass
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import ITEMS, SCORES, read_table
from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, list_files, read_json, sha256_file
from roleshift.params import read_yaml

SCHEMA = 1
METRICS = ("baseline", "finetune", "export", "selection", "evaluate", "impact")


@dataclass(frozen=True)
class Candidate:
    """Content that becomes a version: `folders` are its artifacts by name, `content_id` names what they hold."""

    kind: str  # "base" or "tuned"
    model_id: str
    variant: str
    folders: dict[str, Path]
    content_id: str
    manifest: dict[str, Any]

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """sha256 and bytes of every artifact by its path below the model's `artifacts/` folder."""
        files: dict[str, dict[str, Any]] = self.manifest["files"]
        return files


@dataclass(frozen=True)
class Made:
    """What one complete run of the pipeline made: the base, the tuned model, and the id of the whole."""

    base: Candidate
    tuned: Candidate
    pipeline_id: str


def read_made(root: Path, base_source: str) -> Made:
    """Read a complete pipeline's outputs below `root`; says which is missing or contradicts another."""
    metrics = {name: root / f"metrics/{name}.json" for name in METRICS}
    shipped = str(read_json(metrics["selection"]).get("shipped", ""))
    base_id = only_model(root / "evidence/baseline", frozenset({"floor"}))
    tuned_id = only_model(root / "evidence/candidate", frozenset({"floor", base_id}))
    evidence = {
        p.relative_to(root).as_posix(): sha256_file(p)
        for part in ("baseline", "candidate")
        for p in list_files(root / "evidence" / part)
    }
    facts = {
        "base": {"source": base_source} | _source_entry(root, base_source),
        "data": data_hashes(root),
        "evidence": evidence,
        "metrics": {name: sha256_file(path) for name, path in metrics.items()},
        "metric_signatures": metric_signatures(root),
        "params": read_yaml(root / "params.yaml"),
    }
    where = {"git": git_state(root), "dvc": dvc_hashes(root), "environment": environment(), "user": user()}
    base_variant = _variants(root / "evidence/baseline", base_id)
    raw = root / "data/raw" / base_source
    base = _candidate("base", base_id, base_variant, {base_source: raw}, facts=facts | where)
    model = {shipped: shipped_folder(root, shipped), "adapter": root / "models/adapter"}
    tuned = _candidate("tuned", tuned_id, shipped, model, facts=facts | where)
    contents = {"base": base.content_id, "tuned": tuned.content_id}
    keyed = {key: value for key, value in facts.items() if key not in ("data", "base")}
    return Made(base, tuned, hash_json(contents | keyed)[:16])


def _candidate(kind: str, model_id: str, variant: str, folders: dict[str, Path], *, facts: dict[str, Any]) -> Candidate:
    """`folders` names the model's own folder first; each file is hashed once."""
    files = {
        f"{name}/{p.relative_to(folder).as_posix()}": {"sha256": sha256_file(p), "bytes": p.stat().st_size}
        for name, folder in folders.items()
        for p in list_files(folder)
    }
    model = f"{next(iter(folders))}/"
    hashes = {name.removeprefix(model): entry["sha256"] for name, entry in files.items() if name.startswith(model)}
    content_id = content_id_of(model_id, hash_json(hashes))
    manifest = {
        "schema": SCHEMA, "kind": kind, "model_id": model_id, "content_id": content_id, "variant": variant,
        "model": model.rstrip("/"), "files": files, **facts,
    }  # fmt: skip
    return Candidate(kind, model_id, variant, folders, content_id, manifest)


def content_id_of(model_id: str, artifact: str) -> str:
    """The id of a version's content, from its model's id and its model folder's hash (`hash_tree`): 16 hex digits."""
    return hash_json({"model_id": model_id, "artifact": artifact})[:16]


def shipped_folder(root: Path, shipped: str) -> Path:
    """Where the variant lies that `select` chose."""
    folder = root / "models/onnx" / shipped
    if not shipped or not folder.is_dir():
        raise RoleShiftError(
            f"metrics/selection.json: ships {shipped!r}, which is not in models/onnx; run `dvc repro export select`"
        )
    return folder


def only_model(evidence: Path, others: frozenset[str]) -> str:
    """The one model that a folder of evidence is about, besides `others`."""
    found = set(read_table(evidence / "items.parquet", ITEMS)["model_id"].unique()) - others
    if len(found) != 1:
        raise RoleShiftError(
            f"{evidence}/items.parquet: holds {len(found)} models besides {', '.join(sorted(others))}, not one; "
            "run its stage again"
        )
    return str(found.pop())


def _variants(evidence: Path, model_id: str) -> str:
    items = read_table(evidence / "items.parquet", ITEMS).filter(pl.col("model_id") == model_id)
    return str(min(items["variant"].unique(), key=lambda name: (len(name), name)))


def metric_signatures(root: Path) -> dict[str, str]:
    """The signature of every metric in the evidence (one per task where they differ)."""
    frames = [read_table(root / f"evidence/{part}/scores.parquet", SCORES) for part in ("baseline", "candidate")]
    pairs = pl.concat(frames).select("metric", "signature").unique().sort("metric", "signature")
    grouped = pairs.group_by("metric", maintain_order=True).agg("signature")
    return {metric: "; ".join(signatures) for metric, signatures in grouped.iter_rows()}


def data_hashes(root: Path) -> dict[str, Any]:
    """Hashes of the data's manifest, its report, and each split that is here."""
    splits = {p.stem: sha256_file(p) for p in sorted((root / "data/examples").glob("*.parquet"))}
    named = {"manifest": "data/manifest.json", "report": "data/report.json", "tasks": "data/tasks.json"}
    files = {name: sha256_file(root / path) for name, path in named.items() if (root / path).is_file()}
    return files | {"splits": splits}


def _source_entry(root: Path, source: str) -> dict[str, Any]:
    path = root / "data/manifest.json"
    entry = read_json(path).get(source)
    if not isinstance(entry, dict) or "licence" not in entry:
        raise RoleShiftError(f"{path}: does not name the base model's source {source!r}; run `dvc repro fetch`")
    return entry


def git_state(root: Path) -> dict[str, Any]:
    """The commit and whether tracked files differ from it; empty outside git."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def dvc_hashes(root: Path) -> dict[str, Any]:
    """dvc.lock's hash and each stage's own, without `register`, whose entry is written afterwards."""
    lock = root / "dvc.lock"
    if not lock.is_file():
        return {}
    stages = {name: entry for name, entry in read_yaml(lock).get("stages", {}).items() if name != "register"}
    return {"lock": hash_json(stages), "stages": {name: hash_json(entry) for name, entry in stages.items()}}


def environment() -> dict[str, Any]:
    """Python, platform, and the version of every installed package."""
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": packages()}


def packages() -> dict[str, str]:
    """The version of every installed package, from the names of their metadata folders.

    Reading each one's metadata, as importlib.metadata does, takes a second or more.
    """
    found: dict[str, str] = {}
    for place in map(Path, sys.path):
        for folder in place.glob("*.dist-info") if place.is_dir() else ():
            name, _, version = folder.stem.partition("-")
            found.setdefault(name.replace("_", "-"), version)
    return dict(sorted(found.items(), key=lambda entry: entry[0].lower()))


def user() -> str:
    """Who runs this: the tracking server's user name, else the machine's."""
    try:
        return os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return f"uid {os.getuid()}"


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest for upload; the caller's folder is its own."""
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
