"""Which examples share a sequence, which sequences share an optimiser step, and their tensors.

The whole run is planned before it starts, from the seed alone, so that a resumed run needs no
more than the number of its next step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from roleshift.training.encoding import EncodedExample

Pack = tuple[int, ...]
"""Indices of the examples that share a packed sequence, in their order."""


def best_fit(lengths: Sequence[int], order: Sequence[int], capacity: int) -> list[Pack]:
    """Pack items in the given order, each into the fullest open pack that still has room.

    Packing in a random order rather than by decreasing length mixes long and short tasks in each
    step; it wastes some percent of the places.
    """
    packs: list[list[int]] = []
    room: list[int] = []
    for item in order:
        fitting = [i for i, free in enumerate(room) if free >= lengths[item]]
        if fitting:
            best = min(fitting, key=lambda i: room[i])
        else:
            best = len(packs)
            packs.append([])
            room.append(capacity)
        packs[best].append(item)
        room[best] -= lengths[item]
    return [tuple(pack) for pack in packs]


def plan_steps(
    lengths: Sequence[int], *, capacity: int, packs_per_step: int, epochs: int, max_steps: int | None, seed: int
) -> tuple[list[list[Pack]], int]:
    """The packs of every optimiser step, and the steps of the first epoch.

    Each epoch shuffles the examples, packs them, and shuffles the packs.
    """
    generator = torch.Generator().manual_seed(seed)
    steps: list[list[Pack]] = []
    per_epoch = 0
    for epoch in range(epochs):
        order = torch.randperm(len(lengths), generator=generator).tolist()
        packs = best_fit(lengths, order, capacity)
        packs = [packs[i] for i in torch.randperm(len(packs), generator=generator).tolist()]
        steps += [packs[i : i + packs_per_step] for i in range(0, len(packs), packs_per_step)]
        if epoch == 0:
            per_epoch = len(steps)
    return steps[:max_steps], per_epoch


@dataclass(frozen=True)
class PackedBatch:
    """A packed sequence of `T` tokens that holds `n` examples one after another.

    `input_ids`, `position_ids` (restarted per example): int64 [1, T]. `boundaries`: int32 [T + 1],
    where each example ends (0, end of the first, ...), then the last end repeated, so that its shape
    says nothing of the packing. `predicts`: bool [1, T], whether a position predicts an answer
    token. `targets`: int64, those tokens.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    boundaries: torch.Tensor
    predicts: torch.Tensor
    targets: torch.Tensor


def packed_batch(examples: Sequence[EncodedExample], pack: Pack, length: int | None, pad_id: int) -> PackedBatch:
    """Tensors of one pack, filled up to `length` tokens with padding that belongs to no example."""
    ids: list[int] = []
    positions: list[int] = []
    predicts: list[bool] = []
    targets: list[int] = []
    ends = [0]
    for index in pack:
        example = examples[index]
        ids += example.prompt + example.answer
        positions += range(len(example))
        predicts += [False] * (len(example.prompt) - 1) + [True] * len(example.answer) + [False]
        targets += example.answer
        ends.append(len(ids))
    padding = max(0, (length or 0) - len(ids))
    ids += [pad_id] * padding
    positions += range(padding)
    predicts += [False] * padding
    ends += [ends[-1]] * (len(ids) + 1 - len(ends))
    return PackedBatch(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        boundaries=torch.tensor(ends, dtype=torch.int32),
        predicts=torch.tensor([predicts]),
        targets=torch.tensor(targets),
    )


@dataclass(frozen=True)
class PaddedBatch:
    """The examples of a pack as rows [n, longest], padded on the right.

    `labels` is -100 but for the answer; `attention_mask` is 1 for what is not padding.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor


def padded_batch(examples: Sequence[EncodedExample], pack: Pack, pad_id: int) -> PaddedBatch:
    """Tensors of one pack for a model that takes one example per row."""
    chosen = [examples[index] for index in pack]
    longest = max(len(example) for example in chosen)
    shape = (len(chosen), longest)
    input_ids = torch.full(shape, pad_id)
    attention_mask = torch.zeros(shape, dtype=torch.int64)
    labels = torch.full(shape, -100)
    for row, example in enumerate(chosen):
        input_ids[row, : len(example)] = torch.tensor(example.prompt + example.answer)
        attention_mask[row, : len(example)] = 1
        labels[row, len(example.prompt) : len(example)] = torch.tensor(example.answer)
    return PaddedBatch(input_ids, attention_mask, labels)
