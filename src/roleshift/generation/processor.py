"""What the processor computes in, and how many cores of it there are."""

import os
import platform
from functools import cache
from pathlib import Path
from typing import Literal


@cache
def native_precision() -> Literal["bf16", "fp32"]:
    """bf16 where the processor (or the CUDA device) computes in it, else fp32."""
    import torch

    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    flags = _cpu_flags()
    return "bf16" if {"avx512_bf16", "amx_bf16", "bf16"} & flags else "fp32"


def int8_products_saturate() -> bool:
    """Whether ONNX Runtime's int8 matrix products may overflow here: on x86 without VNNI they add up in 16 bits."""
    flags = _cpu_flags()
    return platform.machine() == "x86_64" and bool(flags) and not {"avx512_vnni", "avx_vnni", "amx_int8"} & flags


@cache
def physical_cores() -> int:
    """Cores this process may use, a core's two hyper-threads counted once."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            cores.add(
                ((topology / "physical_package_id").read_text().strip(), (topology / "core_id").read_text().strip())
            )
        except OSError:
            cores.add((str(cpu), ""))
    return max(1, len(cores))


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    # x86 calls them flags, arm Features
    line = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return set(line.partition(":")[2].split())
