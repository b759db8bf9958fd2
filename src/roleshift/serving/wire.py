"""What goes over the wire: OpenAI's requests and answers, with what this server adds or leaves out."""

import time
import unicodedata
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from roleshift.feedback.store import pseudonym
from roleshift.generation import Answer, GenerationConfig
from roleshift.params import ServingParams

ALLOWED_CONTROLS = "\n\t\r"
Number = Annotated[float, Field(allow_inf_nan=False)]


def _plain(text: str) -> str:
    """Refuse control characters and lone surrogates: no tokenizer and no database has a use for them."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in ALLOWED_CONTROLS:
            raise ValueError(f"holds the control character U+{ord(character):04X}; remove it")
    return text


Text = Annotated[StrictStr, AfterValidator(_plain)]
User = Annotated[Text, Field(max_length=256), AfterValidator(pseudonym)]
"""A caller's own user: known from here on by its pseudonym only."""


class TextPart(BaseModel):
    """A part of a message; other kinds than text are not understood."""

    type: Literal["text"]
    text: Text


class Message(BaseModel):
    """One chat message."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    @property
    def text(self) -> str:
        """Its text in one piece."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """Whether a stream ends with the token counts."""

    include_usage: StrictBool = False


class Sampling(BaseModel):
    """What both endpoints share. Fields of OpenAI's that would change the answer and are not understood are refused."""

    model_config = ConfigDict(extra="ignore")

    model: Text
    max_tokens: StrictInt | None = Field(default=None, ge=1)
    temperature: Number | None = Field(default=None, ge=0, le=2)
    top_p: Number | None = Field(default=None, gt=0, le=1)
    top_k: StrictInt | None = Field(default=None, ge=0, description="beyond OpenAI: 0 is off")
    repetition_penalty: Number | None = Field(default=None, gt=0, le=10, description="beyond OpenAI: 1 is off")
    seed: StrictInt | None = Field(default=None, ge=0, lt=2**63)
    stop: Text | list[Text] | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    user: User | None = None
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    logit_bias: dict[str, Number] | None = Field(default=None, max_length=0)

    @field_validator("n", "presence_penalty", "frequency_penalty", mode="before")
    @classmethod
    def _as_int(cls, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @field_validator("stop")
    @classmethod
    def _few_stops(cls, value: str | list[str] | None) -> str | list[str] | None:
        texts = [value] if isinstance(value, str) else value or []
        if len(texts) > 8 or any(not text or len(text) > 200 for text in texts):
            raise ValueError("takes up to 8 texts of 1 to 200 characters")
        return value

    @property
    def asked_tokens(self) -> int | None:
        """How many tokens the answer may have."""
        return self.max_tokens

    def generation(self, settings: ServingParams) -> GenerationConfig:
        """As the backend takes it; raises a ValueError where more tokens are asked for than are allowed."""
        asked = self.asked_tokens
        if asked is not None and asked > settings.max_new_tokens:
            raise ValueError(f"max_tokens is {asked}; this server allows {settings.max_new_tokens}")
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return GenerationConfig(
            max_new_tokens=asked or settings.max_new_tokens,
            temperature=self.temperature or 0.0,
            top_k=self.top_k or 0,
            top_p=1.0 if self.top_p is None else self.top_p,
            repetition_penalty=1.0 if self.repetition_penalty is None else self.repetition_penalty,
            stop=stop,
            seed=self.seed or 0,
        )


class PlainFormat(BaseModel):
    """The one form of answer there is: text."""

    type: Literal["text"]


class ChatRequest(Sampling):
    """POST /v1/chat/completions. Greedy unless a temperature is given.

    `task` names a task definition: then the last message is its input, and the task's instruction
    is put before it, as in training; `slices` fill the instruction.
    """

    messages: list[Message] = Field(min_length=1, max_length=256)
    max_completion_tokens: StrictInt | None = Field(default=None, ge=1)
    task: Text | None = None
    slices: dict[Text, Text] = Field(default={})
    tools: list[Any] | None = Field(default=None, max_length=0)
    functions: list[Any] | None = Field(default=None, max_length=0)
    response_format: PlainFormat | None = None
    logprobs: Literal[False] | None = None

    @property
    def asked_tokens(self) -> int | None:
        """How many tokens the answer may have."""
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(Sampling):
    """POST /v1/completions: the prompt, or the one prompt of a list, is continued as it is, without a chat template."""

    prompt: Annotated[Text, Field(min_length=1)] | Annotated[list[Text], Field(min_length=1, max_length=1)]
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None
    logprobs: None = None

    @property
    def text(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


class FeedbackRequest(BaseModel):
    """POST /v1/feedback: what a user says of an answer, by the answer's id."""

    model_config = ConfigDict(extra="forbid")

    id: Text = Field(min_length=1, max_length=128)
    verdict: Literal["accept", "reject"] | None = None
    correction: Text | None = Field(default=None, min_length=1)
    reason: Text | None = None
    user: User | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.verdict is None and self.correction is None:
            raise ValueError("give a verdict (accept or reject), a correction, or both")
        return self


def usage(answer: Answer) -> dict[str, int]:
    """Token counts as OpenAI has them."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.prompt_tokens + answer.output_tokens,
    }


def envelope(request_id: str, kind: str, model: str, fingerprint: str) -> dict[str, Any]:
    """What every answer and every chunk begins with."""
    return {
        "id": request_id, "object": kind, "created": int(time.time()), "model": model,
        "system_fingerprint": fingerprint,
    }  # fmt: skip


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error as OpenAI has it; what a caller wrote into the message may be no text of UTF-8."""
    message = message.encode("utf-8", "backslashreplace").decode()
    param = param and param.encode("utf-8", "backslashreplace").decode()
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}
