"""Evidence of other systems stays with a model, however often the pipeline runs."""

import json
from pathlib import Path

import pytest
from made_project import make_project

from roleshift.errors import RoleShiftError
from roleshift.files import list_files
from roleshift.impact.imports import import_results, read_import, read_mapping, write_import
from roleshift.registry.impact_evidence import attach, imported
from roleshift.registry.versions import resolve

MAPPING = """
origin: hosted model X
tasks:
  a: {capability: answer, domain: news, language: en, metric: exact_match, threshold: 1, threshold_reason: r}
"""


@pytest.fixture
def result(tmp_path: Path) -> Path:
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "r.jsonl").write_text("".join(json.dumps({"task": "a", "id": i, "score": 1}) + "\n" for i in range(5)))
    mapping = read_mapping(tmp_path / "mapping.yaml")
    write_import(tmp_path / "import", *import_results(tmp_path / "r.jsonl", mapping, mapping.origin))
    return tmp_path / "import"


def test_it_takes_the_version_s_identity_and_stays_when_the_evidence_run_changes(
    registering, tracking, root, result, tmp_path
):
    registering()
    version = resolve(tracking, "roleshift", "challenger")
    attach(tracking, version, result, "hosted model X")
    make_project(root, outputs="another answer")
    registering()
    newer = resolve(tracking, "roleshift", "challenger")
    assert newer.evidence_run != version.evidence_run
    with imported(tracking, newer, tmp_path / "down") as folders:
        (folder,) = folders
        items, scores, _ = read_import(folder)
    assert set(items["model_id"]) == set(scores["model_id"]) == {version.model_id}
    assert set(items["variant"]) == {version.variant}
    assert set(items["origin"]) == {"hosted model X"}
    with imported(tracking, resolve(tracking, "roleshift", "baseline"), tmp_path / "base") as folders:
        assert folders == []


def test_the_same_origin_again_takes_the_place_of_the_earlier_one(registering, tracking, result, tmp_path):
    registering()
    version = resolve(tracking, "roleshift", "challenger")
    for _ in range(2):
        run = attach(tracking, version, result, "hosted model X")
    other = attach(tracking, version, result, "hosted model Y")
    with imported(tracking, version, tmp_path / "down") as folders:
        assert {folder.parent.name for folder in folders} == {run, other}
        assert all(list_files(folder) for folder in folders)


def test_an_import_that_lost_a_file_is_named(registering, tracking, result, tmp_path):
    registering()
    version = resolve(tracking, "roleshift", "challenger")
    run = attach(tracking, version, result, "hosted model X")
    for path in list_files(tmp_path):
        if path.name == "imported-tasks.json" and run in path.parts:
            path.unlink()
    with (
        pytest.raises(RoleShiftError, match=f"run {run} is incomplete"),
        imported(tracking, version, tmp_path / "down"),
    ):
        pass
