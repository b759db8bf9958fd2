"""The torch backend: a transformers folder, as the base model is before any export.

Its own decode loop over transformers' key-value cache: left-padded batches of prompts of similar
length, finished rows taken out of the cache, sampling shared with the ONNX backend.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from roleshift.errors import RoleShiftError
from roleshift.generation.continuations import encode_continuations
from roleshift.generation.requests import Answer, GenerationConfig, Request
from roleshift.generation.sampling import Writing, encode_prompt, log_softmax
from roleshift.training.base import load_model, load_tokenizer


class TorchBackend:
    """A transformers model on the CPU or a CUDA device. See `Backend` for the methods."""

    def __init__(
        self,
        folder: Path,
        *,
        variant: str,
        artifact_id: str,
        dtype: torch.dtype,
        device: str,
        threads: int,
        batch_size: int,
    ) -> None:
        if batch_size < 1:
            raise RoleShiftError(f"generation.batch_size is {batch_size}; it must be at least 1")
        self.variant = variant
        self.artifact_id = artifact_id
        self.provider = device
        self.tokenizer = load_tokenizer(folder)
        self._threads = threads
        self._batch_size = batch_size
        self._model = load_model(folder, dtype).to(device).eval()
        self._context = context_tokens(self._model.config)
        self._stop_ids = stop_ids(self._model, self.tokenizer)

    def generate(
        self,
        requests: Sequence[Request],
        config: GenerationConfig,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> list[Answer]:
        """Answers in the requests' order. Batches hold prompts of similar length."""
        writings = [self.writing(request, config) for request in requests]
        # Longest first: memory runs out at once or not at all, and the estimate of time is no promise.
        order = sorted(range(len(writings)), key=lambda i: -len(writings[i].prompt_ids))
        with self._computing():
            for start in range(0, len(order), self._batch_size):
                batch = [writings[i] for i in order[start : start + self._batch_size]]
                for finished in self._write(batch):
                    if finished.finish_reason is not None and on_answer is not None:
                        on_answer(finished.answer())
        return [writing.answer() for writing in writings]

    def stream(self, request: Request, config: GenerationConfig) -> Iterator[str]:
        """The answer in pieces of text."""
        writing = self.writing(request, config)
        sent = 0
        with self._computing():
            for state in self._write([writing]):
                text = state.certain_text()
                if len(text) > sent:
                    yield text[sent:]
                    sent = len(text)

    def continuation_logprobs(self, prompt: str, continuations: list[str]) -> list[float]:
        """Summed log-probabilities of each continuation; the continuations are one padded batch."""
        ids, tails = encode_continuations(self.tokenizer, prompt, continuations, self._context)
        with self._computing():
            out = self._forward(input_ids=self._tensor([ids]), use_cache=True, logits_to_keep=1)
            first = log_softmax(out.logits[0, -1].float().cpu().numpy())
            sums = [float(first[tail[0]]) for tail in tails]
            longest = max(len(tail) for tail in tails)
            if longest == 1:
                return sums
            cache = out.past_key_values
            cache.batch_repeat_interleave(len(tails))
            # Padding stands at the right, where a causal model never looks at it.
            padded = [tail[:-1] + [tail[-1]] * (longest - len(tail)) for tail in tails]
            out = self._forward(input_ids=self._tensor(padded), past_key_values=cache, use_cache=True)
            for row, tail in enumerate(tails):
                if len(tail) > 1:
                    rows = log_softmax(out.logits[row, : len(tail) - 1].float().cpu().numpy())
                    sums[row] += float(rows[np.arange(len(tail) - 1), tail[1:]].sum())
        return sums

    def close(self) -> None:
        """Drop the model."""
        del self._model

    def writing(self, request: Request, config: GenerationConfig) -> Writing:
        """The request, tokenised."""
        ids, cut = encode_prompt(self.tokenizer, request, config, self._context)
        return Writing(request, ids=ids, cut=cut, config=config, tokenizer=self.tokenizer, stop_ids=self._stop_ids)

    def continuous(self, intake: Callable[[], Writing | None], *, rows: int, capacity: int) -> Iterator[Writing]:
        """One after the other: a batch of torch's cannot be joined while it runs."""
        with self._computing():
            while (writing := intake()) is not None:
                for state in self._write([writing]):
                    yield state
                    if state.cancelled and state.finish_reason is None:
                        state.drop()
                        yield state
                        break

    def _write(self, batch: list[Writing]) -> Iterator[Writing]:
        """Prefill and decode one batch; yields a writing after each of its tokens."""
        longest = max(len(w.prompt_ids) for w in batch)
        pad = self.tokenizer.pad_token_id
        start = time.perf_counter()
        input_ids = self._tensor([[pad] * (longest - len(w.prompt_ids)) + w.prompt_ids for w in batch])
        mask = self._tensor([[0] * (longest - len(w.prompt_ids)) + [1] * len(w.prompt_ids) for w in batch])
        # Positions count from a row's first real token, so that padding shifts nothing.
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        out = self._forward(
            input_ids=input_ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1
        )
        cache = out.past_key_values
        rows = list(batch)
        for writing in rows:
            writing.batch_size = len(batch)
        prefill = True
        while True:
            logits = out.logits[:, -1].float().cpu().numpy()
            seconds = (time.perf_counter() - start) / len(rows)
            going = []
            for i, writing in enumerate(rows):
                if prefill:
                    writing.prompt_seconds += seconds
                else:
                    writing.decode_seconds += seconds
                if not writing.take(logits[i], self._context):
                    going.append(i)
                yield writing
            if not going:
                return
            start = time.perf_counter()
            prefill = False
            if len(going) < len(rows):
                rows = [rows[i] for i in going]
                kept = self._tensor(going)
                cache.batch_select_indices(kept)
                mask = mask[kept]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            out = self._forward(
                input_ids=self._tensor([[w.tokens[-1]] for w in rows]),
                attention_mask=mask,
                position_ids=self._tensor([[w.length - 1] for w in rows]),
                past_key_values=cache,
                use_cache=True,
            )

    def _forward(self, **inputs: Any) -> Any:
        return self._model(**inputs)

    def _tensor(self, values: list[Any]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self.provider)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Without gradients, with this backend's number of threads, then as before."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer: the tokenizer's, and those of the model's generation config."""
    named = model.generation_config.eos_token_id
    return frozenset(
        [tokenizer.eos_token_id, *(named if isinstance(named, list) else [] if named is None else [named])]
    )


def context_tokens(config: Any) -> int:
    """The context window in tokens, by the config's name for it."""
    size: int | None = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if size is None:
        raise RoleShiftError(f"{config.model_type}: its config.json names no context window (max_position_embeddings)")
    return size
