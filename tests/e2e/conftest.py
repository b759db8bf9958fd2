"""What the browser tests share: the smoke profile's run, made once if it is not there yet, servers, Chromium."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import REPOSITORY, serving

from roleshift.project import Project
from roleshift.publishing import copy_published
from roleshift.registry.moving import relocate

SMOKE = REPOSITORY / "runs/smoke"
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the committed default run alone: no texts, cache or store."""
    folder = tmp_path_factory.mktemp("clone")
    copy_published(Project.discover(REPOSITORY), folder)
    return folder


@pytest.fixture(scope="session")
def address(clone: Path) -> Iterator[str]:
    with serving(clone) as found:
        yield found


@pytest.fixture(scope="session")
def smoke() -> Path:
    """The smoke profile's complete run; made once if it is not there yet."""
    command = [
        str(Path(sys.executable).parent / "roleshift"),
        "run",
        "--params",
        "profiles/smoke.yaml",
        "--name",
        "smoke",
    ]
    if not (SMOKE / "metrics/register.json").is_file():
        subprocess.run(command, cwd=REPOSITORY, check=True)
    shutil.copytree(REPOSITORY / ".streamlit", SMOKE / ".streamlit", dirs_exist_ok=True)  # an older run has older ones
    return SMOKE


@pytest.fixture(scope="session")
def stores(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Copies of the smoke run's registry and a new feedback store: what tests change is theirs."""
    folder = tmp_path_factory.mktemp("stores")
    shutil.copy(smoke / "mlflow.db", folder / "mlflow.db")
    shutil.copytree(smoke / "mlartifacts", folder / "mlartifacts")
    registry = f"sqlite:///{folder}/mlflow.db"
    relocate(registry)
    return {
        "MLFLOW_TRACKING_URI": registry,
        "ROLESHIFT_FEEDBACK_URI": f"sqlite:///{folder}/feedback.db",
    }


@pytest.fixture(scope="session")
def smoke_address(smoke: Path, stores: dict[str, str]) -> Iterator[str]:
    with serving(smoke, **stores) as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=120_000)  # guards against a page that hangs, far above what a page takes
    path = shutil.which("chromium") or "chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield started
        started.close()
