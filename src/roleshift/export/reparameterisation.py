"""The steps that rewrite a merged model before it is quantised, each checked against the model before it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.export.merging import save_model
from roleshift.export.rotation import (
    fold_norms,
    rotate_residual_stream,
    rotate_value_heads,
    untie_head,
)
from roleshift.export.smoothing import smooth_down_projections

CHECKED_SEQUENCES, CHECKED_TOKENS = 5, 64
"""How many calibration sequences' logits are compared after each step, and how much of each."""

Step = tuple[str, Callable[[], None]]


def reparameterise(
    merged: Path,
    out: Path,
    *,
    variant: str,
    rotate: bool,
    smooth: float | None,
    sequences: Sequence[list[int]],
    seed: int,
    tolerance: float,
) -> dict[str, float]:
    """Write a model that computes the same to `out`; the largest logit difference after each step, by its name.

    `sequences` are token ids of prompts and answers, never test items: smoothing takes the ranges
    of activations from them. Only for a model of the Llama family (`rotation.check_family`). Raises a
    RoleShiftError that names the step after which a logit differs by more than `tolerance`.
    """
    import torch

    from roleshift.training.base import load_model

    model = load_model(merged, torch.float32).eval()
    draw = torch.Generator().manual_seed(seed)
    steps: list[Step] = []
    if rotate:
        steps += [
            ("untie the head", partial(untie_head, model)),
            ("fold the norms", partial(fold_norms, model)),
            ("rotate the residual stream", partial(rotate_residual_stream, model, draw)),
            ("rotate the value heads", partial(rotate_value_heads, model, draw)),
        ]
    if smooth is not None:
        steps.append(("smooth the down projections", partial(smooth_down_projections, model, sequences, smooth)))
    differences = apply_checked(model, steps, _spread(sequences), variant=variant, tolerance=tolerance)
    save_model(model, merged, out)
    return differences


def apply_checked(
    model: Any, steps: Sequence[Step], sequences: Sequence[list[int]], *, variant: str, tolerance: float
) -> dict[str, float]:
    """Apply the steps to the model in place; each one's largest logit difference from the model before it."""
    import torch

    differences = {}
    with torch.no_grad():
        before = _logits(model, sequences)
        for name, apply in steps:
            apply()
            after = _logits(model, sequences)
            largest = max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True))
            if not largest <= tolerance:
                raise RoleShiftError(
                    f"export.variants.{variant}: the step `{name}` changed the logits by {largest:.4g} "
                    f"(export.parity_tolerance is {tolerance:g}); remove rotate and smooth from this variant"
                )
            differences[name] = float(f"{largest:.3g}")
            before = after
    return differences


def _logits(model: Any, sequences: Sequence[list[int]]) -> list[Any]:
    import torch

    return [model(input_ids=torch.tensor([ids]), use_cache=False).logits[0] for ids in sequences]


def _spread(sequences: Sequence[list[int]]) -> list[list[int]]:
    """The beginnings of a few sequences, evenly spread: they come ordered by capability."""
    stride = max(1, len(sequences) // CHECKED_SEQUENCES)
    return [sequence[:CHECKED_TOKENS] for sequence in sequences[::stride][:CHECKED_SEQUENCES]]
