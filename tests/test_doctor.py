"""The doctor says what is wrong and what to do, and tells by its exit code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from roleshift import doctor
from roleshift.params import parse_params, read_yaml
from roleshift.project import Project

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def by_name(findings: list[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in findings}


def test_runtimes_that_exclude_each_other_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda package: "1.0" if package.startswith("onnxruntime") else None)
    findings = list(doctor.runtimes())
    assert {finding.status for finding in findings} == {"fail"}
    assert "exclude each other" in findings[0].text


def test_a_missing_package_is_a_failure_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    assert all(f.status == "fail" and "make setup" in f.text for f in doctor.packages())


def test_sources_are_found_cached_missing_or_made_here(checkout: Path) -> None:
    (checkout / "params.yaml").write_text(
        (REPOSITORY / "params.yaml").read_text().replace("{ source: aclsum,", "{ source: gone,").replace(
            "sources: #", "sources:\n  gone: { kind: file, path: gone.jsonl, licence: MIT } #"
        )
    )  # fmt: skip
    project = Project.discover(checkout)
    params = doctor.load_params(checkout / "params.yaml")
    for source in params.sources.values():
        if source.kind == "pypi":
            (project.downloads / source.sha256).mkdir(parents=True)
    found = by_name(list(doctor.sources(project, params)))
    assert found["source gone"].status == "fail"
    assert "no such file" in found["source gone"].text
    assert "cached" in found["source smollm2"].text
    assert found["source python-stdlib"].status == "ok"


def test_every_source_that_is_fetched_is_looked_at(checkout: Path) -> None:
    raw = read_yaml(checkout / "params.yaml")
    raw["sources"]["corrections"] = {"kind": "feedback", "licence": "MIT"}
    raw["prepare"]["corrections"] = "corrections"
    raw["evaluation"]["semantic"] = {"source": "minilm", "languages": ["en"]}
    params = parse_params(raw, "params.yaml")
    project = Project.discover(checkout)
    for source in params.sources.values():
        if source.kind == "pypi":
            (project.downloads / source.sha256).mkdir(parents=True)
    found = by_name(list(doctor.sources(project, params)))
    assert "cached" in found["source minilm"].text
    assert found["source corrections"].status == "fail"
    assert "feedback/corrections.jsonl: no such file" in found["source corrections"].text


def test_json_and_exit_code_name_a_bad_params_file(checkout: Path) -> None:
    (checkout / "params.yaml").write_text("seed: -1")
    command = [str(Path(sys.executable).parent / "roleshift"), "doctor", "--json"]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert result.returncode == 1
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert findings["params"]["status"] == "fail"
    assert findings["python"]["status"] == "ok"


def test_a_password_in_the_tracking_uri_is_not_shown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:1")
    finding = doctor.tracking_store(Project.discover(checkout))
    assert finding.status == "fail"
    assert "secret" not in finding.text
