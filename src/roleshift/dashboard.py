"""The dashboard as a server on loopback for as long as somebody needs it: photographs, benchmarks, browser tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from roleshift.errors import RoleShiftError

START_SECONDS, STOP_SECONDS = 180, 20
# A page's script has ended, nothing is a placeholder any more and no slow answer is on its way (the key "waiting" of
# dashboards/components/background.py), for half a second.
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const done = app?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton], [class*=st-key-waiting]');
  window.settledSince = done ? (window.settledSince ?? Date.now()) : undefined;
  return done && Date.now() - window.settledSince > 500;
}"""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(
    app: Path, folder: Path, *, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Serve `app` on the project in `folder`; yields the address and the process's id.

    `environment` is added to this process's own, without MLFLOW_TRACKING_URI. Raises where the server
    does not come up.
    """
    port = port or free_port()
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    around = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(app), *options], cwd=folder, env=around | dict(environment or {})
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(server, address)
        yield address, server.pid
    finally:
        server.terminate()
        try:
            server.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:  # a page still computes; there is nothing of it to keep
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urlopen(f"{address}/_stcore/health", timeout=1)  # noqa: S310 - loopback
            return
        except (URLError, OSError):
            time.sleep(0.3)
    raise RoleShiftError("the dashboard did not start; its own message stands above")
