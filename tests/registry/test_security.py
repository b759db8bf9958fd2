"""What must never be in a registered version: pickles, secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from roleshift.databases import sqlite_path
from roleshift.files import read_json
from roleshift.params import load_params
from roleshift.registry.card import ensure_card, model_card, stored_card
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import download_manifest

REPOSITORY = Path(__file__).parents[2]
SECRET = "hunter2-a-secret-value"


def stored_files(tracking: Tracking) -> list[Path]:
    database = sqlite_path(tracking.uri)
    assert database is not None
    return [path for path in (database.parent / "mlartifacts").rglob("*") if path.is_file()]


def test_a_registered_version_holds_no_pickle(tracking: Tracking, registering: Callable[..., Registered]) -> None:
    registering()
    files = stored_files(tracking)
    assert files
    for path in files:
        assert path.suffix not in (".pkl", ".pickle", ".pt", ".bin", ".joblib"), path
        assert path.read_bytes()[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), path


def test_no_secret_of_the_environment_is_logged(
    tracking: Tracking, registering: Callable[..., Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "ROLESHIFT_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    registering()
    database = sqlite_path(tracking.uri)
    held = [*stored_files(tracking), *([database] if database else [])]
    assert len(held) > 10
    assert not [path for path in held if SECRET.encode() in path.read_bytes()]


def test_the_card_says_what_the_evidence_says(
    root: Path, tracking: Tracking, registering: Callable[..., Registered], tmp_path: Path
) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    version = registering().tuned
    evaluated = read_json(REPOSITORY / "docs/default-run/metrics/evaluate.json")
    manifest = download_manifest(tracking, version, tmp_path / "manifest")
    baseline = read_json(REPOSITORY / "docs/default-run/metrics/baseline.json")
    text = model_card(version, manifest, evaluated, baseline, params, {"finetune": 321.4, "export": 12.6})
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["base_model"] == manifest["base"]["origin"]
    assert {"summarize", "translate", version.variant} <= set(front["tags"])
    part = evaluated["capabilities"]["summarize"]
    value = part["systems"][evaluated["tuned"]["shipped"]]["metrics"][part["primary_metric"]]
    assert f"{100 * value['value']:.1f} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]" in text
    assert "- finetune: 321 s\n- export: 13 s" in text
    assert "CC-BY-SA-4.0" in text
    assert "change under noise" in text


def test_the_base_models_card_says_nothing_of_the_tuned_one_by_capability(
    tracking: Tracking, registering: Callable[..., Registered], tmp_path: Path
) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    version = registering().base
    evaluated, baseline = (
        read_json(REPOSITORY / f"docs/default-run/metrics/{name}.json") for name in ("evaluate", "baseline")
    )
    manifest = download_manifest(tracking, version, tmp_path / "manifest")
    text = model_card(version, manifest, evaluated, baseline, params, {})
    by_capability = text.partition("## By capability")[2]
    assert "### summarize" in by_capability
    assert evaluated["tuned"]["shipped"] not in by_capability
    for name, part in baseline["capabilities"].items():
        figure = part["systems"]["base"]["metrics"][part["primary_metric"]]
        assert f"{100 * figure['value']:.1f} [{100 * figure['low']:.1f}" in by_capability, name


def test_the_card_is_written_once_and_stays_with_the_version(
    root: Path, tracking: Tracking, registering: Callable[..., Registered]
) -> None:
    from shutil import copy

    for name in ("evaluate", "baseline"):
        copy(REPOSITORY / f"docs/default-run/metrics/{name}.json", root / f"metrics/{name}.json")
    params = load_params(REPOSITORY / "params.yaml")
    version = registering().tuned
    assert ensure_card(tracking, params, version)
    assert not ensure_card(tracking, params, version)
    card = stored_card(tracking, version)
    assert card.startswith("---\nlicense: apache-2.0")
    assert [f"- {stage}: 2 s" in card for stage in ("baseline", "finetune", "export", "select", "evaluate")] == [
        True
    ] * 5
