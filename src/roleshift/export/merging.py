"""The adapter merged into its base: one plain transformers folder in float32."""

from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json, hash_tree, read_json, replacing


def model_id_of(base_id: str, adapter_folder: Path) -> str:
    """A tuned model's id, known before any export: 16 hex digits of base id and adapter contents."""
    return hash_json({"base": base_id, "adapter": hash_tree(adapter_folder)})[:16]


def refuse_other_base(adapter_folder: Path, base_id: str) -> None:
    """Raise where the adapter's config names another base than this one, whose vocabulary may be another too."""
    named = str(read_json(adapter_folder / "adapter_config.json").get("base_model_name_or_path"))
    if named.startswith("sha256-") and named != f"sha256-{base_id}":
        raise RoleShiftError(
            f"{adapter_folder}: was trained on the base {named.removeprefix('sha256-')}, this one is {base_id}; run "
            "`dvc repro finetune`"
        )


def merge_adapter(base_folder: Path, adapter_folder: Path, out: Path) -> None:
    """Write base plus adapter to `out` as a transformers folder (float32, safetensors, tokenizer).

    In float32 whatever the base's precision, so that small updates are not rounded away. Raises a
    RoleShiftError where the adapter does not fit the base, or the merged weights are not finite.
    """
    import torch
    from peft import PeftModel

    from roleshift.training.base import load_model

    model = load_model(base_folder, torch.float32)
    try:
        merged = PeftModel.from_pretrained(model, str(adapter_folder)).merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        line = " ".join(str(error).split())[:300]
        raise RoleShiftError(
            f"{adapter_folder}: the adapter does not fit the base model ({line}); run `dvc repro finetune` again"
        ) from error
    save_model(merged, base_folder, out)


def save_model(model: Any, tokenizer_folder: Path, out: Path) -> None:
    """Write a model with the tokenizer of another folder to `out`, as a whole or not at all."""
    from roleshift.training.base import load_tokenizer

    try:
        with replacing(out) as folder:
            model.save_pretrained(folder)
            load_tokenizer(tokenizer_folder).save_pretrained(folder)
    except OSError as error:
        raise RoleShiftError(f"{out}: cannot write the model ({error}); free disk space") from error
