"""The real 135M model, after `make repro PROFILE=ci` has run it through every stage."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
RUN = REPOSITORY / "runs/ci"

pytestmark = pytest.mark.real


def test_the_export_agrees_with_torch_and_a_variant_ships() -> None:
    export = json.loads((RUN / "metrics/export.json").read_text())
    selection = json.loads((RUN / "metrics/selection.json").read_text())
    assert export["supported"]
    assert selection["shipped"] in ("onnx-fp32", "onnx-int8", "onnx-int8-rotated")


def test_every_capability_was_measured_beside_base_and_floor() -> None:
    summary = json.loads((RUN / "metrics/evaluate.json").read_text())
    assert set(summary["capabilities"]) == {"summarize", "headline", "classify", "translate", "document_code"}
    for part in summary["capabilities"].values():
        assert {"base", "base-shots", part["best_floor"], summary["tuned"]["shipped"]} <= set(part["systems"])


def test_the_optional_embedding_model_scored_every_english_answer() -> None:
    parts = json.loads((RUN / "metrics/evaluate.json").read_text())["capabilities"]
    for name in ("summarize", "headline", "document_code"):
        for system in parts[name]["systems"].values():
            assert 0 <= system["metrics"]["semantic"]["value"] <= 1
        random, shipped = parts[name]["systems"]["floor-random-reference"], parts[name]["signatures"]["semantic"]
        assert random["metrics"]["semantic"]["value"] < 0.9
        assert shipped.startswith("semantic|model:minilm@")
    assert "semantic" not in parts["translate"]["signatures"]


def test_the_challenger_loads_in_a_fresh_process_and_answers() -> None:
    script = (
        "import mlflow, sys\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/roleshift-ci@challenger')\n"
        "answer = model.predict(['Name the topic of this text: gravity bends light.'], params={'max_new_tokens': 8})\n"
        "print('ANSWER', answer)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as elsewhere:
        command = [sys.executable, "-c", script, f"sqlite:///{RUN / 'mlflow.db'}"]
        result = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "ANSWER" in result.stdout
