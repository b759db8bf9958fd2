"""The decoding engine over ONNX Runtime sessions: rows of shared key-value buffers, nothing copied.

Each row of the buffers holds one sequence. A prompt is computed alone (batch 1) into its row, then
all rows decode together; a finished row is free for the next prompt. Inputs and outputs of the
cache are bound to the same memory, so that a step writes its keys and values in place. The graphs
are those of onnxruntime-genai's model builder: GroupQueryAttention reads each row's length from
the attention mask, so rows of different lengths need no padding on the left.

A variant has one graph, or two of the same weights: one for prompts, whose activations are
quantised as well, and one for what follows them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from roleshift.errors import RoleShiftError
from roleshift.files import read_json
from roleshift.generation.prefixes import Prefixes

LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
BFLOAT16 = 16
"""ONNX's number of a type that NumPy lacks (TensorProto.BFLOAT16)."""
ELEMENT_TYPES: dict[str, tuple[Any, int]] = {
    "tensor(float)": (np.float32, 4),
    "tensor(float16)": (np.float16, 2),
    "tensor(bfloat16)": (BFLOAT16, 2),
}
"""The types of keys and values, and their bytes."""
LOGITS_FROM = "logits_from"
"""The graph input that export adds: logits are computed from this position of the input on."""


@dataclass(frozen=True)
class DecoderShape:
    """What the engine needs to know of a model, from the exported genai_config.json."""

    layers: int
    key_value_heads: int
    head_size: int
    context_tokens: int
    stop_ids: frozenset[int]
    input_names: dict[str, str]
    output_names: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it; a file of another shape is an error that names it."""
        path = folder / "genai_config.json"
        config = read_json(path)
        try:
            model = config["model"]
            decoder = model["decoder"]
            stop = model["eos_token_id"]
            return cls(
                layers=decoder["num_hidden_layers"],
                key_value_heads=decoder["num_key_value_heads"],
                head_size=decoder["head_size"],
                context_tokens=model["context_length"],
                stop_ids=frozenset(stop if isinstance(stop, list) else [stop]),
                input_names=decoder["inputs"],
                output_names=decoder["outputs"],
            )
        except (KeyError, TypeError) as error:
            raise RoleShiftError(f"{path}: lacks {error}; run `dvc repro export` again") from None

    def cache_names(self) -> list[tuple[str, str]]:
        """The cache's (input, output) names, layer by layer, keys before values."""
        kinds = (("past_key_names", "present_key_names"), ("past_value_names", "present_value_names"))
        return [
            (self.input_names[past] % layer, self.output_names[present] % layer)
            for layer in range(self.layers)
            for past, present in kinds
        ]


