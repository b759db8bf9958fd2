"""The dashboard as a real server, and how a test waits for what it draws."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roleshift.dashboard import SETTLED
from roleshift.dashboard import serving as serving_app

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@contextmanager
def serving(folder: Path, *, port: int | None = None, **environment: str) -> Iterator[str]:
    """The dashboard on the project in `folder`, until the block ends; its address."""
    with serving_app(REPOSITORY / "dashboards/app.py", folder, port=port, environment=environment) as (address, _):
        yield address


def settle(page) -> None:
    """Wait until the page is drawn."""
    page.wait_for_function(SETTLED, timeout=300_000)
