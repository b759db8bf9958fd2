"""A registered version as an MLflow model from code: no pickle, loaded when first asked.

`mlflow.pyfunc.load_model("models:/roleshift@challenger").predict(...)` takes

- a string or a list of strings: each one user message;
- a list of chat messages (`{"role": ..., "content": ...}`), a list of such lists, or `{"messages": [...]}`;
- a data frame (or its records) with a column `prompt` or `messages`.

It gives one answer per input, in order. Parameters are those of `GENERATION`.
"""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from roleshift.errors import RoleShiftError
from roleshift.files import read_json, sha256_file

GENERATION: dict[str, Any] = {
    "max_new_tokens": 48,
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "seed": 0,
    "stop": [],
}
"""The parameters of `predict` and their defaults: greedy."""


class ServedModel(PythonModel):
    """Answers with the model folder that was registered; every file is checked against the manifest on load."""

    def load_context(self, context: Any) -> None:
        """Check the artifacts; the model itself is loaded by the first `predict`."""
        manifest_path = Path(context.artifacts["manifest"])
        manifest = read_json(manifest_path)
        check_artifacts(manifest_path.parent, manifest)
        check_code(manifest_path.parent.parent, manifest)
        config = context.model_config or {}
        self._options: dict[str, Any] = {
            "threads": int(config.get("threads", 0)),
            "provider": str(config.get("provider", "auto")),
            "batch_size": int(config.get("batch_size", 10)),
        }
        self._folder = manifest_path.parent / manifest["model"]
        self._backend: Any = None
        self._lock = threading.Lock()

    # The hint for `model_input` is one from which MLflow derives no schema and without which it warns
    # at every load; strings and messages come in as they are.
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[str]:
        """One answer per input, as a list of strings. Raises a RoleShiftError on input of another shape."""
        from roleshift.generation import GenerationConfig, Request
        from roleshift.prompts import render_prompt

        values = GENERATION | {key: value for key, value in (params or {}).items() if value is not None}
        config = GenerationConfig(**values | {"stop": tuple(str(text) for text in values["stop"])})
        conversations = conversations_of(model_input)
        with self._lock:  # a backend is not safe for threads, and a server calls from several
            backend = self._open()
            requests = [
                Request(str(i), render_prompt(backend.tokenizer, messages)) for i, messages in enumerate(conversations)
            ]
            return [str(answer.output) for answer in backend.generate(requests, config)]

    def _open(self) -> Any:
        if self._backend is None:
            from roleshift.generation import open_backend

            folder = self._folder
            if not (folder / "manifest.json").is_file() and not (folder / "config.json").is_file():
                from roleshift.training.base import base_folder

                folder = base_folder(folder, cache_folder() / "converted")
            self._backend = open_backend(folder, **self._options)
        return self._backend


def check_artifacts(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise, naming the file, where a registered artifact is missing or was altered."""
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise RoleShiftError(f"{path}: missing from the registered version; register it again")
        if path.stat().st_size != entry["bytes"] or sha256_file(path) != entry["sha256"]:
            raise RoleShiftError(f"{path}: differs from the registered content; do not use it, register it again")


def check_code(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise, naming the file, where a file of the code that was registered is missing or was altered.

    Of versions of earlier releases no hashes of code are known. Code that checks itself finds what went wrong with
    a store, not who means ill: for that promotion and rollback check it, and `roleshift serve` runs none of it.
    """
    for name, sha256 in manifest.get("code", {}).items():
        path = folder / name
        if not path.is_file():
            raise RoleShiftError(f"{path}: missing from the registered version; register it again")
        if sha256_file(path) != sha256:
            raise RoleShiftError(f"{path}: differs from the registered code; do not use it, register it again")


def cache_folder() -> Path:
    """Where a base model that must be converted before use is kept: XDG's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roleshift"


def conversations_of(model_input: Any) -> list[list[dict[str, str]]]:
    """Any accepted input as one list of chat messages per answer."""
    if isinstance(model_input, pd.DataFrame):
        return [_conversation(record) for record in _records(model_input)]
    if isinstance(model_input, pd.Series | np.ndarray):
        model_input = model_input.tolist()
    if isinstance(model_input, str | Mapping):
        return _from_mapping(model_input) if isinstance(model_input, Mapping) else [_conversation(model_input)]
    if isinstance(model_input, Iterable):
        entries = list(model_input)
        if entries and all(isinstance(entry, Mapping) and "role" in entry for entry in entries):
            return [_conversation(entries)]
        return [_conversation(entry) for entry in entries]
    raise RoleShiftError(f"predict: takes strings, chat messages or a data frame, not {type(model_input).__name__}")


def _from_mapping(value: Mapping[str, Any]) -> list[list[dict[str, str]]]:
    """One request, or columns (as a server gets `{"inputs": {"prompt": [...]}}`)."""
    prompts = value.get("prompt")
    if isinstance(prompts, list | tuple | np.ndarray):
        return [_conversation(str(prompt)) for prompt in prompts]
    messages = value.get("messages")
    if messages is not None and len(messages) and isinstance(messages[0], list | np.ndarray):
        return [_conversation(list(entry)) for entry in messages]
    return [_conversation(value)]


def _records(frame: pd.DataFrame) -> list[Any]:
    if "messages" in frame.columns or "prompt" in frame.columns:
        return [{str(key): value for key, value in record.items()} for record in frame.to_dict("records")]
    if frame.shape[1] == 1:
        return frame.iloc[:, 0].tolist()
    found = ", ".join(map(str, frame.columns))
    raise RoleShiftError(f"predict: a data frame needs a column `prompt` or `messages`, this one has {found}")


def _conversation(entry: Any) -> list[dict[str, str]]:
    if isinstance(entry, str):
        return [{"role": "user", "content": entry}]
    if isinstance(entry, Mapping):
        messages = entry.get("messages")
        if isinstance(messages, str):  # a CSV's cell
            try:
                messages = json.loads(messages)
            except json.JSONDecodeError:
                raise RoleShiftError(f"predict: messages {messages[:80]!r} are not JSON") from None
        if messages is None or (isinstance(messages, float) and np.isnan(messages)):
            return _conversation(entry.get("prompt"))
        entry = messages
    if isinstance(entry, list | tuple | np.ndarray) and len(entry):
        messages = list(entry)
        if all(
            isinstance(m, Mapping) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
            for m in messages
        ):
            return [{"role": m["role"], "content": m["content"]} for m in messages]
    raise RoleShiftError(f"predict: {str(entry)[:80]!r} is neither a string nor chat messages with role and content")


mlflow.models.set_model(ServedModel())
