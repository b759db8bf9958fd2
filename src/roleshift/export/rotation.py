"""Rotate a model's hidden states without changing what it computes, so that it survives quantisation.

A few channels of a language model's hidden states are many times larger than all others, and one
scale for a tensor then leaves few steps for the rest. A random orthogonal matrix spreads them over
all channels. RMS norms commute with a rotation once their weights are folded into the projections
behind them, so the rotation is multiplied into the weights and costs nothing when the model runs
(Ashkboos et al. 2024, QuaRot: residual stream and value heads).

Models of the Llama family: RMS norms before attention and before a gated feed-forward layer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.params import VariantParams

FAMILY = ("llama", "mistral", "qwen2")
"""The architectures, by transformers' `model_type`, for which the steps are tested."""


def check_family(variants: Mapping[str, VariantParams], config: Any) -> None:
    """Raise where a variant is rewritten that the steps here and in `smoothing` are not known to hold for.

    `config` is the base model's `PreTrainedConfig`.
    """
    for name, variant in variants.items():
        if variant.rewritten and config.model_type not in FAMILY:
            raise RoleShiftError(
                f"export.variants.{name}: rotate and smooth know {', '.join(FAMILY)}, not {config.model_type}; "
                "remove this variant, or its rotate and smooth"
            )


def untie_head(model: Any) -> None:
    """Give the head its own matrix: behind a folded norm it is no longer the embedding's."""
    import torch

    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = False


def fold_norms(model: Any) -> None:
    """Multiply each norm's weight into the projections that read it, and set it to 1."""
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        _fold(layer.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj))
        _fold(layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj))
    _fold(model.model.norm, (model.lm_head,))


def rotate_residual_stream(model: Any, draw: Any) -> None:
    """Rotate everything that is written to and read from the residual stream by one matrix.

    `draw` is a torch.Generator. Only for norms that are folded, and a head that is untied.
    """
    rotation = random_orthogonal(model.config.hidden_size, draw)
    _set(model.model.embed_tokens, model.model.embed_tokens.weight.double() @ rotation)
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for reads in (attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj):
            _set(reads, reads.weight.double() @ rotation)
        for writes in (attention.o_proj, mlp.down_proj):
            _rotate_output(writes, rotation)
    _set(model.lm_head, model.lm_head.weight.double() @ rotation)


def rotate_value_heads(model: Any, draw: Any) -> None:
    """Rotate each value head, and the output projection's columns that read it, by a matrix of its own."""
    import torch

    config = model.config
    heads = config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    for layer in model.model.layers:
        values, output = layer.self_attn.v_proj, layer.self_attn.o_proj
        size = values.weight.shape[0] // groups
        rotations = [random_orthogonal(size, draw) for _ in range(groups)]
        _rotate_output(values, torch.block_diag(*rotations))  # type: ignore[no-untyped-call]
        # Query head i reads value head i // (heads / groups).
        readers = torch.block_diag(  # type: ignore[no-untyped-call]
            *[rotations[head * groups // heads] for head in range(heads)]
        )
        _set(output, output.weight.double() @ readers)


def random_orthogonal(size: int, draw: Any) -> Any:
    """A random orthogonal matrix [size, size] in float64, uniformly distributed (Stewart 1980)."""
    import torch

    q, r = torch.linalg.qr(torch.randn(size, size, generator=draw, dtype=torch.float64))
    return q * torch.sign(torch.diagonal(r))


def _fold(norm: Any, readers: Iterable[Any]) -> None:
    for reader in readers:
        _set(reader, reader.weight.double() * norm.weight.double())
    norm.weight.fill_(1)


def _rotate_output(linear: Any, rotation: Any) -> None:
    _set(linear, rotation.T @ linear.weight.double())
    if linear.bias is not None:
        linear.bias.copy_(rotation.T @ linear.bias.double())


def _set(module: Any, weight: Any) -> None:
    module.weight.copy_(weight)
