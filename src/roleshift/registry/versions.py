"""The versions of the registered model: list, resolve a name to one, fetch its evidence, check its files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from roleshift.errors import RoleShiftError
from roleshift.files import read_json, sha256_file
from roleshift.registry.tracking import Tracking, reporting

CONTENT = "roleshift.content_id"
MODEL = "roleshift.model_id"
KIND = "roleshift.kind"
VARIANT = "roleshift.variant"
STATE = "roleshift.state"
EVIDENCE = "roleshift.evidence_run"
EXPERIMENT = "roleshift.dvc_experiment"
MANIFEST = "roleshift.manifest_sha256"
DAMAGED = "roleshift.damaged"


@dataclass(frozen=True)
class Version:
    """A registered version. `number` belongs to this store; `model_id` and `content_id` hold anywhere."""

    name: str
    number: int
    kind: str
    model_id: str
    content_id: str
    variant: str
    complete: bool
    aliases: tuple[str, ...]
    evidence_run: str | None
    logged_model: str
    experiment: str | None
    created: int  # milliseconds since 1970
    manifest_hash: str | None  # sha256 of the manifest as it was uploaded; absent on versions of earlier releases
    damaged: bool  # a check found an altered or missing file: `register` uploads it again


def list_versions(tracking: Tracking, name: str) -> list[Version]:
    """Every version that this project registered, oldest first; versions made by other means are left out."""
    with reporting(tracking.uri):
        aliases = _aliases(tracking, name)
        found = _search(tracking, f"name = '{name}'")
    return sorted((_version(v, aliases) for v in found if CONTENT in v.tags), key=lambda v: v.number)


def with_content(tracking: Tracking, name: str, content_id: str) -> Version | None:
    """The version of this content, the first if two machines registered it at once."""
    found = _search(tracking, f"name = '{name}' and tags.`{CONTENT}` = '{content_id}'")
    versions = [_version(v, _aliases(tracking, name)) for v in found]
    return min(versions, key=lambda v: v.number, default=None)


def resolve(tracking: Tracking, name: str, wanted: str) -> Version:
    """The version that an alias, a number, or the beginning of a model_id or content_id names."""
    word = wanted.removeprefix("@")
    exact = _exact(tracking, name, word)
    if exact is not None and exact.complete:
        return exact
    versions = [v for v in list_versions(tracking, name) if v.complete]
    if not versions:
        raise RoleShiftError(f"the model {name!r} has no version in this tracking store; run `make repro`")
    found = [v for v in versions if len(word) >= 4 and (v.model_id.startswith(word) or v.content_id.startswith(word))]
    if len(found) == 1:
        return found[0]
    aliases = sorted({f"@{alias}" for v in versions for alias in v.aliases})
    known = ", ".join([*aliases, *(str(v.number) for v in versions[-10:])])
    problem = "names several versions" if found else "names no version"
    raise RoleShiftError(f"{wanted!r} {problem} of {name!r}; known are {known}, and ids from four digits on")


def aliased(tracking: Tracking, name: str, alias: str) -> int | None:
    """The number of the version that an alias names, whoever made it; None where there is no such alias."""
    with reporting(tracking.uri):
        return next((number for number, names in _aliases(tracking, name).items() if alias in names), None)


def _exact(tracking: Tracking, name: str, word: str) -> Version | None:
    """The version of this alias or number, without a look at the others."""
    with reporting(tracking.uri):
        aliases = _aliases(tracking, name)
        number = next((number for number, names in aliases.items() if word in names), None)
        if number is None and not re.fullmatch(r"[1-9]\d{0,8}", word, re.ASCII):  # "0012" begins an id
            return None
        try:
            found = tracking.client.get_model_version(name, str(number or word))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
    return _version(found, aliases) if CONTENT in found.tags else None


def download_evidence(tracking: Tracking, version: Version, folder: Path) -> Path:
    """Bring a version's `evidence/` to `folder` and return it; the base has `baseline`, a tuned one both parts."""
    if version.evidence_run is None:
        raise RoleShiftError(f"version {version.number} has no evidence; run `dvc repro register` where it was made")
    return download_run_evidence(tracking, version.evidence_run, folder)


def download_run_evidence(tracking: Tracking, run_id: str, folder: Path) -> Path:
    """Bring the `evidence/` of a pipeline run to `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    with reporting(tracking.uri):
        tracking.client.download_artifacts(run_id, "evidence", str(folder))
    return folder / "evidence"


def download_manifest(tracking: Tracking, version: Version, folder: Path) -> dict[str, Any]:
    """The manifest that was stored with the version's artifacts; raises where it was altered since."""
    folder.mkdir(parents=True, exist_ok=True)
    path = fetch_manifest(tracking, version.logged_model, folder)
    check_manifest(version, path)
    manifest: dict[str, Any] = read_json(path)
    return manifest


def fetch_manifest(tracking: Tracking, logged_model: str, folder: Path) -> Path:
    """Bring the manifest of a logged model to `folder`."""
    with reporting(tracking.uri):
        location = tracking.client.get_logged_model(logged_model).artifact_location
        path = mlflow.artifacts.download_artifacts(
            f"{location}/artifacts/manifest.json", dst_path=str(folder), tracking_uri=tracking.uri
        )
    return Path(path)


def check_manifest(version: Version, path: Path) -> None:
    """Raise where a manifest is not the one that was uploaded with the version."""
    if version.manifest_hash is not None and sha256_file(path) != version.manifest_hash:
        raise RoleShiftError(f"{path}: differs from the manifest that version {version.number} was registered with")
    if read_json(path).get("content_id") != version.content_id:
        raise RoleShiftError(f"{path}: is of other content than version {version.number}")


def _search(tracking: Tracking, query: str) -> list[ModelVersion]:
    found: list[ModelVersion] = []
    token = None
    while True:
        page = tracking.client.search_model_versions(query, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _aliases(tracking: Tracking, name: str) -> dict[int, list[str]]:
    try:
        by_name = tracking.client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    by_number: dict[int, list[str]] = {}
    for alias, number in sorted(by_name.items()):
        by_number.setdefault(int(number), []).append(alias)
    return by_number


def _version(found: ModelVersion, aliases: dict[int, list[str]]) -> Version:
    tags = found.tags
    return Version(
        name=found.name,
        number=int(found.version),
        kind=tags.get(KIND, ""),
        model_id=tags.get(MODEL, ""),
        content_id=tags.get(CONTENT, ""),
        variant=tags.get(VARIANT, ""),
        complete=tags.get(STATE) == "complete",
        aliases=tuple(aliases.get(int(found.version), ())),
        evidence_run=tags.get(EVIDENCE),
        logged_model=tags.get("roleshift.logged_model", ""),
        experiment=tags.get(EXPERIMENT),
        created=int(found.creation_timestamp),
        manifest_hash=tags.get(MANIFEST),
        damaged=DAMAGED in tags,
    )
