"""What a backend can do: the same for torch and ONNX Runtime."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from roleshift.generation.requests import Answer, GenerationConfig, Request
from roleshift.generation.sampling import Writing


class Backend(Protocol):
    """A loaded model. Not safe for threads; `close` frees its memory.

    `variant` is "torch-bf16", "onnx-int8", ...; `provider` is what really runs: "cpu" or "cuda".
    """

    artifact_id: str
    variant: str
    provider: str
    tokenizer: Any

    def generate(
        self,
        requests: Sequence[Request],
        config: GenerationConfig,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> list[Answer]:
        """Answers in the requests' order; `on_answer` is called with each as it is finished."""
        ...

    def stream(self, request: Request, config: GenerationConfig) -> Iterator[str]:
        """The answer of one request in pieces of text, as they are made."""
        ...

    def writing(self, request: Request, config: GenerationConfig) -> Writing:
        """The request, tokenised; safe beside a running `continuous`, but not beside another `writing`."""
        ...

    def continuous(self, intake: Callable[[], Writing | None], *, rows: int, capacity: int) -> Iterator[Writing]:
        """Decode what `intake` gives until it gives None and all are finished; yields each after each token.

        `rows` decode together, where the backend can; `capacity` tokens (prompt and answer) fit into
        each. One whose `cancelled` is set ends with the finish reason "cancelled".
        """
        ...

    def continuation_logprobs(self, prompt: str, continuations: list[str]) -> list[float]:
        """Per continuation the sum of the log-probabilities of its tokens after the prompt.

        The prompt is computed once; each continuation is tokenised by itself.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...