class Graph:
    """A session, and its bindings to ranges of rows of the engine's buffers.

    `alone`: no other session computes in turn with it.
    """

    def __init__(self, path: Path, shape: DecoderShape, *, provider: str, threads: int, alone: bool) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if not alone:
            # Threads of a session that has just run would go on spinning, and take the cores from the other session.
            options.add_session_config_entry("session.force_spinning_stop", "1")
        providers = ["CPUExecutionProvider"]
        if provider == "cuda":
            ort.preload_dlls()
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self.session = ort.InferenceSession(str(path), options, providers=providers)
        except LOAD_ERRORS as error:
            line = " ".join(str(error).split())[:300]
            raise RoleShiftError(
                f"{path}: ONNX Runtime cannot load it ({line}); run `dvc repro export` again"
            ) from error
        self.inputs = {entry.name: entry.type for entry in self.session.get_inputs()}
        self._shape = shape
        self._bindings: dict[tuple[int, int], ort.IOBinding] = {}

    def bind(self, buffers: "Buffers") -> None:
        """Forget the bindings to older buffers."""
        self._bindings.clear()
        self._buffers = buffers

    def run(self, first: int, tokens: np.ndarray, lengths: list[int], logits_from: int) -> np.ndarray:
        """One step of rows `first`, `first + 1`, ...: logits [rows, positions from logits_from, vocabulary].

        `tokens` [rows, positions] are the new ones, `lengths` the rows' lengths after this step.
        """
        rows, positions = tokens.shape
        key = (first, rows)
        if key not in self._bindings:
            self._bindings[key] = self._bind(first, rows)
        binding = self._bindings[key]
        names = self._shape.input_names
        total = np.asarray(lengths, dtype=np.int64)[:, None]
        feeds = {
            names["input_ids"]: np.ascontiguousarray(tokens, dtype=np.int64),
            names["attention_mask"]: (np.arange(total.max())[None] < total).astype(np.int64),
        }
        if "position_ids" in names:
            feeds[names["position_ids"]] = np.ascontiguousarray(total - positions + np.arange(positions)[None])
        if LOGITS_FROM in self.inputs:
            feeds[LOGITS_FROM] = np.array([logits_from], dtype=np.int64)
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        # Bound anew: a step's logits have another shape than the last one's.
        binding.bind_output(self._shape.output_names["logits"], "cpu")
        self.session.run_with_iobinding(binding)
        logits: np.ndarray = binding.get_outputs()[0].numpy()
        return logits if LOGITS_FROM in self.inputs else logits[:, logits_from:]

    def _bind(self, first: int, rows: int) -> ort.IOBinding:
        binding = self.session.io_binding()
        binding.bind_output(self._shape.output_names["logits"], "cpu")  # bound first: its place among the outputs is 0
        shape = [rows, *self._buffers.row_shape]
        for layer, (past, present) in enumerate(self._shape.cache_names()):
            place = self._buffers.address(layer, first)
            device, dtype = self._buffers.device, self._buffers.dtype
            binding.bind_input(past, device, 0, dtype, shape, place)
            binding.bind_output(present, device, 0, dtype, shape, place)
        return binding


class Buffers:
    """Keys and values of every layer: arrays [rows, key-value heads, capacity in tokens, head size]."""

    def __init__(self, shape: DecoderShape, *, rows: int, capacity: int, element: str, device: str) -> None:
        self.rows, self.capacity, self.device = rows, capacity, device
        self.dtype, self._item_bytes = ELEMENT_TYPES[element]
        self.row_shape = [shape.key_value_heads, capacity, shape.head_size]
        full = [rows, *self.row_shape]
        count = 2 * shape.layers
        try:
            self._arrays = [np.zeros(full, self.dtype) for _ in range(count)] if device == "cpu" else []
            self._values = [
                ort.OrtValue.ortvalue_from_shape_and_type(full, self.dtype, device, 0)
                for _ in range(count)
                if device != "cpu"
            ]
        except (MemoryError, *LOAD_ERRORS) as error:
            size = count * int(np.prod(full)) * self._item_bytes / 1e9
            raise RoleShiftError(
                f"no memory for {size:.1f} GB of keys and values; lower generation.batch_size"
            ) from error

    @property
    def movable(self) -> bool:
        """Whether rows can be moved: host memory only."""
        return bool(self._arrays)

    def address(self, index: int, row: int) -> int:
        """Where a row begins."""
        start = self._arrays[index].ctypes.data if self._arrays else self._values[index].data_ptr()
        row_bytes: int = int(np.prod(self.row_shape)) * self._item_bytes
        return int(start) + row * row_bytes

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first `length` positions to another row."""
        for array in self._arrays:
            array[target, :, :length] = array[source, :, :length]

    def write(self, row: int, cache: np.ndarray) -> None:
        """Put a cache [arrays, heads, positions, head size] into a row's first positions."""
        for array, values in zip(self._arrays, cache, strict=True):
            array[row, :, : values.shape[1]] = values

    def read(self, row: int, length: int) -> np.ndarray:
        """A copy of a row's first positions: [arrays, heads, positions, head size]."""
        return np.stack([array[row, :, :length] for array in self._arrays])


