"""One thread that decodes for many requests: a bounded queue in front of a backend's continuous batching."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from roleshift.errors import RoleShiftError
from roleshift.generation import Answer, Backend, GenerationConfig, Request
from roleshift.generation.sampling import Writing


class QueueFullError(RoleShiftError):
    """Raised where as many requests wait as may."""


class PromptTooLongError(RoleShiftError):
    """Raised where a prompt has more tokens than are taken."""


class ClosedError(RoleShiftError):
    """Raised where a version takes no more requests, since another one does."""


@dataclass(frozen=True)
class Piece:
    """A piece of an answer's text; the last one brings the whole answer, or why there is none."""

    text: str
    answer: Answer | None = None
    error: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.answer is not None or self.error is not None


@dataclass(eq=False)
class Job:
    """One request on its way: `emit` is called with each piece, from the decoding thread."""

    writing: Writing
    emit: Callable[[Piece], None]
    deadline: float  # of time.monotonic()
    streams: bool  # else one empty piece tells of the first token, and the text comes with the answer
    arrived: float = field(default_factory=time.monotonic)
    sent: int = 0

    def cancel(self) -> None:
        """Stop decoding it at the next token."""
        self.writing.cancelled = True


class Batcher:
    """Decodes jobs on a thread of its own, `rows` together; `close` finishes what was accepted."""

    def __init__(
        self, backend: Backend, *, rows: int, queue: int, max_prompt_tokens: int, max_new_tokens: int
    ) -> None:  # fmt: skip
        self.backend = backend
        self._rows, self._most, self._max_prompt = rows, queue, max_prompt_tokens
        self._capacity = max_prompt_tokens + max_new_tokens
        self._waiting: deque[Job] = deque()
        self._running: dict[Writing, Job] = {}
        self._changed = threading.Condition()
        self._tokenising = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that wait for a row."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Jobs that are being decoded."""
        return len(self._running)

    @property
    def alive(self) -> bool:
        """Whether jobs are taken."""
        return self._thread.is_alive() and not self._closing

    def prepare(
        self,
        request: Request,
        config: GenerationConfig,
        emit: Callable[[Piece], None],
        *,
        seconds: float,
        streams: bool,
        measured: bool = False,
    ) -> Job:
        """A job that is not queued yet; raises PromptTooLongError where its prompt does not fit.

        `measured`: the log-probability of its tokens is summed up.
        """
        with self._tokenising:
            writing = self.backend.writing(request, config)
        if writing.length > self._max_prompt:
            raise PromptTooLongError(
                f"the prompt has {writing.length} tokens, more than the {self._max_prompt} that this server takes"
            )
        writing.measured = measured
        return Job(writing, emit, time.monotonic() + seconds, streams)

    def submit(self, job: Job) -> None:
        """Queue a job; raises QueueFullError or ClosedError where it is not taken."""
        with self._changed:
            if not self.alive:
                raise ClosedError("this version is no longer served; ask again")
            if len(self._waiting) >= self._most:  # who hung up takes nobody's place
                self._waiting = deque(each for each in self._waiting if not each.writing.cancelled)
            if len(self._waiting) >= self._most:
                raise QueueFullError(f"{self._most} requests wait already; ask again later")
            self._waiting.append(job)
            self._changed.notify()

    def close(self, seconds: float | None = None) -> None:
        """Take nothing more, finish what was accepted (for at most `seconds`), free the model."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self.backend.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
            try:
                for writing in self.backend.continuous(self._next, rows=self._rows, capacity=self._capacity):
                    self._advance(self._running[writing])
            except Exception as error:  # a failing model must not leave callers waiting for ever
                self._fail(f"the model failed ({type(error).__name__}: {error})")

    def _next(self) -> Writing | None:
        with self._changed:
            while self._waiting:
                job = self._waiting.popleft()
                if job.writing.cancelled:
                    continue
                if time.monotonic() > job.deadline:
                    job.emit(Piece("", error="timeout"))
                    continue
                self._running[job.writing] = job
                return job.writing
        return None

    def _advance(self, job: Job) -> None:
        writing = job.writing
        if writing.finish_reason is None and time.monotonic() > job.deadline:
            writing.cancelled = True
            return
        if not job.streams and writing.finish_reason is None:
            if len(writing.tokens) == 1:
                job.emit(Piece(""))
            return
        text = writing.certain_text()
        piece, job.sent = text[job.sent :], max(job.sent, len(text))
        if writing.finish_reason is None:
            if piece:
                job.emit(Piece(piece))
            return
        del self._running[writing]
        if writing.finish_reason == "cancelled":
            job.emit(Piece("", error="timeout" if time.monotonic() > job.deadline else "cancelled"))
        else:
            job.emit(Piece(piece, writing.answer()))

    def _fail(self, reason: str) -> None:
        with self._changed:
            failed = list(self._running.values())
            self._running.clear()
        for job in failed:
            job.emit(Piece("", error=reason))
