"""A server's state and the way of one request: chosen version, queue, answer, what is kept of it."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from roleshift.errors import RoleShiftError
from roleshift.feedback.events import Answered
from roleshift.feedback.store import FeedbackStore
from roleshift.generation import Answer, GenerationConfig
from roleshift.generation import Request as Prompt
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import chat_messages, render_prompt
from roleshift.registry.tracking import Tracking
from roleshift.serving.batching import ClosedError, Job, Piece, QueueFullError
from roleshift.serving.capture import Capture
from roleshift.serving.metering import Meter
from roleshift.serving.versions import Served, ServedVersions
from roleshift.serving.wire import (
    ChatRequest,
    CompletionRequest,
)
from roleshift.tasks import TaskDefinition

log = logging.getLogger("roleshift.serving")


class RefusedError(Exception):
    """A request that gets an error, with its status."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


@dataclass
class Running:
    """A request that is being answered: its version, its job, and the pieces as they come."""

    request_id: str
    served: Served
    job: Job
    pieces: "asyncio.Queue[Piece]"
    task: TaskDefinition | None
    text: str
    user: str | None


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
        """Follow the registry until the server stops, and keep the retention time."""
        expired = 0.0
        while not self._stopping.wait(self.settings.poll_seconds):
            try:
                self.versions.refresh()
                if time.monotonic() - expired > 3600:
                    self.capture.expire()
                    expired = time.monotonic()
            except Exception:
                log.exception("following the registry failed; what is loaded goes on serving")

    def stop(self) -> None:
        """Finish what was accepted, for at most a request's time."""
        self._stopping.set()
        self.versions.close(self.settings.timeout_seconds)

    async def start(self, body: ChatRequest | CompletionRequest) -> Running:
        """Queue a request; raises RefusedError where that cannot be."""
        try:
            config = body.generation(self.settings)
        except (ValueError, RoleShiftError) as error:
            raise RefusedError(400, str(error)) from error
        task = self._task(body)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece] = asyncio.Queue()

        def emit(piece: Piece) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        for _ in range(5):  # a version that is switched away between choice and queue is chosen anew
            served = self.versions.choose(body.model)
            if served is None:
                raise self.no_model(body.model)
            kind = "chatcmpl" if isinstance(body, ChatRequest) else "cmpl"
            request_id = f"{kind}-{uuid.uuid4().hex}"
            try:
                job, text = await asyncio.to_thread(self._job, served, body, task, config, request_id, emit)
                served.batcher.submit(job)
            except ClosedError:
                continue
            except QueueFullError as error:
                self.meter.errors.labels("queue full").inc()
                raise RefusedError(429, str(error), code="rate_limit_exceeded") from error
            except RoleShiftError as error:
                raise RefusedError(400, str(error), code="context_length_exceeded") from error
            return Running(request_id, served, job, pieces, task, text, body.user)
        raise RefusedError(503, "no version takes requests at the moment; ask again")

    def _job(
        self, served: Served, body: ChatRequest | CompletionRequest, task: TaskDefinition | None,
        config: GenerationConfig, request_id: str, emit: Callable[[Piece], None],
    ) -> tuple[Job, str]:  # fmt: skip
        if isinstance(body, CompletionRequest):
            prompt = text = body.prompt
        else:
            messages = [{"role": m.role.replace("developer", "system"), "content": m.text} for m in body.messages]
            text = messages[-1]["content"]
            if task is not None:
                messages = messages[:-1] + chat_messages(task, text, body.slices)
            try:
                prompt = render_prompt(served.batcher.backend.tokenizer, messages)
            except Exception as error:  # a model's own template may refuse an order of roles
                raise RoleShiftError(f"the model's chat template refuses these messages ({error})") from error
        request = Prompt(request_id, prompt)
        return served.batcher.prepare(
            request, config, emit, seconds=self.settings.timeout_seconds, streams=bool(body.stream)
        ), text

    def _task(self, body: ChatRequest | CompletionRequest) -> TaskDefinition | None:
        if not isinstance(body, ChatRequest) or body.task is None:
            return None
        if body.task not in self.tasks:
            known = ", ".join(self.tasks)
            raise RefusedError(
                404, f"no task {body.task!r}; this server knows {known}", code="task_not_found", param="task"
            )
        return self.tasks[body.task]

    def no_model(self, model: str) -> RefusedError:
        """Why nothing answers to a name."""
        if self.versions.main is None:
            return RefusedError(503, self.versions.alert or "no version is loaded yet; ask again", code="not_ready")
        known = ", ".join(self.names())
        return RefusedError(404, f"no model {model!r}; this server has {known}", code="model_not_found", param="model")

    def names(self) -> list[str]:
        """What a request may name as its model."""
        names = [self.params.registry.model_name]
        for served in self.versions.all:
            names += [served.name, *(f"{served.version.name}@{alias}" for alias in served.version.aliases)]
        return list(dict.fromkeys(names))

    async def finish(self, running: Running, answer: Answer) -> None:
        """Count an answer and keep it if it falls into the captured share; a failing store loses no answer."""
        served, job = running.served, running.job
        self.meter.latency.observe(time.monotonic() - job.arrived)
        self.meter.prompt_tokens.labels(served.name).inc(answer.prompt_tokens)
        self.meter.output_tokens.labels(served.name).inc(answer.output_tokens)
        version = served.version
        answered = Answered(version.number, version.model_id, version.variant, served.artifact_id)
        try:
            await asyncio.to_thread(
                self.capture.exchange, running.request_id, answered, task=running.task, user_id=running.user,
                text=running.text, answer=answer,
            )  # fmt: skip
        except RoleShiftError:
            self.meter.errors.labels("capture").inc()
            log.exception("a captured request could not be stored")

    def first_token(self, running: Running) -> None:
        """Note the time to the first piece."""
        self.meter.first_token.observe(time.monotonic() - running.job.arrived)


def failure(piece: Piece) -> RefusedError:
    """The error of a request that got no answer."""
    if piece.error == "timeout":
        return RefusedError(504, "the answer was not finished in time; ask for fewer tokens", code="timeout")
    return RefusedError(500, f"the answer could not be made: {piece.error}", code="internal_error")