class Engine:
    """Prefill and decode over buffers that grow as needed.

    `graphs` names the graph that computes prompts and the one that decodes; they may be the same.
    `prefixes` is the file with beginnings of prompts that need not be computed.
    """

    def __init__(
        self, folder: Path, graphs: dict[str, str], *, provider: str, threads: int, prefixes: str | None = None
    ) -> None:
        self.shape = DecoderShape.read(folder)
        names = set(graphs.values())
        loaded = {
            name: Graph(folder / name, self.shape, provider=provider, threads=threads, alone=len(names) == 1)
            for name in names
        }
        self._prefill, self._decode = loaded[graphs["prefill"]], loaded[graphs["decode"]]
        self.provider = "cuda" if "CUDAExecutionProvider" in self._decode.session.get_providers() else "cpu"
        self._element = self._decode.inputs[self.shape.cache_names()[0][0]]
        self._prefixes = Prefixes()
        if prefixes is not None:
            shape = self.shape
            self._prefixes = Prefixes.load(
                folder / prefixes, arrays=2 * shape.layers, heads=shape.key_value_heads, head_size=shape.head_size
            )
        self._buffers: Buffers | None = None

    def reserve(self, rows: int, capacity: int) -> None:
        """Make room for `rows` sequences of up to `capacity` tokens; what the rows held is lost."""
        held = self._buffers
        if held is not None and held.rows >= rows and held.capacity >= capacity:
            return
        self._buffers = Buffers(self.shape, rows=rows, capacity=capacity, element=self._element, device=self.provider)
        for graph in (self._prefill, self._decode):
            graph.bind(self._buffers)

    def prefill(self, row: int, tokens: list[int]) -> np.ndarray:
        """Compute a prompt into a row: the logits [vocabulary] after its last token."""
        past = self._begin(row, tokens)
        graph = self._decode if past == len(tokens) - 1 == 0 else self._prefill
        logits: np.ndarray = graph.run(row, np.array([tokens[past:]]), [len(tokens)], len(tokens) - past - 1)[0, 0]
        return logits

    def extend(self, row: int, tokens: list[int], past: int) -> np.ndarray:
        """Compute tokens into a row behind its first `past` positions: logits [tokens, vocabulary]."""
        logits: np.ndarray = self._decode.run(row, np.array([tokens]), [past + len(tokens)], 0)[0]
        return logits

    def cache(self, row: int, length: int) -> np.ndarray:
        """A row's first keys and values: [2 x layers, key-value heads, length, head size]; host memory only."""
        if self._buffers is None:
            raise RoleShiftError("nothing was computed yet, so there are no keys and values")
        return self._buffers.read(row, length)

    def _begin(self, row: int, tokens: list[int]) -> int:
        """Fill a row with what need not pass the graph of the prompts; how many positions that is."""
        cache = self._prefixes.longest(tokens[:-1])
        if cache is not None and self._buffers is not None:
            self._buffers.write(row, cache)
            return int(cache.shape[2])
        if self._prefill is not self._decode and len(tokens) > 1:
            # A first token's activations would leave the others no range: the decoding graph computes it.
            self._decode.run(row, np.array([tokens[:1]]), [1], 0)
            return 1
        return 0

    def decode(self, tokens: list[int], lengths: list[int]) -> np.ndarray:
        """One token more in rows 0, 1, ...: logits [rows, vocabulary]; `lengths` count the new token."""
        logits: np.ndarray = self._decode.run(0, np.array(tokens)[:, None], lengths, 0)[:, 0]
        return logits

    @property
    def movable(self) -> bool:
        """Whether `move` works."""
        return self._buffers is not None and self._buffers.movable

    def move(self, source: int, target: int, length: int) -> None:
        """Copy one row's first `length` positions to another."""
        if self._buffers is not None:
            self._buffers.move(source, target, length)
