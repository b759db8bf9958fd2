"""Two ways from a pack to its loss: the fast one, and the plain one that fits every model.

Both give the sum of the cross-entropies of the answer tokens, in nats; a test holds them to each
other. Which one a model takes is decided by its architecture, listed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional

from roleshift.training.encoding import EncodedExample
from roleshift.training.packing import Pack, packed_batch, padded_batch

PACKED_ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Decoders with rotary positions whose attention goes through transformers' interface; each is tested."""

PathName = Literal["packed", "plain"]


def path_for(config: Any, pack_tokens: int) -> PathName:
    """The fast path where the architecture is known to take it and each token sees its whole example."""
    if config.model_type not in PACKED_ARCHITECTURES or config.attention_dropout:
        return "plain"
    window = None if config.model_type == "llama" else config.sliding_window
    return "plain" if window is not None and window < pack_tokens else "packed"


@dataclass(frozen=True)
class PackedPath:
    """Examples one after another in one sequence, logits only where an answer token is predicted.

    `length` pads every pack to the same number of tokens, which compiled layers need.
    """

    examples: Sequence[EncodedExample]
    pad_id: int
    length: int | None

    def loss_sum(self, model: Any, pack: Pack) -> torch.Tensor:
        """The summed loss of one pack."""
        batch = packed_batch(self.examples, pack, self.length, self.pad_id)
        logits = model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            cu_seq_lens_q=batch.boundaries,
            logits_to_keep=batch.predicts,
            use_cache=False,
        ).logits
        return functional.cross_entropy(logits.float(), batch.targets, reduction="sum")


@dataclass(frozen=True)
class PlainPath:
    """One example per row, padded, through the model's own forward."""

    examples: Sequence[EncodedExample]
    pad_id: int

    def loss_sum(self, model: Any, pack: Pack) -> torch.Tensor:
        """The summed loss of one pack."""
        batch = padded_batch(self.examples, pack, self.pad_id)
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
        return functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), batch.labels[:, 1:].flatten(), reduction="sum", ignore_index=-100
        )


Path = PackedPath | PlainPath


def answer_tokens(examples: Sequence[EncodedExample], packs: Sequence[Pack]) -> int:
    """How many tokens the loss of some packs is summed over."""
    return sum(len(examples[index].answer) for pack in packs for index in pack)
