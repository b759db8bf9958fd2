"""Graph surgery on exported models."""

from pathlib import Path

from roleshift.errors import RoleShiftError
from roleshift.generation.engine import LOGITS_FROM


def add_logits_from(path: Path) -> None:
    """Let the caller say from which position on it wants logits.

    The head is the largest matrix of a small model, and a prompt needs only its last position's
    logits. A graph input `logits_from` (int64 [1]) slices the head's input before it is multiplied;
    every logit that remains is what it was, in float32 also where the graph computes in fp16 or
    bf16 (NumPy has no bf16). Weights stay in their file.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    producers = {output: node for node in graph.node for output in node.output}
    node = producers.get("logits")
    # What stands between the head and the logits (a cast, a soft cap) works on each position alone.
    while node is not None and node.op_type not in ("MatMul", "MatMulNBits", "Gemm"):
        node = producers.get(node.input[0])
    if node is None:
        raise RoleShiftError(f"{path}: no matrix product makes its logits; this architecture cannot be exported yet")
    import numpy as np

    hidden, sliced = node.input[0], "logits_from/hidden"
    graph.input.append(helper.make_tensor_value_info(LOGITS_FROM, TensorProto.INT64, [1]))
    ends, axes = "logits_from/ends", "logits_from/axes"
    graph.initializer.append(numpy_helper.from_array(np.array([np.iinfo(np.int64).max]), ends))
    graph.initializer.append(numpy_helper.from_array(np.array([1]), axes))
    index = list(graph.node).index(node)
    graph.node.insert(
        index, helper.make_node("Slice", [hidden, LOGITS_FROM, ends, axes], [sliced], name="/logits_from/Slice")
    )
    node.input[0] = sliced
    for output in graph.output:
        if output.name == "logits":
            output.type.tensor_type.shape.dim[1].dim_param = "logits_length"
            if output.type.tensor_type.elem_type != TensorProto.FLOAT:
                half = "logits_from/half"
                last = producers["logits"]
                last.output[list(last.output).index("logits")] = half
                graph.node.append(helper.make_node("Cast", [half], ["logits"], to=TensorProto.FLOAT))
                output.type.tensor_type.elem_type = TensorProto.FLOAT
    # Shapes the builder inferred behind the head would contradict the slice.
    del graph.value_info[:]
    path.write_bytes(model.SerializeToString(deterministic=True))
