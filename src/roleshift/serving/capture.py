"""What is kept of requests and answers: a share of them, redacted, in the feedback store."""

import random
import re
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.feedback.events import CAPTURED, About, Answered, Event, Texts
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.generation import Answer
from roleshift.serving.settings import CaptureParams
from roleshift.tasks import TaskDefinition

BUILT_IN = {
    "e-mail": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "key": r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA|AIza)[-_A-Za-z0-9]{12,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+",
    "phone": r"(?<![\w.])(?:\+|00)?\d[\d ()/.-]{7,}\d(?![\w.])",
}
"""Patterns that are always taken out, by the word that stands in their place."""
REMEMBERED = 10_000


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
class Exchange:
    """One answered request: what feedback on it is about."""

    request_id: str
    answered: Answered
    task: TaskDefinition | None
    user_id: str | None
    input: str
    output: str
    drawn: bool
    """Whether it fell into the captured share."""


class Capture:
    """Keeps a share of the exchanges, and takes what users say of any recent one."""

    def __init__(self, store: FeedbackStore, params: CaptureParams) -> None:
        self._store, self._params = store, params
        self._redact = Redactor(params.redact)
        self._recent: OrderedDict[str, Exchange] = OrderedDict()
        self._lock = Lock()

    def exchange(
        self, request_id: str, answered: Answered, *, task: TaskDefinition | None, user_id: str | None, text: str,
        answer: Answer,
    ) -> None:  # fmt: skip
        """Remember an answered request, and store it if it falls into the share."""
        drawn = random.random() < self._params.share  # noqa: S311
        # Without capture no text is held, not even in memory.
        found = Exchange(
            request_id,
            answered,
            task,
            user_id,
            self._redact(text) if drawn else "",
            self._redact(answer.output) if drawn else "",
            drawn,
        )
        with self._lock:
            self._recent[request_id] = found
            while len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        if drawn:
            self._store.add(
                new_event(
                    "capture",
                    about=_about(request_id, task),
                    answered=answered,
                    outcome="captured",
                    drawn_by="random",
                    user_id=user_id,
                    texts=Texts(input=found.input, output=found.output),
                    details={
                        "prompt_tokens": answer.prompt_tokens,
                        "output_tokens": answer.output_tokens,
                        "finish_reason": answer.finish_reason,
                        "language": task.language if task else None,
                    },
                )
            )

    def feedback(
        self, request_id: str, *, accepted: bool | None, correction: str | None, reason: str | None,
        user_id: str | None,
    ) -> list[str]:  # fmt: skip
        """Store what a user says of an answer; the kinds of events. Raises on an id that is not known.

        A user's own word is no random draw, so it enters no acceptance rate.
        """
        about, answered, texts, language = self._of(request_id)
        who = user_id or "user"
        why = self._redact(reason) if reason else None
        said: dict[str, Any] = {"about": about, "answered": answered, "drawn_by": "choice", "reviewer_id": who,
                                "user_id": user_id}  # fmt: skip
        entries = []
        if accepted is not None:
            outcome = "accept" if accepted else "reject"
            entries.append(new_event("judgement", outcome=outcome, texts=Texts(reason=why), **said))
        if correction:
            corrected = Texts(texts.input, texts.output, self._redact(correction), why)
            details: dict[str, object] = {"language": language, "slices": {}}
            entries.append(new_event("correction", outcome="corrected", texts=corrected, details=details, **said))
        return [event.kind for event in self._store.add(*entries)]

    def expire(self) -> int:
        """Delete captured texts beyond their retention time; their number."""
        return self._store.expire(self._params.retention_days)

    def _of(self, request_id: str) -> tuple[About, Answered, Texts, str | None]:
        with self._lock:
            recent = self._recent.get(request_id)
        if recent is not None:
            texts = Texts(input=recent.input or None, output=recent.output or None)
            return (
                _about(request_id, recent.task),
                recent.answered,
                texts,
                recent.task.language if recent.task else None,
            )
        events: list[Event] = self._store.events("capture", request_id)
        if not events:
            raise UnknownAnswerError(f"no answer has the id {request_id!r}; it may be older than this server keeps")
        event = events[0]
        texts = self._store.texts([event.text_id]).get(event.text_id or "", Texts())
        language = event.details.get("language")
        return event.about, event.answered, texts, str(language) if language else None


def _about(request_id: str, task: TaskDefinition | None) -> About:
    if task is None:
        return About(CAPTURED, None, request_id, None, None, None)
    return About(CAPTURED, None, request_id, task.id, task.capability, task.domain)
