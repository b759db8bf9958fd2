"""Decoder layers through torch's compiler, where that pays and works.

Compiling takes about half a minute; it makes a step about a fifth faster. So `auto` compiles a run
that is long enough to earn it back, where there is a compiler, and goes on without where it fails.
"""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch

from roleshift.errors import RoleShiftError
from roleshift.training.processor import has_compiler

WORTHWHILE = 5e12
"""Parameters times tokens from which compiling is earned back (40,000 tokens of a 135M model)."""


def compile_layers(
    model: Any, asked: Literal["auto", "on", "off"], parameters: int, tokens: int, warm_up: Callable[[], torch.Tensor]
) -> bool:
    """Compile the decoder layers of a packed-path model in place; say whether they are.

    `warm_up` computes one loss, so that a compiler that does not work shows here. Random state and
    gradients are as before.
    """
    if asked == "off" or (asked == "auto" and (parameters * tokens < WORTHWHILE or not has_compiler())):
        return False
    layers = model.get_base_model().model.layers
    for layer in layers:
        layer.compile(dynamic=False)
    state = torch.get_rng_state()
    try:
        warm_up().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # a compiler fails in many ways, and none of them is the user's data
        reason = " ".join(str(error).split())[:200]
        if asked == "on":
            raise RoleShiftError(f"train.compile: the compiler failed ({reason}); set it to off") from error
        warnings.warn(f"training runs uncompiled, about a fifth slower: the compiler failed ({reason})", stacklevel=2)
        for layer in layers:
            layer._compiled_call_impl = None
        torch.compiler.reset()
        return False
    finally:
        torch.set_rng_state(state)
        model.zero_grad(set_to_none=True)
    return True
