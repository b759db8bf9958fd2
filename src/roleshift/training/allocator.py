"""glibc's allocator, set up for training: keep freed memory, and use huge pages.

A training step allocates and frees the same large tensors again and again; as shipped glibc hands
them back to the system each time, and the page faults cost a tenth of the speed. The settings are
read when a process starts, so the process starts itself once more with them.
"""

import os
import platform
import sys
from collections.abc import Mapping

MARKER = "ROLESHIFT_ALLOCATOR"
SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
HUGE_PAGES = "glibc.malloc.hugetlb=1"


def tuned_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the allocator's settings added; what a user has set stays."""
    tunables = environment.get("GLIBC_TUNABLES", "")
    if "glibc.malloc.hugetlb" not in tunables:
        tunables = f"{tunables}:{HUGE_PAGES}".lstrip(":")
    return {**SETTINGS, **environment, "GLIBC_TUNABLES": tunables, MARKER: "tuned"}


def restart_with_tuned_allocator() -> None:
    """On Linux with glibc, replace this process by itself with the settings; elsewhere do nothing.

    Call it before anything is imported that takes long. It happens once: the marker is inherited.
    Set ROLESHIFT_ALLOCATOR to anything to keep the allocator as shipped.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc" and MARKER not in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, tuned_environment(os.environ))  # noqa: S606
