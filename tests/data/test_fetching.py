import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roleshift.data.sources import hub, local
from roleshift.data.sources.fetching import RandomModelWriter, fetch_sources, used_sources
from roleshift.data.sources.store import DownloadStore
from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree
from roleshift.params import DatasetSource, HubSource, Params
from roleshift.project import Project

COLUMNS = {"input": "question", "references": ["answer"]}
CORPUS = {"source": "mine", "adapter": "table", "task": "document-python", "columns": COLUMNS}


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def random_model(written: list[str]) -> RandomModelWriter:
    def write(folder: Path, architecture: str, seed: int) -> None:
        written.append(architecture)
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"architecture": architecture, "seed": seed}))

    return RandomModelWriter(write, "recipe 1")


@pytest.fixture
def params(make_params: Callable[..., Params]) -> Params:
    return make_params(
        base={"source": "tiny"},
        sources={
            "tiny": {"kind": "random-model", "seed": 3},
            "mine": {"kind": "file", "path": "mine.jsonl", "licence": "CC0"},
            "unused": {"kind": "file", "path": "nowhere", "licence": "CC0"},
        },
        corpora={"mine": CORPUS},
    )


def test_only_sources_that_are_used_are_fetched(params: Params) -> None:
    assert list(used_sources(params)) == ["mine", "tiny"]


def test_an_unchanged_run_gives_the_same_bytes_and_an_edited_file_is_seen(
    tmp_path: Path, params: Params, random_model: RandomModelWriter, written: list[str]
) -> None:
    project = Project(tmp_path, tmp_path)
    (tmp_path / "mine.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    first = fetch_sources(params, project, tmp_path / "raw1", random_model)
    second = fetch_sources(params, project, tmp_path / "raw2", random_model)
    assert first == second
    assert hash_tree(tmp_path / "raw1") == hash_tree(tmp_path / "raw2")
    assert written == ["llama"]
    assert first["mine"]["licence"] == "CC0"
    assert set(first["tiny"]["sha256"]) == {"config.json"}
    (tmp_path / "mine.jsonl").write_text('{"question": "a", "answer": "c"}\n')
    third = fetch_sources(params, project, tmp_path / "raw3", random_model)
    assert third["mine"]["sha256"] != first["mine"]["sha256"]
    assert third["tiny"] == first["tiny"]
    assert '"b"' in (tmp_path / "raw1/mine/mine.jsonl").read_text()


def test_a_folder_comes_as_it_is_without_what_tools_leave_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "sub/a.txt").write_text("a")
    (folder / ".git/HEAD").write_text("x")
    fetched = local.fetch_file(folder, "model", DownloadStore(tmp_path / "store"))
    assert [file.name for file in fetched.files] == ["config.json", "sub/a.txt"]


def test_a_missing_file_names_the_path_in_params(tmp_path: Path) -> None:
    with pytest.raises(RoleShiftError, match=r"no such file or folder; correct the source's path 'data/x\.csv'"):
        local.fetch_file(tmp_path / "x.csv", "data/x.csv", DownloadStore(tmp_path))


def test_the_standard_library_snapshot_leaves_out_tests_and_installed_packages(tmp_path: Path) -> None:
    for name in (
        "json/__init__.py",
        "test/test_json.py",
        "json/tests/a.py",
        "site-packages/x.py",
        "_sysconfigdata_x.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    lines = [json.loads(line) for line in local.stdlib_jsonl(tmp_path).splitlines()]
    assert lines == [{"path": "json/__init__.py", "text": "# json/__init__.py\n"}]


def cached_model(cache: Path, files: dict[str, str], commit: str = "c" * 40) -> HubSource:
    """A repository in the layout of the hub's cache."""
    repo = cache / "models--team--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/main").write_text(commit)
    (repo / "blobs").mkdir()
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for i, (name, text) in enumerate(files.items()):
        (repo / f"blobs/{i}").write_text(text)
        (snapshot / name).symlink_to(f"../../blobs/{i}")
    return HubSource(kind="hub", repo="team/model", revision="main", licence="MIT")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("ROLESHIFT_OFFLINE", "1")
    return tmp_path / "hub"


def test_a_hub_model_comes_offline_from_the_hubs_cache_without_pickles(tmp_path: Path, hub_cache: Path) -> None:
    source = cached_model(hub_cache, {"config.json": "{}", "model.safetensors": "w", "pytorch_model.bin": "pickle"})
    fetched = hub.fetch_hub(source, DownloadStore(tmp_path / "store"))
    assert [file.name for file in fetched.files] == ["config.json", "model.safetensors"]
    assert fetched.revision == "c" * 40
    assert not any(file.path.is_symlink() for file in fetched.files)


def test_a_hub_model_of_pickles_alone_is_refused(tmp_path: Path, hub_cache: Path) -> None:
    source = cached_model(hub_cache, {"config.json": "{}", "pytorch_model.bin": "pickle"})
    with pytest.raises(RoleShiftError, match="never pickles"):
        hub.fetch_hub(source, DownloadStore(tmp_path / "store"))


def test_an_incomplete_hub_cache_is_noticed(tmp_path: Path, hub_cache: Path) -> None:
    weights: dict[str, Any] = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {"model.safetensors.index.json": json.dumps(weights), "model-1.safetensors": "w"}
    with pytest.raises(RoleShiftError, match=r"model-2\.safetensors is missing"):
        hub.fetch_hub(cached_model(hub_cache, files), DownloadStore(tmp_path / "store"))


def test_offline_a_hub_model_that_is_not_cached_says_what_to_do(tmp_path: Path, hub_cache: Path) -> None:
    source = HubSource(kind="hub", repo="team/model", revision="main", licence="MIT")
    with pytest.raises(RoleShiftError, match="team/model@main is not in the download store"):
        hub.fetch_hub(source, DownloadStore(tmp_path / "store"))


def test_a_data_set_becomes_one_parquet_file_and_is_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import polars as pl

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    source = DatasetSource(kind="dataset", id=str(folder), licence="MIT")
    store = DownloadStore(tmp_path / "store")
    fetched = hub.fetch_dataset(source, store)
    assert pl.read_parquet(fetched.files[0].path)["text"].to_list() == ["a", "b"]
    (folder / "train.jsonl").unlink()
    assert hub.fetch_dataset(source, store) == fetched
