"""Base models: what a folder of `data/raw` holds, and how it loads.

A transformers folder (from the hub or of one's own) loads as it is. A GGUF file is dequantised
once into a transformers folder, since reading its blocks takes many seconds each time.
"""

import fcntl
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree, replacing, sha256_file

if TYPE_CHECKING:
    import torch


def base_id(raw_base: Path) -> str:
    """A base model's id: the first 16 hex digits of the hash of its folder's file names and contents."""
    if not raw_base.is_dir():
        raise RoleShiftError(f"{raw_base}: no such base model; run `dvc repro fetch`")
    return hash_tree(raw_base)[:16]


def base_folder(raw_base: Path, converted: Path) -> Path:
    """The transformers folder of a base model.

    `raw_base` is what fetch brought: a transformers folder, which is returned, or a folder with one
    GGUF file, which is converted to `converted/<sha256 of the file>/` (fp32 safetensors and
    tokenizer) unless that is there already. Processes that ask at once wait for one conversion.
    """
    if not raw_base.is_dir():
        raise RoleShiftError(f"{raw_base}: no such base model; run `dvc repro fetch`")
    if (raw_base / "config.json").is_file():
        return raw_base
    found = sorted(raw_base.rglob("*.gguf"))
    if len(found) != 1:
        what = f"{len(found)} GGUF files" if found else "neither a config.json nor a GGUF file"
        raise RoleShiftError(
            f"{raw_base}: holds {what}; a base model is a transformers folder or one GGUF file: "
            "narrow the source's `members` or `path` in params.yaml"
        )
    target = converted / sha256_file(found[0])
    converted.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with replacing(target) as folder:
                _dequantise(found[0], folder)
    return target


def _dequantise(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
    except Exception as error:  # a damaged or foreign file fails anywhere in its reader
        raise RoleShiftError(f"{gguf}: transformers cannot read this GGUF file ({_one_line(error)})") from error
    folder.mkdir(parents=True)
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise RoleShiftError(f"{folder.parent}: cannot write the converted base model ({error})") from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer (a `PreTrainedTokenizerBase`) of a transformers folder.

    One without a stop token is refused, since a model could not learn to stop; one without a
    padding token pads with the stop token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise RoleShiftError(f"{folder}: no tokenizer that transformers can load ({_one_line(error)})") from error
    if tokenizer.eos_token_id is None:
        raise RoleShiftError(f"{folder}: the tokenizer has no stop token; set eos_token in tokenizer_config.json")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(folder: Path) -> Any:
    """The configuration (a `PreTrainedConfig`) of a transformers folder."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise RoleShiftError(f"{folder}: no configuration that transformers can load ({_one_line(error)})") from error


def load_model(folder: Path, dtype: "torch.dtype") -> Any:
    """The causal language model (a `PreTrainedModel`) of a transformers folder, on the CPU, in `dtype`."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar of 0.1 s hides the stage's own lines
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtype, attn_implementation="sdpa", local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise RoleShiftError(
            f"{folder}: no causal language model that transformers can load ({_one_line(error)})"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
