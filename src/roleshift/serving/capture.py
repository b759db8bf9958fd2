"""What is kept of requests and answers: a share of them, redacted, in the feedback store."""

import random
import re
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.feedback.events import CAPTURED, About, Answered, Texts
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.generation import Answer
from roleshift.params import CaptureParams
from roleshift.tasks import TaskDefinition

BUILT_IN = {
    "e-mail": r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "key": (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
        r"|\b(?:(?:sk|pk|rk|hf|npm|pypi|xox[a-z]|gh[opsur]|github_pat|glpat)[-_]|AKIA|ASIA|AIza|ya29\.)[-_A-Za-z0-9]{12,}"
        r"|(?<![\w-])eyJ[\w-]{10,}\.[\w-]+\.[\w-]+"
    ),
    "phone": (
        r"(?<![\w.])(?!\d{4}-\d\d?-\d\d?(?!\d)|\d+\.\d+(?![\d.]))"  # a date or a decimal is none
        r"(?:\+ ?\d|\(0\d|\d)(?:[ ()/.-]{0,2}\d){6,14}(?!\w|\.\d)"
    ),
}
"""Patterns that are always taken out, by the word that stands in their place. Each takes time linear in the text."""
REMEMBERED = 10_000
SLICE_CHARACTERS = 200


class Redactor:
    """Replaces what a pattern matches by its name in brackets."""

    def __init__(self, own: tuple[str, ...] = ()) -> None:
        named = [*BUILT_IN.items(), *(("redacted", pattern) for pattern in own)]
        self._patterns = [(f"[{name}]", re.compile(pattern)) for name, pattern in named]

    def __call__(self, text: str) -> str:
        """The text without what any pattern matches."""
        for name, pattern in self._patterns:
            text = pattern.sub(name, text)
        return text


class UnknownAnswerError(RoleShiftError):
    """Raised on an id that no kept answer has."""


@dataclass(frozen=True)
class Asked:
    """One request: what was asked, for which task, with which slices of its instruction, by whom."""

    request_id: str
    text: str
    task: TaskDefinition | None
    slices: dict[str, str]
    user_id: str | None


@dataclass(frozen=True)
class Remembered:
    """What feedback on a recent answer is about. No text: what is deleted must not come back from memory."""

    about: About
    answered: Answered
    user_id: str | None
    captured: bool


class Capture:
    """Keeps a share of the answered requests, and takes what users say of any recent one."""

    def __init__(self, store: FeedbackStore, params: CaptureParams) -> None:
        self._store, self._params = store, params
        self._redact = Redactor(params.redact)
        self._recent: OrderedDict[str, Remembered] = OrderedDict()
        self._lock = Lock()

    def draw(self) -> bool:
        """Whether the next request falls into the share."""
        return random.random() < self._params.share  # noqa: S311

    def remember(self, asked: Asked, answered: Answered, *, captured: bool) -> None:
        """Know the answer's id for a while, so that feedback on it finds its version and task."""
        with self._lock:
            self._recent[asked.request_id] = Remembered(_about(asked), answered, asked.user_id, captured)
            while len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)

    def store(self, asked: Asked, answered: Answered, answer: Answer, logprob: float | None) -> None:
        """Store one exchange, redacted; `logprob` is the mean log-probability of the answer's tokens."""
        self._store.add(
            new_event(
                "capture",
                about=_about(asked),
                answered=answered,
                outcome="captured",
                drawn_by="random",
                user_id=asked.user_id,
                texts=Texts(input=self._redact(asked.text), output=self._redact(answer.output)),
                details={
                    "prompt_tokens": answer.prompt_tokens,
                    "output_tokens": answer.output_tokens,
                    "finish_reason": answer.finish_reason,
                    "mean_logprob": logprob,
                    "language": asked.task.language if asked.task else None,
                    "slices": self._slices(asked),
                },
            )
        )

    def store_chosen(self, asked: Asked, answered: Answered, output: str) -> None:
        """Store an exchange that somebody sends to review, redacted; as it was chosen, it enters no acceptance rate."""
        language = asked.task.language if asked.task else None
        details: dict[str, Any] = {"language": language, "slices": self._slices(asked)}
        texts = Texts(input=self._redact(asked.text), output=self._redact(output))
        self._store.add(
            new_event(
                "capture",
                about=_about(asked),
                answered=answered,
                outcome="captured",
                drawn_by="choice",
                user_id=asked.user_id,
                texts=texts,
                details=details,
            )
        )

    def _slices(self, asked: Asked) -> dict[str, str]:
        """The slices that the instruction names: others are a caller's own text and are not kept."""
        named = asked.task.slice_names if asked.task else ()
        return {name: self._redact(asked.slices[name])[:SLICE_CHARACTERS] for name in named if name in asked.slices}

    def feedback(
        self, request_id: str, *, accepted: bool | None, correction: str | None, reason: str | None,
        said_by: str | None,
    ) -> list[str]:  # fmt: skip
        """Store what a user says of an answer; the kinds of events. Raises on an id that is not known.

        A user's own word is no random draw, so it enters no acceptance rate. A correction of a
        captured answer holds the request's text again: it belongs to who asked, whoever corrects.
        """
        with self._lock:
            recent = self._recent.get(request_id)
        captured = self._store.events("capture", request_id) if recent is None or recent.captured else []
        if captured:
            event = captured[0]
            about, answered, asker = event.about, event.answered, event.user_id
            texts = self._store.texts([event.text_id]).get(event.text_id or "", Texts())
            details = {name: event.details.get(name) for name in ("language", "slices")}
        elif recent is not None:
            about, answered, asker, texts, details = recent.about, recent.answered, recent.user_id, Texts(), {}
        else:
            raise UnknownAnswerError(f"no answer has the id {request_id!r}; it may be older than this server keeps")
        why = self._redact(reason) if reason else None
        said: dict[str, Any] = {"about": about, "answered": answered, "drawn_by": "choice",
                                "reviewer_id": said_by or asker or "user", "user_id": asker or said_by}  # fmt: skip
        entries = []
        if accepted is not None:
            outcome = "accept" if accepted else "reject"
            entries.append(new_event("judgement", outcome=outcome, texts=Texts(reason=why), **said))
        if correction:
            corrected = Texts(texts.input, texts.output, self._redact(correction), why)
            entries.append(new_event("correction", outcome="corrected", texts=corrected, details=details, **said))
        return [event.kind for event in self._store.add(*entries)]

    def expire(self) -> int:
        """Delete captured texts beyond their retention time; their number."""
        return self._store.expire(self._params.retention_days)


def _about(asked: Asked) -> About:
    if asked.task is None:
        return About(CAPTURED, None, asked.request_id, None, None, None)
    return About(CAPTURED, None, asked.request_id, asked.task.id, asked.task.capability, asked.task.domain)
