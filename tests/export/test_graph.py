"""The graph input that says from where on logits are wanted."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from roleshift.errors import RoleShiftError
from roleshift.export.graph import add_logits_from


def write_head(path: Path, operator: str, kind: int, dtype: type) -> np.ndarray:
    """A model that is a head alone; its weights."""
    weights = np.random.default_rng(0).normal(size=(4, 6)).astype(dtype)
    shape = ["batch", "length"]
    inputs = ["hidden", "weights"] if operator == "MatMul" else ["hidden", "hidden"]
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["logits"], name="/lm_head")],
        "head",
        [helper.make_tensor_value_info("hidden", kind, [*shape, 4])],
        [helper.make_tensor_value_info("logits", kind, [*shape, 6])],
        [numpy_helper.from_array(weights, "weights")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return weights


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.FLOAT, np.float32), (TensorProto.FLOAT16, np.float16)])
def test_logits_are_those_of_the_positions_asked_for_and_float32(kind: int, dtype: type, tmp_path: Path) -> None:
    weights = write_head(tmp_path / "model.onnx", "MatMul", kind, dtype)
    add_logits_from(tmp_path / "model.onnx")
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    hidden = np.random.default_rng(1).normal(size=(2, 5, 4)).astype(dtype)
    expected = hidden.astype(np.float32) @ weights.astype(np.float32)
    for start in (0, 3, 4):
        [logits] = session.run(None, {"hidden": hidden, "logits_from": np.array([start])})
        assert logits.dtype == np.float32
        assert np.allclose(logits, expected[:, start:], atol=1e-5 if dtype is np.float32 else 2e-2)


def test_model_without_a_head_is_refused(tmp_path: Path) -> None:
    write_head(tmp_path / "model.onnx", "Mul", TensorProto.FLOAT, np.float32)
    with pytest.raises(RoleShiftError, match=r"model\.onnx: no matrix product makes its logits"):
        add_logits_from(tmp_path / "model.onnx")
