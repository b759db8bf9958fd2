"""How a version is served, and what of its use is kept: the section `serving` of params.yaml."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from roleshift.params.section import Section, Share


class ReviewShares(Section):
    """Of the captured requests, the share that each queue offers to reviewers; they add up to 1."""

    random: Share
    uncertainty: Share
    drift: Share

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.random + self.uncertainty + self.drift
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares add up to {total:g}, not 1")
        return self


class CaptureParams(Section):
    """What is kept of requests and answers; off unless `share` is above 0."""

    share: Share
    retention_days: float = Field(gt=0)
    redact: tuple[str, ...] = ()
    review: ReviewShares

    @field_validator("redact")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
        return patterns


class ServingParams(Section):
    """Limits in tokens, bytes and seconds; a request beyond one is refused with the reason."""

    alias: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    canary: Share
    rows: int = Field(ge=1, le=512)
    queue: int = Field(ge=1)
    max_body_bytes: int = Field(ge=1024)
    max_prompt_tokens: int = Field(ge=1)
    max_new_tokens: int = Field(ge=1)
    timeout_seconds: float = Field(gt=0)
    poll_seconds: float = Field(gt=0)
    capture: CaptureParams
