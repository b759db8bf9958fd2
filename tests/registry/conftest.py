"""A migrated, empty tracking store, made once: the first use of a database takes seconds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_project import make_project

from roleshift.registry.manifest import Made, read_made
from roleshift.registry.registering import Registered, register
from roleshift.registry.tracking import Tracking, open_tracking


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    open_tracking(f"sqlite:///{folder}/mlflow.db", folder, "other")
    return folder / "mlflow.db"


@pytest.fixture
def tracking(tmp_path: Path, migrated: Path) -> Tracking:
    shutil.copy(migrated, tmp_path / "mlflow.db")
    return open_tracking(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "roleshift")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_project(tmp_path / "a project")


@pytest.fixture
def made(root: Path) -> Made:
    return read_made(root, "smollm2")


@pytest.fixture
def registering(tracking: Tracking, root: Path) -> Callable[..., Registered]:
    def run(*, experiment: str | None = None, move_aliases: bool = True) -> Registered:
        made = read_made(root, "smollm2")
        return register(tracking, root, "roleshift", made, experiment=experiment, move_aliases=move_aliases)

    return run
