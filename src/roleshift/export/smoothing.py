"""Move the range of the down projections' inputs into their weights, without changing what is computed.

The down projection reads `activation(gate) * up`, whose channels differ widely in range. Each channel
is divided by a factor in the up projection and multiplied by it in the down projection (Xiao et al.
2023, SmoothQuant), so that one scale serves all channels.
"""

from collections.abc import Sequence
from typing import Any

LEAST = 1e-5
"""A range below it is taken for it: a channel that is never used has no range."""
LARGEST_FACTOR = 1e3


def smooth_down_projections(model: Any, sequences: Sequence[list[int]], exponent: float) -> None:
    """Divide and multiply each channel by `range^exponent / weight^(1 - exponent)`.

    The range is the channel's largest absolute input over the token sequences, whose first tokens
    do not count: a prompt's first token has activations a hundred times larger than all others,
    and is computed by another graph.
    """
    ranges = input_ranges(model, sequences)
    for layer, seen in zip(model.model.layers, ranges, strict=True):
        up, down = layer.mlp.up_proj, layer.mlp.down_proj
        weight = down.weight.abs().amax(0).double().clamp(min=LEAST)
        factor = seen.double().clamp(min=LEAST) ** exponent / weight ** (1 - exponent)
        factor = (factor / factor.log().mean().exp()).clamp(1 / LARGEST_FACTOR, LARGEST_FACTOR)
        up.weight.copy_(up.weight.double() / factor[:, None])
        if up.bias is not None:
            up.bias.copy_(up.bias.double() / factor)
        down.weight.copy_(down.weight.double() * factor)


def input_ranges(model: Any, sequences: Sequence[list[int]]) -> list[Any]:
    """Per layer the largest absolute input [intermediate size] of its down projection, first tokens left out."""
    import torch

    ranges: list[Any] = [None] * len(model.model.layers)

    def watch(index: int) -> Any:
        def note(_module: Any, inputs: tuple[Any, ...]) -> None:
            seen = inputs[0][:, 1:].detach().abs().flatten(0, 1).amax(0)
            ranges[index] = seen if ranges[index] is None else torch.maximum(ranges[index], seen)

        return note

    hooks = [
        layer.mlp.down_proj.register_forward_pre_hook(watch(index)) for index, layer in enumerate(model.model.layers)
    ]
    try:
        for sequence in sequences:
            model(input_ids=torch.tensor([sequence]), use_cache=False, logits_to_keep=1)
    finally:
        for hook in hooks:
            hook.remove()
    return ranges
