"""The ONNX Runtime backend: an exported variant, decoded by our engine with rows that are refilled."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roleshift.errors import RoleShiftError
from roleshift.generation.continuations import encode_continuations
from roleshift.generation.engine import Engine
from roleshift.generation.processor import int8_products_saturate
from roleshift.generation.providers import missing_for_cuda
from roleshift.generation.requests import Answer, GenerationConfig, Request
from roleshift.generation.sampling import Writing, encode_prompt, log_softmax
from roleshift.training.base import load_tokenizer

logger = logging.getLogger(__name__)


class OnnxBackend:
    """An exported variant on the CPU or a CUDA device. See `Backend` for the methods."""

    def __init__(
        self,
        folder: Path,
        manifest: dict[str, Any],
        *,
        artifact_id: str,
        provider: str,
        threads: int,
        batch_size: int,
    ) -> None:
        if batch_size < 1:
            raise RoleShiftError(f"generation.batch_size is {batch_size}; it must be at least 1")
        self.variant = str(manifest["variant"])
        self.artifact_id = artifact_id
        self.tokenizer = load_tokenizer(folder)
        self._batch_size = batch_size
        graphs = dict(manifest["graphs"])
        if graphs["prefill"] != graphs["decode"] and int8_products_saturate():
            # Slower, and as good: its weights alone are quantised.
            graphs["prefill"] = graphs["decode"]
            logger.warning("%s: this processor has no VNNI, so prompts take the graph of the answers", self.variant)
        self._engine = Engine(
            folder,
            graphs,
            provider=_resolve_provider(self.variant, manifest["target"], provider),
            threads=threads,
            prefixes=manifest.get("prefixes"),
        )
        self.provider = self._engine.provider
        if manifest["target"] == "cuda" and self.provider != "cuda":
            raise RoleShiftError(
                f"{self.variant}: ONNX Runtime could not start on CUDA (a CUDA or cuDNN library is missing); "
                "install them, or ship a variant for the CPU"
            )
        self._context = self._engine.shape.context_tokens
        self._stop_ids = self._engine.shape.stop_ids | {self.tokenizer.eos_token_id}

    def generate(
        self,
        requests: Sequence[Request],
        config: GenerationConfig,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> list[Answer]:
        """Answers in the requests' order; a finished row takes the next prompt at once."""
        writings = [self.writing(request, config) for request in requests]
        if not writings:
            return []
        # Longest first, so that rows of similar length decode together.
        waiting = sorted(writings, key=lambda w: len(w.prompt_ids))
        rows = min(self._batch_size, len(writings))
        self._engine.reserve(rows, max(self._room(w, config) for w in writings))
        for finished in self._write(lambda: waiting.pop() if waiting else None, rows):
            if finished.finish_reason is not None and on_answer is not None:
                on_answer(finished.answer())
        return [writing.answer() for writing in writings]

    def stream(self, request: Request, config: GenerationConfig) -> Iterator[str]:
        """The answer in pieces of text."""
        writing = self.writing(request, config)
        self._engine.reserve(1, self._room(writing, config))
        waiting = [writing]
        sent = 0
        for state in self._write(lambda: waiting.pop() if waiting else None, 1):
            text = state.certain_text()
            if len(text) > sent:
                yield text[sent:]
                sent = len(text)

    def continuation_logprobs(self, prompt: str, continuations: list[str]) -> list[float]:
        """Summed log-probabilities of each continuation; each one overwrites the last behind the prompt."""
        ids, tails = encode_continuations(self.tokenizer, prompt, continuations, self._context)
        self._engine.reserve(1, len(ids) + max(len(tail) for tail in tails))
        first = log_softmax(self._engine.prefill(0, ids))
        sums = []
        for tail in tails:
            total = float(first[tail[0]])
            if len(tail) > 1:
                rows = log_softmax(self._engine.extend(0, tail[:-1], past=len(ids)))
                total += float(rows[np.arange(len(tail) - 1), tail[1:]].sum())
            sums.append(total)
        return sums

    def forced_logits(self, prompt_ids: list[int], answer_ids: list[int]) -> np.ndarray:
        """Logits [answer tokens, vocabulary] that predict each answer token, the ones before it given.

        Computed as an answer is: the prompt by its graph, the rest by the one that decodes.
        """
        self._engine.reserve(1, len(prompt_ids) + len(answer_ids) - 1)
        first = self._engine.prefill(0, prompt_ids)[None]
        if len(answer_ids) == 1:
            return first
        return np.concatenate([first, self._engine.extend(0, answer_ids[:-1], past=len(prompt_ids))])

    def close(self) -> None:
        """Drop sessions and buffers."""
        del self._engine

    def writing(self, request: Request, config: GenerationConfig) -> Writing:
        """The request, tokenised."""
        ids, cut = encode_prompt(self.tokenizer, request, config, self._context)
        return Writing(request, ids=ids, cut=cut, config=config, tokenizer=self.tokenizer, stop_ids=self._stop_ids)

    def _room(self, writing: Writing, config: GenerationConfig) -> int:
        return min(self._context, len(writing.prompt_ids) + config.max_new_tokens)

    def continuous(self, intake: Callable[[], Writing | None], *, rows: int, capacity: int) -> Iterator[Writing]:
        """Continuous batching over `rows` rows: a finished one is free for the next at once."""
        self._engine.reserve(rows, min(capacity, self._context))
        yield from self._write(intake, rows)

    def _write(self, intake: Callable[[], Writing | None], width: int) -> Iterator[Writing]:
        """Continuous batching over `width` rows; yields a writing after each of its tokens."""
        rows: list[Writing | None] = [None] * width
        while True:
            for row, unwanted in enumerate(rows):
                if unwanted is not None and unwanted.cancelled:
                    unwanted.drop()
                    rows[row] = None
                    yield unwanted
            for row in range(width):
                while rows[row] is None and (writing := intake()) is not None:
                    start = time.perf_counter()
                    logits = self._engine.prefill(row, writing.prompt_ids)
                    writing.prompt_seconds = time.perf_counter() - start
                    if not writing.take(logits, self._context):
                        rows[row] = writing
                    yield writing
            self._close_gaps(rows)
            # Where rows cannot be moved, a gap decodes a token of its own at position 0.
            used = max((row + 1 for row, writing in enumerate(rows) if writing), default=0)
            if not used:
                return
            active = [writing for writing in rows if writing]
            start = time.perf_counter()
            logits = self._engine.decode(
                [w.tokens[-1] if w else 0 for w in rows[:used]], [w.length if w else 1 for w in rows[:used]]
            )
            seconds = (time.perf_counter() - start) / len(active)
            for row, current in enumerate(rows[:used]):
                if current is None:
                    continue
                current.decode_seconds += seconds
                current.batch_size = max(current.batch_size, len(active))
                if current.take(logits[row], self._context):
                    rows[row] = None
                yield current

    def _close_gaps(self, rows: list[Writing | None]) -> None:
        """Move the last rows into gaps, so that no step computes rows that nobody needs."""
        if not self._engine.movable:
            return
        taken = [row for row, writing in enumerate(rows) if writing]
        for gap in range(len(taken)):
            if rows[gap] is None:
                last = taken.pop()
                moved = rows[last]
                if moved is not None:
                    self._engine.move(last, gap, moved.length)
                rows[gap], rows[last] = moved, None


def _resolve_provider(variant: str, target: str, provider: str) -> str:
    """The provider that a variant runs on: the one it was built for, which must be there and allowed."""
    missing = missing_for_cuda()
    if provider == "cuda" and missing:
        raise RoleShiftError(f"generation.provider is cuda, but {missing}; use auto or cpu")
    if provider == "cuda" and target != "cuda":
        raise RoleShiftError(
            f"generation.provider is cuda, but {variant} was built for the CPU (its attention has no CUDA kernel in "
            "float32); use auto, or export an fp16 or bf16 variant"
        )
    if target == "cuda" and (provider == "cpu" or missing):
        reason = missing or "generation.provider is cpu"
        raise RoleShiftError(f"{variant} was built for CUDA, but {reason}; ship a variant for the CPU")
    return target
