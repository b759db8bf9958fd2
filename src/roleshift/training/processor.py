"""What the machine offers: bf16 arithmetic, a compiler, cores, memory used."""

import os
import resource
import shutil
import sys
from typing import Literal

import torch

Precision = Literal["bf16", "fp32"]


def choose_precision(asked: Literal["auto", "bf16", "fp32"]) -> Precision:
    """bf16 where the processor multiplies in it (AVX-512 BF16, AMX or Arm BF16), unless one is asked for."""
    if asked != "auto":
        return asked
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if any(capabilities[name] for name in capabilities if name.endswith("bf16")) else "fp32"


def available_cores() -> int:
    """The cores that this process may use, or `OMP_NUM_THREADS`."""
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        return int(os.environ["OMP_NUM_THREADS"])
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_compiler() -> bool:
    """Whether there is a C++ compiler for torch's inductor to call."""
    return any(shutil.which(name) for name in (os.environ.get("CXX"), "g++", "clang++") if name)


def peak_memory_gb() -> float:
    """The largest resident size of this process so far, in GB (10^9 bytes)."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) / 1e9
