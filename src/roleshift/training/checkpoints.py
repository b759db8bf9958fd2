"""Checkpoints: written whole or not at all, read as plain data, the newest readable one counts."""

import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from roleshift.files import replacing

KEPT = 2
"""The newest and the one before, should the newest not be readable."""


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, texts, lists and dictionaries of them) as that of `step`."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(_file(folder, step)) as temporary, temporary.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    for old in (*_newest_first(folder)[KEPT:], *folder.glob(".step-*.tmp")):  # the latter of killed processes
        old.unlink()


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None; one that cannot is skipped with a warning."""
    for path in _newest_first(folder):
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
        except (
            OSError,
            RuntimeError,
            EOFError,
            ValueError,
            KeyError,
            pickle.UnpicklingError,
            zipfile.BadZipFile,
        ) as error:
            reason = " ".join(str(error).split())[:120]
            warnings.warn(f"{path}: unreadable checkpoint skipped ({reason})", stacklevel=2)
            continue
        return state
    return None


def _file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"), reverse=True)
