"""Tiny models as registered versions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from roleshift.files import hash_tree
from roleshift.project import Project
from roleshift.registry.manifest import Candidate, content_id_of, list_files, sha256_file
from roleshift.registry.registering import ensure_version
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import STATE, Version
from roleshift.serving.server import Server


def add_version(tracking: Tracking, model: Path, alias: str, variant: str = "torch-bf16") -> Version:
    """Register a model folder as a version and point the alias to it."""
    files = {
        f"{model.name}/{p.relative_to(model)}": {"sha256": sha256_file(p), "bytes": p.stat().st_size}
        for p in list_files(model)
    }
    model_id = hash_tree(model)[:16]
    content = content_id_of(model_id, hash_tree(model))
    manifest = {"model": model.name, "files": files, "content_id": content}
    candidate = Candidate("tuned", model_id, variant, {model.name: model}, content, manifest)
    run = tracking.client.create_run(tracking.experiment_id)
    if not tracking.client.search_registered_models("name = 'roleshift'"):
        tracking.client.create_registered_model("roleshift")
    version, added = ensure_version(tracking, "roleshift", candidate, run.info.run_id, None)
    assert added
    tracking.client.set_model_version_tag("roleshift", str(version.number), STATE, "complete")
    tracking.client.set_registered_model_alias("roleshift", alias, str(version.number))
    return version


def register_tiny(folder: Path, model: Path) -> Tracking:
    """A store in a folder, with the model as @challenger."""
    tracking = open_tracking(f"sqlite:///{folder}/mlflow.db", folder, "roleshift")
    add_version(tracking, model, "challenger")
    return tracking


@dataclass
class Running:
    """A server that listens, and what it is made of."""

    url: str
    server: Server
    tracking: Tracking
    project: Project
    stop: Callable[[], None]

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(f"{self.url}{path}", json=body, timeout=60)

    def chat(self, text: str = "hello", **body: Any) -> requests.Response:
        messages = [{"role": "user", "content": text}]
        return self.post("/v1/chat/completions", **{"model": "roleshift", "messages": messages, "max_tokens": 6} | body)
