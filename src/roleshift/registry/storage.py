"""Weights in the tracking store that nothing needs: of retired versions, and of uploads that became no version.

What an alias names, what is champion by the audit log and what a rollback could reach is kept,
whatever else is said of it. The version itself, its manifest and its evidence stay in any case.
"""

import time
from dataclasses import dataclass

from mlflow.entities import LoggedModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from roleshift.registry.audit import exclusive
from roleshift.registry.promotion import needed_for_rollback, retired_versions, standing
from roleshift.registry.registering import stored_sizes
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, list_versions

GRACE_SECONDS = 24 * 3600
"""How old an upload without a version must be: `register` on another machine may be working at a younger one."""
KEPT = ("artifacts/manifest.json",)


@dataclass(frozen=True)
class Weights:
    """Artifacts in the store that can go: the folders (or files) of a logged model, their bytes, and why."""

    logged_model: str
    location: str
    paths: tuple[str, ...]
    size: int
    reason: str


def unneeded_weights(tracking: Tracking, name: str) -> list[Weights]:
    """What of a registered model's artifacts nothing needs, by version, uploads without one last."""
    with reporting(tracking.uri):
        versions = list_versions(tracking, name)
        models = _logged_models(tracking, name)
        entries = standing(tracking, name).entries
        needed = needed_for_rollback(entries) | {version.number for version in versions if version.aliases}
        retired = retired_versions(entries) - needed
        found = [
            _of_version(tracking, version, models[version.logged_model])
            for version in versions
            if version.number in retired and version.logged_model in models
        ]
        claimed = {version.logged_model for version in versions}
        latest = int((time.time() - GRACE_SECONDS) * 1000)
        found += [
            _of_upload(tracking, model)
            for model_id, model in sorted(models.items())
            if model_id not in claimed and model.creation_timestamp < latest
        ]
    return [weights for weights in found if weights.paths]


def remove_weights(tracking: Tracking, name: str, chosen: list[Weights]) -> list[Weights]:
    """Remove those of `chosen` that still nothing needs; returns them.

    No promotion, rollback or registration comes between the look and the removal.
    """
    with exclusive(tracking.uri, "promote.lock"), exclusive(tracking.uri, "register.lock"):
        removed = [weights for weights in unneeded_weights(tracking, name) if weights in chosen]
        with reporting(tracking.uri):
            for weights in removed:
                repository = get_artifact_repository(weights.location)
                for path in weights.paths:
                    repository.delete_artifacts(path)  # type: ignore[no-untyped-call]
    return removed


def _of_version(tracking: Tracking, version: Version, model: LoggedModel) -> Weights:
    reason = f"version {version.number} ({version.variant}) is retired"
    return _weights(model, stored_sizes(tracking, model.model_id, "artifacts"), reason)


def _of_upload(tracking: Tracking, model: LoggedModel) -> Weights:
    return _weights(model, stored_sizes(tracking, model.model_id, "artifacts"), "an upload that became no version")


def _weights(model: LoggedModel, sizes: dict[str, int], reason: str) -> Weights:
    gone = {path: size for path, size in sizes.items() if path not in KEPT}
    folders = sorted({"/".join(path.split("/")[:2]) for path in gone})
    return Weights(model.model_id, model.artifact_location, tuple(folders), sum(gone.values()), reason)


def _logged_models(tracking: Tracking, name: str) -> dict[str, LoggedModel]:
    found: dict[str, LoggedModel] = {}
    token = None
    while True:
        page = tracking.client.search_logged_models(
            [tracking.experiment_id], f"tags.`roleshift.model_name` = '{name}'", page_token=token
        )
        found |= {model.model_id: model for model in page}
        token = page.token
        if not token:
            return found
