"""`roleshift serve` as a process of its own: where it listens, when it is ready, how it ends."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from served_models import add_version
from server_checks import wait_for

from roleshift.files import read_json
from roleshift.params import load_params
from roleshift.project import Project
from roleshift.registry.tracking import tracking_of

REPOSITORY = Path(__file__).parents[2]
ROLESHIFT = [str(Path(sys.executable).parent / "roleshift"), "serve"]


@pytest.fixture
def folder(tmp_path: Path, first_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "ROLESHIFT_FEEDBACK_URI", "ROLESHIFT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    tracking = tracking_of(Project(tmp_path, tmp_path), load_params(tmp_path / "params.yaml"))
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    return tmp_path


@dataclass
class Served:
    process: "subprocess.Popen[str]"
    url: str


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """`roleshift serve` in the folder, ready."""
    process = subprocess.Popen([*ROLESHIFT, "--port", "0"], cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "listening on" in line)
        found = re.search(r"http://127\.0\.0\.1:\d+", said)  # this machine alone, unless told otherwise
        assert found
        assert requests.get(f"{found[0]}/health", timeout=30).status_code == 200
        end = time.monotonic() + 120
        while (ready := requests.get(f"{found[0]}/ready", timeout=30)).status_code != 200:
            assert ready.status_code == 503
            assert time.monotonic() < end
            time.sleep(0.1)
        yield Served(process, found[0])
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with serving(folder) as found:
        yield found


def test_sigterm_lets_what_runs_finish(served: Served) -> None:
    bodies = [{"model": "roleshift", "prompt": f"text {i}", "max_tokens": 400, "stream": True} for i in range(3)]
    answers = [
        requests.post(f"{served.url}/v1/completions", json=body, stream=True, timeout=60).iter_lines()
        for body in bodies
    ]
    for lines in answers:
        assert next(lines).startswith(b"data: ")
    served.process.send_signal(signal.SIGTERM)
    for lines in answers:
        *_, last, done = [line for line in lines if line]
        assert (b'"finish_reason": "length"' in last or b'"finish_reason": "stop"' in last, done) == (
            True,
            b"data: [DONE]",
        )
    assert served.process.wait(60) in (0, -signal.SIGTERM)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{served.url}/health", timeout=5)


def test_other_machines_are_let_in_only_with_a_key(folder: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ROLESHIFT_API_KEY"}
    result = subprocess.run(
        [*ROLESHIFT, "--host", "0.0.0.0"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode != 0
    assert "set ROLESHIFT_API_KEY first" in result.stderr


def test_a_restart_without_the_registry_says_so_everywhere_until_it_is_back(folder: Path) -> None:
    database = folder / "mlflow.db"
    with serving(folder) as first:
        assert requests.get(f"{first.url}/health", timeout=30).json()["source"] == "registry"
    database.rename(folder / "away.db")
    body = {"model": "roleshift", "prompt": "text", "max_tokens": 4}
    with serving(folder) as again:
        health = requests.get(f"{again.url}/health", timeout=30).json()
        assert (health["status"], health["source"]) == ("ok", "last verified copy")
        assert f"{database}: no such file" in health["alert"]
        assert "roleshift_last_copy 1.0" in requests.get(f"{again.url}/metrics", timeout=30).text
        assert read_json(folder / ".work/alerts/serving.json")["alert"] == health["alert"]
        assert again.process.stderr is not None
        assert "last verified copy" in next(line for line in again.process.stderr if "no such file" in line)
        answer = requests.post(f"{again.url}/v1/completions", json=body, timeout=60)
        assert (answer.status_code, answer.headers["x-roleshift-version"]) == (200, "roleshift/1")
        assert not database.exists()  # looking for a registry makes none
        (folder / "away.db").rename(database)
        wait_for(lambda: not (folder / ".work/alerts/serving.json").exists())
        health = requests.get(f"{again.url}/health", timeout=30).json()
        assert (health["source"], health["alert"]) == ("registry", None)
        assert "roleshift_last_copy 0.0" in requests.get(f"{again.url}/metrics", timeout=30).text
