"""A version's artifacts on this machine: brought from the registry, checked against its record, opened, asked once."""

import math
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow.artifacts

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, read_json
from roleshift.generation import Backend, GenerationConfig, Request, open_backend
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import render_prompt
from roleshift.registry.manifest import content_id_of
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version
from roleshift.serving.last_served import copy_folder
from roleshift.serving.pyfunc import check_artifacts


def self_test(backend: Backend) -> None:
    """Let a model answer and weigh an answer; raises where it gives no token or no number."""
    prompt = render_prompt(backend.tokenizer, [{"role": "user", "content": "Say yes."}])
    answer = backend.generate([Request("self-test", prompt)], GenerationConfig(max_new_tokens=2))[0]
    if answer.output_tokens == 0 and answer.finish_reason != "stop":
        raise RoleShiftError("its self-test gave no token")
    if not math.isfinite(backend.continuation_logprobs(prompt, ["yes"])[0]):
        raise RoleShiftError("its self-test gave a probability that is no number: its weights are broken")


def open_version(tracking: Tracking | None, version: Version, project: Project, params: Params) -> Backend:
    """Bring a version's artifacts to `.work/served/` unless they are there, check every hash, open the model.

    Without a registry only a copy that is there already can be opened.
    """
    folder = copy_folder(project, version)
    if not (folder / "artifacts/manifest.json").is_file():
        if tracking is None:
            raise RoleShiftError(f"{folder}: holds no copy of it")
        _bring(tracking, version, folder)
    artifacts = folder / "artifacts"
    try:
        manifest = read_json(artifacts / "manifest.json")
        check_manifest(manifest, version)
        check_artifacts(artifacts, manifest)
    except RoleShiftError:
        shutil.rmtree(folder)  # brought anew when asked again
        raise
    generation = params.generation
    return open_backend(
        _model_folder(artifacts / manifest["model"], project),
        threads=generation.threads,
        provider=generation.provider,
        batch_size=params.serving.rows,
    )


def _bring(tracking: Tracking, version: Version, folder: Path) -> None:
    """Download a version's artifacts; the folder is there as a whole or not at all."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with reporting(tracking.uri):
        location = tracking.client.get_logged_model(version.logged_model).artifact_location
        mlflow.artifacts.download_artifacts(f"{location}/artifacts", dst_path=str(partial), tracking_uri=tracking.uri)
    with suppress(OSError):  # another server was first
        partial.rename(folder)
    shutil.rmtree(partial, ignore_errors=True)


def check_manifest(manifest: dict[str, Any], version: Version) -> None:
    """Raise where a manifest's hashes are not those that the registry's own record of the version stands for."""
    model = f"{manifest['model']}/"
    files = {
        name.removeprefix(model): entry["sha256"] for name, entry in manifest["files"].items() if name.startswith(model)
    }
    if content_id_of(version.model_id, hash_json(files)) != version.content_id:
        raise RoleShiftError(
            f"version {version.number}: its manifest differs from the registered content; register it again"
        )


def _model_folder(folder: Path, project: Project) -> Path:
    if (folder / "manifest.json").is_file() or (folder / "config.json").is_file():
        return folder
    from roleshift.training.base import base_folder

    return base_folder(folder, project.converted)
