"""A tracking store in another folder than it was made in."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from roleshift.errors import RoleShiftError
from roleshift.registry.lineage import verify
from roleshift.registry.moving import relocate
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import resolve


def test_a_moved_store_is_refused_until_its_addresses_point_to_the_artifacts_beside_it(
    tracking: Tracking, registering: Callable[..., Registered], tmp_path: Path
) -> None:
    registering()
    new = tmp_path / "moved"
    new.mkdir()
    uri = f"sqlite:///{new}/mlflow.db"
    shutil.move(tmp_path / "mlflow.db", new / "mlflow.db")
    with pytest.raises(RoleShiftError, match=f"keeps its artifacts in {(tmp_path / 'mlartifacts').as_uri()}"):
        open_tracking(uri, new, "roleshift")
    with pytest.raises(RoleShiftError, match=f"{new}/mlartifacts: is not there; copy it from"):
        relocate(uri)
    shutil.move(tmp_path / "mlartifacts", new / "mlartifacts")
    assert relocate(uri) > 5
    assert relocate(uri) == 0
    moved = open_tracking(uri, new, "roleshift")
    for word in ("baseline", "challenger"):
        assert verify(moved, resolve(moved, "roleshift", word)) > 5
