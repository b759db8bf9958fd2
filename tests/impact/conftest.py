"""What several tests of the impact share."""

from pathlib import Path

import pytest

from roleshift.impact.setting import Setting, open_setting
from roleshift.params import ImpactParams


@pytest.fixture(scope="session")
def setting() -> Setting:
    """The bundled catalogue under the default assumptions, with few draws."""
    return open_setting(ImpactParams(draws=100), 17, Path)
