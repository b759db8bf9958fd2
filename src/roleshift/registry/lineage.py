"""From a figure back to what it was measured on and made from, and whether all of it is still as registered."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow.artifacts

from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree, read_json, sha256_file
from roleshift.registry.audit import Entry
from roleshift.registry.manifest import data_hashes
from roleshift.registry.tracking import Tracking, is_server, reporting
from roleshift.registry.versions import (
    DAMAGED,
    STATE,
    Version,
    check_manifest,
    download_manifest,
    download_run_evidence,
)
from roleshift.serving.pyfunc import check_artifacts, check_code

TRAINING = "roleshift.training_run"


def lineage(tracking: Tracking, version: Version) -> dict[str, Any]:
    """The chain behind a version: figures, evidence, runs, model, base, data, code; every part by its hash.

    `made` is what the version's manifest says of its making, `measured` what the pipeline run behind
    its present evidence says; they differ where the same model was measured again.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = download_manifest(tracking, version, Path(folder))
        measured, figures = made, {}
        training = None
        if version.evidence_run is not None:
            run_folder = Path(folder) / "run"
            run_folder.mkdir()
            measured = _run_manifest(tracking, version, run_folder)
            with reporting(tracking.uri):
                tracking.client.download_artifacts(version.evidence_run, "metrics", str(run_folder))
                training = tracking.client.get_run(version.evidence_run).data.tags.get(TRAINING)
            figures = _figures(read_json(run_folder / "metrics/evaluate.json"), version)
    return {
        "version": version.number, "kind": version.kind, "variant": version.variant, "aliases": list(version.aliases),
        "model_id": version.model_id, "content_id": version.content_id, "manifest_sha256": version.manifest_hash,
        "figures": figures,
        "pipeline_run": version.evidence_run, "training_run": training,
        "measured": {key: measured.get(key) for key in ("user", "git", "evidence", "metrics", "metric_signatures")},
        "made": {key: made.get(key) for key in ("user", "git", "dvc", "base", "data", "files")},
    }  # fmt: skip


