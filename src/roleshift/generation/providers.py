"""Which execution provider of ONNX Runtime can really run here."""

import ctypes
from functools import cache

import onnxruntime as ort


@cache
def missing_for_cuda() -> str | None:
    """What ONNX Runtime lacks to run on CUDA; None where nothing is known to be missing.

    That a build knows CUDA says nothing about the machine: driver and device are asked as well.
    """
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return "this onnxruntime is a CPU build (install the extra `gpu`)"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver sees no device"
    return None
