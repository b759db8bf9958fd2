"""Causal attention of packed examples: each attends to itself alone, as batched matrix products.

On a CPU one pair of batched products per example is more than twice as fast as scaled dot-product
attention, and never computes what the packing masks out. It plugs into transformers' attention
interface, which hands it the packing as `cu_seq_lens_q` (flash attention's own argument).
"""

from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from transformers import AttentionInterface

NAME = "roleshift_packed"

_Gradients = tuple[torch.Tensor, torch.Tensor, torch.Tensor, None, None]


def _spans(boundaries: torch.Tensor) -> list[tuple[int, int]]:
    ends = boundaries.tolist()
    return [(start, end) for start, end in pairwise(ends) if end > start]


@lru_cache(maxsize=4)
def _later(size: int) -> torch.Tensor:
    return torch.full((size, size), float("-inf")).triu(1)


class PackedCausalAttention(torch.autograd.Function):
    """Grouped-query attention within each span of a packed sequence.

    Query [1, heads, T, width], key and value [1, key-value heads, T, width]; the result is
    [1, T, heads, width], zero at positions that belong to no span. Softmax is in fp32.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        boundaries: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        """Attend, and keep the probabilities of each span for the way back."""
        _, heads, length, width = query.shape
        groups = key.shape[1]
        shared = heads // groups
        spans = _spans(boundaries)
        out = query.new_zeros(1, length, heads, width)
        longest = max(end - start for start, end in spans)
        later = _later(-(-longest // 256) * 256)  # rounded up, so that few sizes are ever made
        probabilities = []
        for start, end in spans:
            t = end - start
            grouped = query[0, :, start:end].reshape(groups, shared * t, width)
            scores = torch.bmm(grouped, key[0, :, start:end].transpose(1, 2)).float()
            scores = scores.view(groups, shared, t, t).mul_(scaling).add_(later[:t, :t])
            p = torch.softmax(scores, -1).to(value.dtype).view(groups, shared * t, t)
            attended = torch.bmm(p, value[0, :, start:end])
            out[0, start:end] = attended.view(heads, t, width).transpose(0, 1)
            probabilities.append(p)
        ctx.spans = spans
        ctx.scaling = scaling
        ctx.save_for_backward(query, key, value, *probabilities)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> _Gradients:
        """Gradients of query, key and value; the softmax's is p * (g - sum(g * p))."""
        query, key, value, *probabilities = ctx.saved_tensors
        gradient = gradients[0].to(value.dtype)
        _, heads, _, width = query.shape
        groups = key.shape[1]
        shared = heads // groups
        to_query, to_key, to_value = (torch.zeros_like(t) for t in (query, key, value))
        for (start, end), p in zip(ctx.spans, probabilities, strict=True):
            t = end - start
            grouped = query[0, :, start:end].reshape(groups, shared * t, width)
            g = gradient[0, start:end].transpose(0, 1).reshape(groups, shared * t, width)
            to_value[0, :, start:end] = torch.bmm(p.transpose(1, 2), g)
            to_p = torch.bmm(g, value[0, :, start:end].transpose(1, 2)).float()
            to_scores = torch._softmax_backward_data(to_p, p.float(), -1, torch.float32)
            to_scores = to_scores.mul_(ctx.scaling).to(query.dtype)
            to_query[0, :, start:end] = torch.bmm(to_scores, key[0, :, start:end]).view(heads, t, width)
            to_key[0, :, start:end] = torch.bmm(to_scores.transpose(1, 2), grouped)
        return to_query, to_key, to_value, None, None


# Not compiled: the spans differ from pack to pack, and each would be a new graph.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function that transformers calls; `cu_seq_lens_q` is `PackedBatch.boundaries`."""
    out = PackedCausalAttention.apply(query, key, value, cu_seq_lens_q, scaling)  # type: ignore[no-untyped-call]
    return out, None


AttentionInterface.register(NAME, packed_attention)
