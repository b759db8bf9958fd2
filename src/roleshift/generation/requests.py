"""What a backend is asked and what it answers: the same for torch and ONNX Runtime."""

import math
from dataclasses import asdict, dataclass

from roleshift.errors import RoleShiftError
from roleshift.files import hash_json

DECODING_VERSION = 1
"""Raised when the meaning of a setting changes, so that older answers are not taken for new ones."""


@dataclass(frozen=True)
class GenerationConfig:
    """How an answer is generated.

    Attributes:
        max_new_tokens: most tokens of an answer.
        temperature: 0 is greedy; above, logits are divided by it before sampling.
        top_k: sample among the k most likely tokens; 0: among all.
        top_p: sample among the fewest tokens whose probabilities add up to it (nucleus); 1: all.
        repetition_penalty: positive logits of tokens that stand in prompt or answer are divided by
            it, negative ones multiplied (Keskar et al. 2019, CTRL); 1: none.
        stop: texts that end an answer; they are not part of it.
        seed: of the sampling; each request draws from its own generator, so that neither its
            neighbours in a batch nor their order change its answer.
        cut_prompt: an over-long prompt is cut from the left, and its answer marked, instead of
            being refused.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    cut_prompt: bool = False

    def __post_init__(self) -> None:
        allowed = {
            "max_new_tokens": (self.max_new_tokens >= 1, "at least 1"),
            "temperature": (math.isfinite(self.temperature) and self.temperature >= 0, "0 (greedy) or above"),
            "top_k": (self.top_k >= 0, "0 (off) or above"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "repetition_penalty": (
                math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0,
                "above 0 (1: none)",
            ),
            "seed": (self.seed >= 0, "0 or above"),
        }
        for name, (valid, rule) in allowed.items():
            if not valid:
                raise RoleShiftError(f"generation: {name} is {getattr(self, name)}; it must be {rule}")
        if isinstance(self.stop, str) or not all(isinstance(text, str) and text for text in self.stop):
            raise RoleShiftError(f"generation: stop is {self.stop!r}; it must be a list of non-empty texts")

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0

    @property
    def settings_hash(self) -> str:
        """The hex sha256 of what can change an answer: greedy answers do not depend on the seed."""
        settings = asdict(self) | {"stop": list(self.stop), "version": DECODING_VERSION}
        if self.greedy:
            settings |= {"top_k": 0, "top_p": 1.0, "seed": 0}
        return hash_json(settings)


@dataclass(frozen=True)
class Request:
    """A rendered prompt (chat template applied) to be continued."""

    request_id: str
    prompt: str


@dataclass(frozen=True)
class Answer:
    """A generated answer.

    `prompt_seconds` and `decode_seconds` are this request's share of the computing time: a step
    over n rows counts 1/n for each, so that the sum over requests is the time spent.
    `finish_reason` is "stop" (stop token or stop text) or "length" (`max_new_tokens` or the end of
    the context window); `batch_size` is how many rows were decoded together at most;
    `cut_tokens` is how much of an over-long prompt was cut from the left.
    """

    request_id: str
    output: str
    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    prompt_seconds: float
    decode_seconds: float
    batch_size: int
    cut_tokens: int = 0
