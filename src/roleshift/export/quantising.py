"""Two graphs of one float32 graph: one whose activations are quantised too, one with weights alone.

Large matrix products (a prompt) gain from integer activations, and their cost is arithmetic. Single
tokens (an answer) gain from small weights, their cost is memory, and blocks of weights with a scale
each lose nothing. So prompts and answers get a graph each, of the same weights.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError

PREFILL, DECODE, WEIGHTS = "prefill.onnx", "decode.onnx", "weights.data"
INLINE_BYTES = 1024
"""Smaller tensors stay in the graph's own file."""
PAGE = 4096
"""Tensors begin at multiples of it, so that ONNX Runtime can map them into memory."""


def quantise_two_graphs(
    source: Path, folder: Path, *, bits: int, block_size: int, accuracy_level: int, exclude: Sequence[str]
) -> dict[str, str]:
    """Write both graphs of the float32 graph `source` to `folder`; the manifest's `graphs`.

    `exclude` names nodes of matrix products that stay in float32 in both.
    """
    import onnx

    known = {node.name for node in onnx.load(str(source), load_external_data=False).graph.node}
    for name in exclude:
        if name not in known:
            raise RoleShiftError(f"exclude_nodes: the graph has no node {name!r}; see its names in a built model.onnx")
    with SharedWeights(folder / WEIGHTS) as weights:
        for name, model in (
            (PREFILL, quantise_dynamically(source, exclude)),
            (DECODE, quantise_blocks(source, bits, block_size, accuracy_level, exclude)),
        ):
            weights.take(model)
            (folder / name).write_bytes(model.SerializeToString(deterministic=True))
    return {"prefill": PREFILL, "decode": DECODE}


def quantise_dynamically(source: Path, exclude: Sequence[str]) -> Any:
    """Weights of matrix products as int8 with a scale per channel; activations as uint8 as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It recommends a pre-processing that this graph, already fused, does not need.
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(dir=source.parent) as temporary:
            target = Path(temporary) / PREFILL
            quantize_dynamic(
                str(source),
                str(target),
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=list(exclude),
                use_external_data_format=True,
                # The type of what custom operators give, which ONNX's own shape inference does not know.
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
            return onnx.load(str(target))
    finally:
        root.setLevel(level)


def quantise_blocks(source: Path, bits: int, block_size: int, accuracy_level: int, exclude: Sequence[str]) -> Any:
    """Weights of matrix products in blocks of `block_size` with a scale each (MatMulNBits), symmetric."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(
        onnx.load(str(source)),
        bits=bits,
        block_size=block_size,
        is_symmetric=True,
        accuracy_level=accuracy_level,
        nodes_to_exclude=list(exclude),
    )
    quantizer.process()
    return quantizer.model.model


class SharedWeights:
    """One file of weights for several graphs: a tensor that two of them hold is stored once."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._stream = path.open("wb")
        self._offsets: dict[bytes, int] = {}

    def take(self, model: Any) -> None:
        """Move a model's tensors to the file; the model refers to them there."""
        import hashlib

        from onnx import external_data_helper, numpy_helper

        for tensor in model.graph.initializer:
            content = numpy_helper.to_array(tensor).tobytes()
            if len(content) < INLINE_BYTES:
                continue
            key = hashlib.sha256(content).digest()
            if key not in self._offsets:
                self._stream.write(b"\0" * (-self._stream.tell() % PAGE))
                self._offsets[key] = self._stream.tell()
                self._stream.write(content)
            for field in ("float_data", "int32_data", "int64_data"):
                tensor.ClearField(field)
            tensor.raw_data = content
            external_data_helper.set_external_data(
                tensor, location=self._name, offset=self._offsets[key], length=len(content)
            )
            tensor.ClearField("raw_data")

    def __enter__(self) -> "SharedWeights":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
