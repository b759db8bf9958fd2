"""transformers' `generate`, and a loop of our own in torch with the tricks of the product's engine."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

from inference_sides.answers import finished
from roleshift.generation import Answer, GenerationConfig, Request
from roleshift.generation.processor import physical_cores
from roleshift.training.base import load_model, load_tokenizer


class TorchSide:
    """Greedy decoding with transformers' `generate`."""

    variant, artifact_id, provider = "torch", "torch", "cpu"

    def __init__(self, folder: Path, dtype: str, batch_size: int) -> None:
        import torch

        torch.set_num_threads(physical_cores())
        self.tokenizer = load_tokenizer(folder)
        self.model = load_model(folder, getattr(torch, dtype)).eval()
        self.batch_size = batch_size
        self.stop = {self.tokenizer.eos_token_id}

    def generate(
        self, requests: Sequence[Request], config: GenerationConfig, on_answer: Callable[[Answer], None] | None = None
    ) -> list[Answer]:
        """Answers in the requests' order, without times of their own."""
        import torch

        ids = [self.tokenizer(r.prompt, add_special_tokens=False)["input_ids"] for r in requests]
        answers: dict[int, Answer] = {}
        with torch.inference_mode():
            for batch in self.batches(ids):
                found = self.answer([ids[i] for i in batch], config.max_new_tokens)
                for i, tokens in zip(batch, found, strict=True):
                    answers[i] = finished(self.tokenizer, requests[i], ids[i], tokens, self.stop)
                    if on_answer is not None:
                        on_answer(answers[i])
        return [answers[i] for i in range(len(requests))]

    def batches(self, ids: list[list[int]]) -> list[list[int]]:
        """Indices of prompts of similar length."""
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def answer(self, prompts: list[list[int]], limit: int) -> list[list[int]]:
        """New tokens of each prompt, with what stands behind a stop token."""
        import torch

        longest, pad = max(map(len, prompts)), self.tokenizer.pad_token_id
        out = self.model.generate(
            input_ids=torch.tensor([[pad] * (longest - len(p)) + p for p in prompts]),
            attention_mask=torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts]),
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=pad,
        )
        found: list[list[int]] = out[:, longest:].tolist()
        return found

    def close(self) -> None:
        """Drop the model."""
        del self.model


class TorchLoop(TorchSide):
    """The same tricks as our engine's, in torch."""

    def __init__(self, folder: Path, dtype: str, batch_size: int, prefixes: list[list[int]]) -> None:
        import torch

        super().__init__(folder, dtype, batch_size)
        with torch.inference_mode():
            self.prefixes = [
                (tokens, self.model(input_ids=torch.tensor([tokens]), use_cache=True, logits_to_keep=1).past_key_values)
                for tokens in sorted(prefixes, key=len, reverse=True)
            ]

    def begins_with(self, prompt: list[int]) -> int:
        """Which prefix a prompt begins with; their number where it is none of them."""
        fits = (i for i, (tokens, _) in enumerate(self.prefixes) if prompt[: len(tokens)] == tokens != prompt)
        return next(fits, len(self.prefixes))

    def batches(self, ids: list[list[int]]) -> list[list[int]]:
        """Prompts of one prefix and of similar length."""
        groups: dict[int, list[int]] = {}
        for i, prompt in enumerate(ids):
            groups.setdefault(self.begins_with(prompt), []).append(i)
        by_length = super().batches
        return [[group[i] for i in b] for group in groups.values() for b in by_length([ids[i] for i in group])]

    def answer(self, prompts: list[list[int]], limit: int) -> list[list[int]]:
        """New tokens of each prompt."""
        import torch

        which = self.begins_with(prompts[0])
        start, cache = 0, None
        if which < len(self.prefixes):
            tokens, stored = self.prefixes[which]
            start, cache = len(tokens), copy.deepcopy(stored)
            cache.batch_repeat_interleave(len(prompts))
        longest, pad = max(map(len, prompts)) - start, self.tokenizer.pad_token_id
        gaps = [longest - (len(p) - start) for p in prompts]
        ids = torch.tensor([[pad] * gap + p[start:] for gap, p in zip(gaps, prompts, strict=True)])
        mask = torch.tensor([[1] * start + [0] * gap + [1] * (longest - gap) for gap in gaps])
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, start:]
        taken: list[list[int]] = [[] for _ in prompts]
        rows = list(range(len(prompts)))
        while True:
            out = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            cache = out.past_key_values
            chosen = out.logits[:, -1].argmax(-1).tolist()
            for row, token in zip(rows, chosen, strict=True):
                taken[row].append(token)
            going = [i for i, row in enumerate(rows) if chosen[i] not in self.stop and len(taken[row]) < limit]
            if not going:
                return taken
            if len(going) < len(rows):
                kept = torch.tensor(going)
                cache.batch_select_indices(kept)
                mask, positions, rows = mask[kept], positions[kept], [rows[i] for i in going]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            ids, positions = torch.tensor([[taken[row][-1]] for row in rows]), positions[:, -1:] + 1
