"""`mlflow models serve --env-manager uv` answers in an environment that it makes itself, outside the checkout."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from served_models import add_version
from server_checks import offline

from roleshift.registry.tracking import open_tracking

BIN = Path(sys.executable).parent
MAKING = 1800
"""Seconds that downloading the environment's packages may take before something must be wrong."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, first_model: Path) -> Iterator[str]:
    folder, elsewhere = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("elsewhere")
    tracking = open_tracking(f"sqlite:///{folder}/mlflow.db", folder, "roleshift")
    add_version(tracking, first_model, "challenger", "onnx-fp32")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "MLFLOW_TRACKING_URI": tracking.uri, "MLFLOW_ENV_ROOT": str(elsewhere / "envs"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    command = [BIN / "mlflow", "models", "serve", "-m", "models:/roleshift@challenger", "--env-manager", "uv", "--port",
               str(port)]  # fmt: skip
    with (elsewhere / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=elsewhere, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + MAKING
        while not _answers(f"{url}/ping"):
            assert server.poll() is None and time.monotonic() < end, (elsewhere / "log").read_text()[-4000:]
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize(
    ("body", "times"),
    [
        ({"inputs": ["hello there"]}, 1),
        ({"inputs": {"messages": [{"role": "user", "content": "hello there"}]}}, 1),
        ({"dataframe_split": {"columns": ["prompt"], "data": [["hello there"], ["hello there"]]}}, 2),
    ],
)
def test_strings_messages_and_frames_are_answered_as_offline(
    address: str, first_model: Path, body: dict[str, object], times: int
) -> None:
    answer = requests.post(f"{address}/invocations", json=body | {"params": {"max_new_tokens": 7}}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == offline(first_model, ["hello there"], 7) * times
