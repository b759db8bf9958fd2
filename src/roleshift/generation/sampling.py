"""From logits to tokens, and from tokens to an answer: the part that both backends share."""

import hashlib
from typing import Any

import numpy as np

from roleshift.errors import RoleShiftError
from roleshift.generation.requests import Answer, GenerationConfig, Request


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities along the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def choose_token(logits: np.ndarray, seen: np.ndarray, config: GenerationConfig, draw: np.random.Generator) -> int:
    """The next token from one row of logits [vocabulary].

    In the order of transformers' processors: repetition penalty over `seen` (distinct tokens of
    prompt and answer), temperature, top-k, nucleus.
    """
    if config.repetition_penalty != 1.0:
        logits = logits.astype(np.float64)
        values = logits[seen]
        logits[seen] = np.where(values > 0, values / config.repetition_penalty, values * config.repetition_penalty)
    if config.greedy:
        return int(logits.argmax())
    # Descending; a stable sort breaks ties by token id, so that the draw is reproducible.
    order = np.argsort(-logits, kind="stable")
    if config.top_k:
        order = order[: config.top_k]
    probabilities = np.exp(log_softmax(logits[order] / config.temperature))
    if config.top_p < 1:
        # A token stays if those before it do not yet reach top_p: at least one always stays.
        kept = int(np.count_nonzero(np.cumsum(probabilities) - probabilities < config.top_p))
        order, probabilities = order[:kept], probabilities[:kept]
    return int(order[draw.choice(len(order), p=probabilities / probabilities.sum())])


def encode_prompt(
    tokenizer: Any, request: Request, config: GenerationConfig, context_tokens: int
) -> tuple[list[int], int]:
    """The prompt's token ids and how many were cut from its left.

    The chat template holds the special tokens already, so none are added. A prompt that leaves no
    room in the context window is an error, or, with `config.cut_prompt`, loses its left end so that
    `max_new_tokens` (at most half the window) fit.
    """
    ids: list[int] = tokenizer(request.prompt, add_special_tokens=False)["input_ids"]
    if not ids:
        raise RoleShiftError(f"request {request.request_id}: the prompt is empty; give it some text")
    if len(ids) < context_tokens:
        return ids, 0
    if not config.cut_prompt:
        raise RoleShiftError(
            f"request {request.request_id}: the prompt has {len(ids)} tokens, the model's context window "
            f"{context_tokens}; shorten it, or set cut_prompt to cut it from the left"
        )
    keep = context_tokens - min(config.max_new_tokens, context_tokens // 2)
    return ids[-keep:], len(ids) - keep


class Writing:
    """One answer in the making: what was taken so far, and whether it is finished.

    Where `measured` is set, `logprob` sums the model's log-probabilities of the tokens that were
    taken, the stop token among them.
    """

    def __init__(
        self,
        request: Request,
        *,
        ids: list[int],
        cut: int,
        config: GenerationConfig,
        tokenizer: Any,
        stop_ids: frozenset[int],
    ) -> None:
        self.request = request
        self.prompt_ids = ids
        self.cut = cut
        self.tokens: list[int] = []
        self.finish_reason: str | None = None
        self.prompt_seconds = 0.0
        self.decode_seconds = 0.0
        self.batch_size = 1
        self.cancelled = False
        self.measured = False
        self.logprob = 0.0
        self._config = config
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids
        self._text: str | None = None
        # A generator of its own per prompt: neighbours in a batch do not change an answer.
        digest = hashlib.sha256(f"{config.seed}:{request.prompt}".encode("utf-8", "surrogatepass")).digest()
        self._draw = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        self._seen = set(ids) if config.repetition_penalty != 1.0 else set()

    @property
    def length(self) -> int:
        """Tokens of prompt and answer so far."""
        return len(self.prompt_ids) + len(self.tokens)

    def take(self, logits: np.ndarray, context_tokens: int) -> bool:
        """Choose the next token from logits [vocabulary]; True when the answer is finished by it."""
        seen = np.fromiter(sorted(self._seen), dtype=np.int64, count=len(self._seen))
        token = choose_token(logits, seen, self._config, self._draw)
        if self.measured:
            highest = logits.max()
            self.logprob += float(logits[token] - highest - np.log(np.exp(logits - highest).sum()))
        if token in self._stop_ids:
            self.finish_reason = "stop"
            return True
        self.tokens.append(token)
        if self._config.repetition_penalty != 1.0:
            self._seen.add(token)
        if self._config.stop:
            text = self._decode()
            ends = [at for at in (text.find(stop) for stop in self._config.stop) if at >= 0]
            if ends:
                self._text = text[: min(ends)]
                self.finish_reason = "stop"
        # The window is full when the last token no longer has a place to be read from.
        if self.finish_reason is None and (
            len(self.tokens) >= self._config.max_new_tokens or self.length >= context_tokens
        ):
            self.finish_reason = "length"
        return self.finish_reason is not None

    def drop(self) -> None:
        """End it here because nobody waits for it any more."""
        self.finish_reason = "cancelled"

    def _decode(self) -> str:
        text: str = self._tokenizer.decode(self.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def text(self) -> str:
        """The text so far; final once the answer is finished."""
        return self._decode() if self._text is None else self._text

    def certain_text(self) -> str:
        """The part of the text that later tokens cannot change: for streaming.

        Held back: an unfinished character at the end, and what may be the start of a stop text.
        """
        text = self.text()
        if self.finish_reason is not None:
            return text
        text = text.rstrip("\ufffd")
        for stop in self._config.stop:
            for size in range(min(len(stop) - 1, len(text)), 0, -1):
                if text.endswith(stop[:size]):
                    text = text[:-size]
                    break
        return text

    def answer(self) -> Answer:
        """The finished answer."""
        return Answer(
            request_id=self.request.request_id,
            output=self.text(),
            prompt_tokens=len(self.prompt_ids),
            output_tokens=len(self.tokens),
            finish_reason=self.finish_reason or "length",
            prompt_seconds=self.prompt_seconds,
            decode_seconds=self.decode_seconds,
            batch_size=self.batch_size,
            cut_tokens=self.cut,
        )
