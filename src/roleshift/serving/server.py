"""A server's state and the way of one request: chosen version, queue, answer, what is kept of it."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from roleshift.errors import RoleShiftError
from roleshift.feedback.events import Answered
from roleshift.feedback.store import FeedbackStore
from roleshift.generation import Answer
from roleshift.generation import Request as Prompt
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import chat_messages, render_prompt
from roleshift.registry.tracking import Tracking
from roleshift.serving.batching import ClosedError, Job, Piece, PromptTooLongError, QueueFullError
from roleshift.serving.capture import Asked, Capture
from roleshift.serving.metering import Meter
from roleshift.serving.versions import Served, ServedVersions
from roleshift.serving.wire import ChatRequest, CompletionRequest
from roleshift.tasks import TaskDefinition

log = logging.getLogger("roleshift.serving")
EXPIRY_SECONDS = 3600.0
GONE_SECONDS = 0.5
"""How often it is looked whether a caller who waits is still there."""


class RefusedError(Exception):
    """A request that gets an error, with its status."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


@dataclass
class Running:
    """A request that is being answered: its version, its job, and the pieces as they come."""

    asked: Asked
    served: Served
    job: Job
    pieces: "asyncio.Queue[Piece]"
    captured: bool
    outcome: str = "cancelled"
    """What is counted when it is released: cancelled, unless something else came of it."""
    started: bool = False


