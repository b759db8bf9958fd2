"""Fetch: bring the base model and the corpora that params.yaml names, and check their hashes.

Run: dvc repro fetch
"""

from importlib.util import find_spec
from pathlib import Path

from roleshift.data.sources.fetching import RandomModelWriter, fetch_sources
from roleshift.files import sha256_file, write_json
from roleshift.stage import Stage, run_stage

TINY = "roleshift.training.tiny"


def fetch(stage: Stage) -> None:
    """Fill data/raw/<source>/ and write the manifest."""
    raw = stage.out / "data/raw"
    raw.mkdir(parents=True)
    manifest = fetch_sources(stage.params, stage.project, raw, RandomModelWriter(_write_random_model, _recipe()))
    write_json(stage.out / "data/manifest.json", manifest)


def _write_random_model(folder: Path, architecture: str, seed: int) -> None:
    from roleshift.training.tiny import write_tiny_model  # imports torch, which most runs do not need here

    write_tiny_model(folder, architecture, seed)  # type: ignore[arg-type]


def _recipe() -> str:
    spec = find_spec(TINY)
    assert spec is not None and spec.origin is not None
    return sha256_file(Path(spec.origin))


if __name__ == "__main__":
    run_stage("fetch", fetch)
