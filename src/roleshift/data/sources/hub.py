"""Models and data sets of the Hugging Face hub.

A declared revision is read once: what it gave stays until the declaration changes, so that a
branch name such as `main` moves nothing by itself; the manifest records the commit it stood for.
"""

import os
import sys
from pathlib import Path

from roleshift.data.sources.network import NetworkError, is_offline, refuse_offline, with_retries
from roleshift.data.sources.store import DownloadStore, Fetched
from roleshift.errors import RoleShiftError
from roleshift.files import read_json
from roleshift.params import DatasetSource, HubSource

PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""No pickles: loading one can run code."""


def fetch_hub(source: HubSource, store: DownloadStore) -> Fetched:
    """The top-level files of a model repository, out of the user's hub cache where they are there."""
    key = {"kind": "hub", "repo": source.repo, "revision": source.revision, "patterns": list(PATTERNS)}
    known = store.recall(key)
    if known is not None:
        return known
    what = f"{source.repo}@{source.revision}"
    folder = _cached_snapshot(source)
    if folder is None:
        refuse_offline(what)
        print(f"fetch: downloading {what} from the hub", file=sys.stderr, flush=True)
        folder = with_retries(what, lambda: _snapshot(source, local_files_only=False))
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    kept = [path for path in files if any(path.match(pattern) for pattern in PATTERNS)]
    if not any(path.suffix == ".safetensors" for path in kept):
        raise RoleShiftError(f"{what}: no *.safetensors among its files; only such weights are read, never pickles")
    index = folder / "model.safetensors.index.json"
    shards = set(read_json(index)["weight_map"].values()) if index.is_file() else set()
    missing = sorted(shards - {path.name for path in kept})
    if missing:
        raise RoleShiftError(f"{what}: {missing[0]} is missing in the hub's cache; fetch it once with a network")
    return store.remember(key, [store.add(path.resolve(), path.name) for path in kept], folder.name)


def _cached_snapshot(source: HubSource) -> Path | None:
    """The snapshot in the hub's cache; only believed when offline, since it may be incomplete."""
    if not is_offline():
        return None
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _snapshot(source, local_files_only=True)
    except LocalEntryNotFoundError:
        return None


def _snapshot(source: HubSource, *, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                source.repo,
                revision=source.revision,
                allow_patterns=list(PATTERNS),
                ignore_patterns=["*/*"],
                local_files_only=local_files_only,
            )
        )
    except GatedRepoError:
        raise RoleShiftError(
            f"{source.repo}: the hub asks for a login; accept its terms and run `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise RoleShiftError(f"{source.repo}: the hub has no such repository, or not for this login") from None
    except RevisionNotFoundError:
        raise RoleShiftError(f"{source.repo}: the hub has no revision {source.revision!r}") from None
    except LocalEntryNotFoundError:
        if local_files_only:
            raise
        raise NetworkError("the hub cannot be reached, and its cache does not hold this revision") from None
    except OSError as error:
        raise NetworkError(f"the hub cannot be reached ({type(error).__name__})") from None


def fetch_dataset(source: DatasetSource, store: DownloadStore) -> Fetched:
    """One split of a `datasets` id as one Parquet file, `data.parquet`."""
    key = {
        "kind": "dataset", "id": source.id, "config": source.config, "split": source.split, "revision": source.revision
    }  # fmt: skip
    known = store.recall(key)
    if known is not None:
        return known
    if is_offline():
        os.environ["HF_HUB_OFFLINE"] = "1"
    print(f"fetch: loading the data set {source.id}, split {source.split}", file=sys.stderr, flush=True)
    with store.scratch() as scratch:
        target = scratch / "data.parquet"
        with_retries(source.id, lambda: _write_dataset(source, target))
        file = store.add(target, target.name, move=True)
    return store.remember(key, [file], source.revision or "as first read")


def _write_dataset(source: DatasetSource, target: Path) -> None:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        data = load_dataset(source.id, source.config, split=source.split, revision=source.revision)
    except DatasetNotFoundError as error:
        refuse_offline(source.id)
        raise RoleShiftError(f"{source.id}: {str(error).splitlines()[0]}") from None
    except ValueError as error:
        raise RoleShiftError(f"{source.id}: {str(error).splitlines()[0]}") from None
    except OSError as error:
        refuse_offline(source.id)
        raise NetworkError(f"the hub cannot be reached ({type(error).__name__})") from None
    data.to_parquet(str(target))