class Server:
    """Everything that the endpoints share."""

    def __init__(self, project: Project, params: Params, tracking: Callable[[], Tracking]) -> None:
        self.project, self.params, self.settings = project, params, params.serving
        self.versions = ServedVersions(tracking, params, project)
        self.meter = Meter()
        self.capture = Capture(FeedbackStore.of(project), params.serving.capture)
        self.tasks = params.task_definitions()
        self._stopping = threading.Event()

    def follow(self) -> None:
        """Load what the registry names, follow it until the server stops, and keep the retention time."""
        expired = float("-inf")
        while True:
            try:
                self.versions.refresh()
                if time.monotonic() - expired > EXPIRY_SECONDS:
                    self.capture.expire()
                    expired = time.monotonic()
            except Exception:
                log.exception("following the registry failed; what is loaded goes on serving")
            if self._stopping.wait(self.settings.poll_seconds):
                return

    def stop(self) -> None:
        """Finish what was accepted, for at most a request's time."""
        self._stopping.set()
        self.versions.close(self.settings.timeout_seconds)

    async def start(self, body: ChatRequest | CompletionRequest) -> Running:
        """Queue a request; raises RefusedError where that cannot be. Whoever gets it must `release` it."""
        try:
            config = body.generation(self.settings)
        except (ValueError, RoleShiftError) as error:
            raise RefusedError(400, str(error)) from error
        asked = self._asked(body)
        captured = self.capture.draw()
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece] = asyncio.Queue()

        def emit(piece: Piece) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        for _ in range(5):  # a version that is switched away between choice and queue is chosen anew
            served = self.versions.choose(body.model)
            if served is None:
                raise self.no_model(body.model)

            def prepared(served: Served = served) -> Job:
                prompt = Prompt(asked.request_id, self._prompt(served, body, asked.task))
                return served.batcher.prepare(
                    prompt, config, emit, seconds=self.settings.timeout_seconds, streams=bool(body.stream),
                    measured=captured,
                )  # fmt: skip

            try:
                job = await asyncio.to_thread(prepared)
                served.batcher.submit(job)
            except ClosedError:
                continue
            except QueueFullError as error:
                self.meter.errors.labels("queue full").inc()
                raise RefusedError(429, str(error), code="rate_limit_exceeded") from error
            except PromptTooLongError as error:
                raise RefusedError(400, str(error), code="context_length_exceeded") from error
            except RoleShiftError as error:
                raise RefusedError(400, str(error)) from error
            return Running(asked, served, job, pieces, captured)
        raise RefusedError(503, "no version takes requests at the moment; ask again")

    async def piece(self, running: Running, gone: Callable[[], Awaitable[bool]] | None = None) -> Piece:
        """The next piece of an answer; raises RefusedError where there is none. Counts and keeps what comes.

        `gone` says whether the caller has hung up; it is asked while nothing comes.
        """
        while True:
            try:
                piece = await asyncio.wait_for(running.pieces.get(), GONE_SECONDS if gone else None)
                break
            except TimeoutError:
                if gone and await gone():
                    raise RefusedError(499, "the caller hung up") from None
        if piece.error is not None:
            running.outcome = piece.error if piece.error in ("timeout", "cancelled") else "model"
            raise failure(piece)
        if not running.started:
            running.started = True
            self.meter.first_token.observe(time.monotonic() - running.job.arrived)
        if piece.answer is not None:
            running.outcome = ""
            self.meter.latency.observe(time.monotonic() - running.job.arrived)
            await self._keep(running, piece.answer)
        return piece

    def release(self, running: Running) -> None:
        """End a request: stop its decoding if it still goes on, and count what it took."""
        running.job.cancel()  # of no effect once it is finished
        if running.outcome:
            self.meter.errors.labels(running.outcome).inc()
        writing, name = running.job.writing, running.served.name
        if writing.tokens or writing.finish_reason:
            self.meter.prompt_tokens.labels(name).inc(len(writing.prompt_ids))
            self.meter.output_tokens.labels(name).inc(len(writing.tokens))

    def _asked(self, body: ChatRequest | CompletionRequest) -> Asked:
        request_id = f"{'chatcmpl' if isinstance(body, ChatRequest) else 'cmpl'}-{uuid.uuid4().hex}"
        if isinstance(body, CompletionRequest):
            return Asked(request_id, body.text, None, {}, body.user)
        task = self._task(body.task)
        return Asked(request_id, body.messages[-1].text, task, dict(body.slices), body.user)

    @staticmethod
    def _prompt(served: Served, body: ChatRequest | CompletionRequest, task: TaskDefinition | None) -> str:
        if isinstance(body, CompletionRequest):
            return body.text
        messages = [{"role": m.role.replace("developer", "system"), "content": m.text} for m in body.messages]
        if task is not None:
            messages = messages[:-1] + chat_messages(task, messages[-1]["content"], body.slices)
        try:
            return render_prompt(served.batcher.backend.tokenizer, messages)
        except Exception as error:  # a model's own template may refuse an order of roles
            raise RoleShiftError(f"the model's chat template refuses these messages ({error})") from error

    def _task(self, name: str | None) -> TaskDefinition | None:
        if name is not None and name not in self.tasks:
            known = ", ".join(self.tasks)
            raise RefusedError(404, f"no task {name!r}; this server knows {known}", code="task_not_found", param="task")
        return self.tasks[name] if name is not None else None

    def no_model(self, model: str) -> RefusedError:
        """Why nothing answers to a name."""
        if self.versions.main is None:
            return RefusedError(503, f"{self.versions.absent}; ask again", code="not_ready")
        known = ", ".join(self.names())
        return RefusedError(404, f"no model {model!r}; this server has {known}", code="model_not_found", param="model")

    def names(self) -> list[str]:
        """What a request may name as its model."""
        names = [self.params.registry.model_name]
        for served in self.versions.all:
            names += [served.name, *(f"{served.version.name}@{alias}" for alias in served.version.aliases)]
        return list(dict.fromkeys(names))

    async def _keep(self, running: Running, answer: Answer) -> None:
        """Remember what was answered, and store it if it was drawn; a failing store loses no answer."""
        served, version = running.served, running.served.version
        answered = Answered(version.number, version.model_id, version.variant, served.artifact_id)
        writing = running.job.writing
        logprob = writing.logprob / max(1, len(writing.tokens)) if writing.measured else None
        self.capture.remember(running.asked, answered, captured=running.captured)
        if not running.captured:
            return
        try:
            await asyncio.to_thread(self.capture.store, running.asked, answered, answer, logprob)
        except RoleShiftError:
            self.meter.errors.labels("capture").inc()
            log.exception("a captured request could not be stored")


def failure(piece: Piece) -> RefusedError:
    """The error of a request that got no answer."""
    if piece.error == "timeout":
        return RefusedError(504, "the answer was not finished in time; ask for fewer tokens", code="timeout")
    return RefusedError(500, f"the answer could not be made: {piece.error}", code="internal_error")
