"""The dashboard as a real server, and how a test waits for what it draws."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const done = app?.dataset.testScriptState === 'notRunning' && !document.querySelector('[data-testid=stSkeleton]');
  window.settledSince = done ? (window.settledSince ?? Date.now()) : undefined;
  return done && Date.now() - window.settledSince > 500;
}"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(folder: Path, *, port: int | None = None, **environment: str) -> Iterator[str]:
    """The dashboard on the project in `folder`, until the block ends; its address."""
    port = port or free_port()
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "dashboards/app.py"), *options]
    around = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    server = subprocess.Popen(command, cwd=folder, env=around | environment)
    try:
        for _ in range(240):
            try:
                urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except (URLError, OSError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def settle(page) -> None:
    """Wait until the script has ended and every element has been drawn for half a second."""
    page.wait_for_function(SETTLED, timeout=120_000)
