"""When a download may reach the network, and how often it is tried."""

import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from roleshift.errors import RoleShiftError

OFFLINE_VARIABLE = "ROLESHIFT_OFFLINE"
WAITS = (1.0, 4.0)
"""Seconds before the second and the third attempt."""

Result = TypeVar("Result")


class NetworkError(Exception):
    """A failure that another attempt may mend."""


def is_offline() -> bool:
    """Whether only what is already there may be used."""
    return os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")


def refuse_offline(what: str) -> None:
    """Raise when offline, saying how to get what is missing."""
    if is_offline():
        raise RoleShiftError(
            f"{what} is not in the download store, and {OFFLINE_VARIABLE} is set; "
            f"run `make repro` once with a network and without {OFFLINE_VARIABLE}, "
            "or bring .work/downloads from another checkout"
        )


def with_retries(
    what: str,
    attempt: Callable[[], Result],
    *,
    waits: tuple[float, ...] = WAITS,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Call `attempt` until it succeeds, waiting in between; the last failure becomes one line."""
    for wait in (*waits, None):
        try:
            return attempt()
        except NetworkError as error:
            if wait is None:
                raise RoleShiftError(
                    f"{what}: {error}; check the network, proxy and mirror, then run it again"
                ) from None
            print(f"fetch: {what}: {error}; trying again in {wait:g} s", file=sys.stderr, flush=True)
            sleep(wait)
    raise AssertionError("unreachable")
