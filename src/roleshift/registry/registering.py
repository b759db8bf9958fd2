"""Register what a complete pipeline made: killed at any point and run again, it completes.

Everything is found again by the id of its content, in this order: training run, pipeline run,
artifacts, version, its tags, aliases. So no alias names a version without artifacts, and nothing
is registered twice.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException

from roleshift.errors import RoleShiftError
from roleshift.files import sha256_file
from roleshift.registry.audit import exclusive
from roleshift.registry.lineage import TRAINING
from roleshift.registry.manifest import Candidate, Made
from roleshift.registry.packaging import upload
from roleshift.registry.pipeline_run import ensure_pipeline_run, ensure_training_run, state_tags
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import (
    CONTENT,
    DAMAGED,
    EVIDENCE,
    EXPERIMENT,
    KIND,
    MANIFEST,
    MODEL,
    STATE,
    VARIANT,
    Version,
    fetch_manifest,
    with_content,
)


@dataclass(frozen=True)
class Registered:
    """What stands in the store now, and what of it this call added or moved."""

    base: Version
    tuned: Version
    pipeline_run: str
    training_run: str
    changes: tuple[str, ...]


def register(
    tracking: Tracking, root: Path, name: str, made: Made, *, experiment: str | None, move_aliases: bool
) -> Registered:
    """Bring the store to hold `made`; what is there already is left as it is.

    `experiment` is the DVC experiment's name, a tag. Without `move_aliases` no alias moves and no
    existing version gets newer evidence.
    """
    with reporting(tracking.uri), exclusive(tracking.uri, "register.lock"):
        changes: list[str] = []
        training = ensure_training_run(tracking, root)
        tags = state_tags(made.tuned.manifest, experiment) | {TRAINING: training.info.run_id}
        run, logged = ensure_pipeline_run(tracking, root, made, tags)
        if logged:
            changes.append(f"logged the pipeline run {run.info.run_id}")
        _ensure_registered_model(tracking, name)
        versions = []
        for candidate in (made.base, made.tuned):
            version, added = ensure_version(tracking, name, candidate, run.info.run_id, experiment)
            if added:
                changes.append(f"registered version {version.number} ({candidate.kind})")
            if move_aliases and version.evidence_run != run.info.run_id:
                tracking.client.set_model_version_tag(name, str(version.number), EVIDENCE, run.info.run_id)
                changes.append(f"version {version.number} has newer evidence")
            versions.append(version)
        for alias, version in zip(("baseline", "challenger"), versions, strict=True):
            if move_aliases and alias not in version.aliases:
                tracking.client.set_registered_model_alias(name, alias, str(version.number))
                changes.append(f"{alias} is now version {version.number}")
        base, tuned = (_registered(tracking, name, candidate) for candidate in (made.base, made.tuned))
        return Registered(base, tuned, run.info.run_id, training.info.run_id, tuple(changes))


def ensure_version(
    tracking: Tracking, name: str, candidate: Candidate, run_id: str, experiment: str | None
) -> tuple[Version, bool]:
    """The complete version of this content, and whether anything was missing."""
    client = tracking.client
    version = with_content(tracking, name, candidate.content_id)
    logged = _logged_model(tracking, name, candidate, version)
    damaged = version is not None and version.damaged
    uploaded = logged is not None and not damaged and is_uploaded(tracking, logged, candidate)
    if version is not None and version.complete and uploaded:
        return version, False
    if logged is None:
        logged = client.create_logged_model(
            tracking.experiment_id,
            name=candidate.kind,
            source_run_id=run_id,
            tags={CONTENT: candidate.content_id, MODEL: candidate.model_id, "roleshift.model_name": name},
            model_type="text-generation",
        )
    if not uploaded:
        upload(client, candidate, logged)
    if version is None:
        tags = {
            CONTENT: candidate.content_id,
            MODEL: candidate.model_id,
            KIND: candidate.kind,
            VARIANT: candidate.variant,
            STATE: "pending",
            EVIDENCE: run_id,
            "roleshift.logged_model": logged.model_id,
        }
        client.create_model_version(
            name,
            logged.artifact_location,  # a models:/ address would be looked up in the process's default store
            run_id=run_id,
            tags=tags | ({EXPERIMENT: experiment} if experiment else {}),
            model_id=logged.model_id,
        )
        version = _registered(tracking, name, candidate)
    entry = json.dumps([{"name": name, "version": str(version.number)}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": entry})
    with tempfile.TemporaryDirectory() as folder:  # the stored one: an attempt that was killed may have written it
        manifest = sha256_file(fetch_manifest(tracking, logged.model_id, Path(folder)))
    client.set_model_version_tag(name, str(version.number), MANIFEST, manifest)
    client.set_model_version_tag(name, str(version.number), STATE, "complete")
    if damaged:
        client.delete_model_version_tag(name, str(version.number), DAMAGED)
    return _registered(tracking, name, candidate), True


def is_uploaded(tracking: Tracking, logged: LoggedModel, candidate: Candidate) -> bool:
    """Whether every artifact is in the store with its size (a hash would mean to download it)."""
    if str(logged.status) != "READY":
        return False
    sizes = stored_sizes(tracking, logged.model_id, None)
    expected = {f"artifacts/{name}": entry["bytes"] for name, entry in candidate.files.items()}
    needed = ("MLmodel", "artifacts/manifest.json", "python_env.yaml", "requirements.txt")
    return all(sizes.get(name) == size for name, size in expected.items()) and all(name in sizes for name in needed)


def stored_sizes(tracking: Tracking, logged_model_id: str, path: str | None) -> dict[str, int]:
    """Bytes of every file of a logged model by its path, below `path` where one is given; `code/` is left out."""
    sizes: dict[str, int] = {}
    for entry in tracking.client.list_logged_model_artifacts(logged_model_id, path):
        if not entry.is_dir:
            sizes[entry.path] = int(entry.file_size or 0)
        elif entry.path != "code":
            sizes |= stored_sizes(tracking, logged_model_id, entry.path)
    return sizes


def _logged_model(tracking: Tracking, name: str, candidate: Candidate, version: Version | None) -> LoggedModel | None:
    """The logged model of this content: the version's own, else one that a killed attempt left."""
    client = tracking.client
    if version is not None:
        try:
            return client.get_logged_model(version.logged_model)
        except MlflowException as error:
            raise RoleShiftError(
                f"version {version.number}: its logged model {version.logged_model} is gone from the store; delete "
                "the version in MLflow, then run `dvc repro register`"
            ) from error
    found = client.search_logged_models(
        [tracking.experiment_id],
        f"tags.`{CONTENT}` = '{candidate.content_id}' and tags.`roleshift.model_name` = '{name}'",
    )
    return min(found, key=lambda model: (model.creation_timestamp, model.model_id), default=None)


def _registered(tracking: Tracking, name: str, candidate: Candidate) -> Version:
    version = with_content(tracking, name, candidate.content_id)
    if version is None:
        raise RoleShiftError(f"the version of {candidate.content_id} vanished from {name!r} while it was registered")
    return version


def _ensure_registered_model(tracking: Tracking, name: str) -> None:
    try:
        tracking.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def summary(name: str, made: Made) -> dict[str, Any]:
    """What metrics/register.json holds: ids of content only, so that an identical rerun leaves it unchanged."""
    return {
        "model_name": name,
        "baseline": {"model_id": made.base.model_id, "content_id": made.base.content_id},
        "challenger": {"model_id": made.tuned.model_id, "content_id": made.tuned.content_id},
    }