def _figures(evaluated: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """The version's own score per capability, with the items that it stands on."""
    system = "base" if version.kind == "base" else version.variant
    found = {}
    for name, part in sorted(evaluated.get("capabilities", {}).items()):
        entry = part["systems"].get(system, {}).get("metrics", {}).get(part["primary_metric"])
        if entry is not None:
            found[name] = {"metric": part["primary_metric"], "value": entry.get("value"), "items": part["items"]}
    return found


def _run_manifest(tracking: Tracking, version: Version, folder: Path) -> dict[str, Any]:
    """What the pipeline run behind the version's evidence wrote down of its files."""
    with reporting(tracking.uri):
        path = tracking.client.download_artifacts(
            str(version.evidence_run), f"manifest/{version.kind}.json", str(folder)
        )
    manifest: dict[str, Any] = read_json(Path(path))
    return manifest


def verify(tracking: Tracking, version: Version) -> int:
    """Hash every artifact, the manifest and the evidence of a version; the number of files.

    Raises, naming the file, where one is missing or was altered, and marks it so that `register`
    uploads it again from a project that has it.
    """
    with tempfile.TemporaryDirectory() as folder:
        with reporting(tracking.uri):
            location = tracking.client.get_logged_model(version.logged_model).artifact_location
            copy = str(folder) if is_server(tracking.uri) else None  # files of this machine are hashed where they lie
            found = Path(mlflow.artifacts.download_artifacts(location, dst_path=copy, tracking_uri=tracking.uri))
        try:
            check_manifest(version, found / "artifacts/manifest.json")
            manifest = read_json(found / "artifacts/manifest.json")
            check_artifacts(found / "artifacts", manifest)
            check_code(found, manifest)
        except RoleShiftError:
            with reporting(tracking.uri):
                tracking.client.set_model_version_tag(version.name, str(version.number), DAMAGED, "true")
            raise
        count = len(manifest["files"]) + len(manifest.get("code", {})) + 1
        if version.evidence_run is not None:
            try:
                count += _verify_evidence(tracking, version, version.evidence_run, Path(folder))
            except RoleShiftError:
                with reporting(tracking.uri):
                    tracking.client.set_tag(version.evidence_run, STATE, "damaged")
                raise
    return count


def _verify_evidence(tracking: Tracking, version: Version, run_id: str, folder: Path) -> int:
    expected = _run_manifest(tracking, version, folder)
    with reporting(tracking.uri):
        for part in ("evidence", "metrics"):
            tracking.client.download_artifacts(run_id, part, str(folder))
    hashes = dict(expected["evidence"]) | {f"metrics/{name}.json": h for name, h in expected["metrics"].items()}
    for name, value in sorted(hashes.items()):
        path = folder / name
        if not path.is_file():
            raise RoleShiftError(f"{name} of run {run_id}: missing; register it again")
        if sha256_file(path) != value:
            raise RoleShiftError(f"{name} of run {run_id}: differs from what was registered; register it again")
    return len(hashes)


def verify_judged(tracking: Tracking, entry: Entry) -> None:
    """Raise where the run that an audit entry names no longer holds the evidence that the gate judged.

    `verify` holds files against what stands beside them in the store; this holds them against the audit log,
    which whoever can write to the store cannot alter unnoticed.
    """
    if entry.evidence is None or entry.evidence_hash is None:  # nothing was judged, or by an earlier release
        return
    with tempfile.TemporaryDirectory() as folder:
        found = hash_tree(download_run_evidence(tracking, entry.evidence, Path(folder)))
    if found != entry.evidence_hash:
        raise RoleShiftError(
            f"audit log of {entry.model!r}, entry {entry.sequence}: the evidence of run {entry.evidence} is not what "
            "the gate judged then; restore it from a copy"
        )


def data_here(root: Path, registered: Mapping[str, Any]) -> dict[str, str]:
    """For each file of data in the manifest: "as registered", "differs" or "not here", in the project at `root`."""
    here = data_hashes(root)
    flat = {**registered, **registered.get("splits", {})}
    local = {**here, **here.get("splits", {})}
    states = {}
    for name, value in flat.items():
        if isinstance(value, str):
            found = local.get(name)
            states[name] = "not here" if found is None else "as registered" if found == value else "differs"
    return states


def lineage_lines(chain: Mapping[str, Any]) -> str:
    """The chain as text, from the figures down to the sources."""
    made, measured = chain["made"], chain["measured"]
    commits = {name: _commit(part.get("git") or {}) for name, part in (("made", made), ("measured", measured))}
    base = made["base"]
    lines = [f"version {chain['version']} ({chain['kind']}, {chain['variant']})"
             + "".join(f" @{alias}" for alias in chain["aliases"])]  # fmt: skip
    lines += [
        f"  figure    {name}: {entry['metric']} {entry['value']:.4f} on {entry['items']} items"
        for name, entry in chain["figures"].items()
    ]
    lines += [f"  ← scored from  {name}  {value[:16]}" for name, value in sorted((measured["evidence"] or {}).items())]
    lines += [
        f"  ← measured in  pipeline run {chain['pipeline_run']}, commit {commits['measured']}, by {measured['user']}",
        f"  ← answered by  model {chain['model_id']}, content {chain['content_id']}, {len(made['files'])} files",
        f"  ← trained in   training run {chain['training_run']}, commit {commits['made']}, by {made['user']}",
        f"  ← from base    {base['origin']} ({base['licence']})",
    ]
    splits = made["data"].get("splits", {})
    lines += [f"  ← from data    {name}  {value[:16]}" for name, value in sorted(splits.items())]
    stages = (made.get("dvc") or {}).get("stages", {})
    lines += [f"  ← by stage     {name}  {value[:16]}" for name, value in stages.items()]
    return "\n".join(lines)


def _commit(git: Mapping[str, Any]) -> str:
    return f"{git['commit'][:12]}{' with changes' if git.get('dirty') else ''}" if git else "unknown"
