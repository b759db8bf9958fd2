"""The HTTP server: OpenAI's endpoints over the versions that the registry names."""

import asyncio
import json
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from roleshift.alerts import alerts_of
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
from roleshift.serving.capture import Capture, UnknownAnswerError
from roleshift.serving.limits import Guard
from roleshift.serving.metering import Counting, Meter
from roleshift.serving.versions import Served, ServedVersions
from roleshift.serving.wire import (
    ChatRequest,
    CompletionRequest,
    FeedbackRequest,
    Sampling,
    envelope,
    error_body,
    usage,
)
from roleshift.tasks import TaskDefinition

log = logging.getLogger("roleshift.serving")
RECEIVE_SECONDS = 30.0
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {}}}
    for status, text in {
        400: "the request cannot be understood", 401: "wrong key", 404: "no such model, task or answer",
        408: "the body came too slowly", 413: "the body is too large", 429: "too many requests wait",
        503: "no version is loaded", 504: "not finished in time",
    }.items()
}  # fmt: skip


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
        return served.batcher.prepare(request, config, emit, self.settings.timeout_seconds), text

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


def make_app(server: Server, *, key: str | None = None, receive_seconds: float = RECEIVE_SECONDS) -> Any:
    """The ASGI application; it loads the served version when it starts."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(server.versions.refresh)
        thread = threading.Thread(target=server.follow, name="registry", daemon=True)
        thread.start()
        yield
        await asyncio.to_thread(server.stop)

    app = FastAPI(title="RoleShift", version="1", lifespan=life)
    _errors(app, server)
    _operations(app, server)

    @app.get("/v1/models", responses=ERRORS)
    async def models() -> dict[str, Any]:
        """What a request may name as its model."""
        return {"object": "list", "data": [_model(name) for name in server.names()]}

    @app.get("/v1/models/{name:path}", responses=ERRORS)
    async def model(name: str) -> dict[str, Any]:
        """One model."""
        if name not in server.names():
            raise RefusedError(
                404, f"no model {name!r}; this server has {', '.join(server.names())}", code="model_not_found"
            )
        return _model(name)

    @app.post("/v1/chat/completions", responses=ERRORS, response_model=None)
    async def chat(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation."""
        return await _answer(server, body, request, _chat_whole, _chat_chunk, "chat.completion")

    @app.post("/v1/completions", responses=ERRORS, response_model=None)
    async def complete(body: CompletionRequest, request: Request) -> Response:
        """Continue a text."""
        return await _answer(server, body, request, _text_whole, _text_chunk, "text_completion")

    @app.post("/v1/feedback", responses=ERRORS)
    async def feedback(body: FeedbackRequest) -> dict[str, Any]:
        """Take a user's word on an answer."""
        accepted = None if body.verdict is None else body.verdict == "accept"
        try:
            kinds = await asyncio.to_thread(
                server.capture.feedback, body.id, accepted=accepted, correction=body.correction, reason=body.reason,
                user_id=body.user,
            )  # fmt: skip
        except RoleShiftError as error:
            raise RefusedError(404 if isinstance(error, UnknownAnswerError) else 503, str(error)) from error
        return {"id": body.id, "stored": kinds}

    guarded = Guard(app, max_bytes=server.settings.max_body_bytes, seconds=receive_seconds, key=key)
    return Counting(guarded, server.meter)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "roleshift"}


def _errors(app: FastAPI, server: Server) -> None:
    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        headers = {"Retry-After": "1"} if error.status in (429, 503) else None
        return JSONResponse(error_body(str(error), kind, error.code, error.param), error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            problem = first.get("ctx", {}).get("error", "cannot be parsed")
            return JSONResponse(error_body(f"the body is not JSON: {problem}", "invalid_request_error"), 400)
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        message = first["msg"].removeprefix("Value error, ")
        said = f"{where}: {message}" if where else message
        return JSONResponse(error_body(said, "invalid_request_error", param=where or None), 400)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(error_body(str(error.detail), "invalid_request_error"), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        server.meter.errors.labels("internal").inc()
        return JSONResponse(error_body(f"internal error ({type(error).__name__})", "server_error"), 500)


def _operations(app: FastAPI, server: Server) -> None:
    @app.get("/health", responses=ERRORS)
    async def health() -> dict[str, str]:
        """The process is up."""
        return {"status": "ok"}

    @app.get("/ready", responses=ERRORS)
    async def ready() -> dict[str, Any]:
        """A version is loaded; its name, and what is wrong if anything."""
        main = server.versions.main
        if main is None:
            raise RefusedError(503, server.versions.alert or "no version is loaded yet", code="not_ready")
        return {"status": "ready", "versions": [each.name for each in server.versions.all],
                "alert": server.versions.alert}  # fmt: skip

    @app.get("/metrics", responses=ERRORS, response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        held = server.versions.all
        server.meter.waiting.set(sum(each.batcher.waiting for each in held))
        server.meter.running.set(sum(each.batcher.running for each in held))
        server.meter.switches.set(server.versions.switches)
        server.meter.alert.set(server.versions.alert is not None)
        server.meter.drift.set(any(alert.kind == "drift" for alert in alerts_of(server.project)))
        server.meter.version.clear()
        for each in held:
            server.meter.version.labels(each.name, each.version.content_id).set(1)
        return Response(generate_latest(server.meter.registry), media_type=CONTENT_TYPE_LATEST)


async def _answer(
    server: Server, body: Sampling, request: Request, whole: Callable[[str, str], dict[str, Any]],
    chunk: Callable[[str | None, str | None], dict[str, Any]], kind: str,
) -> Response:  # fmt: skip
    running = await server.start(body)  # type: ignore[arg-type]
    fingerprint = running.served.version.content_id[:16]
    headers = {"x-roleshift-version": running.served.name}
    if body.stream:
        include = body.stream_options is not None and body.stream_options.include_usage
        head = envelope(
            running.request_id, f"{kind}.chunk" if "chat" in kind else kind, running.served.name, fingerprint
        )
        stream = _stream(server, running, head, chunk, include)
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
    answer = await _whole(server, running, request)
    head = envelope(running.request_id, kind, running.served.name, fingerprint)
    return JSONResponse({**head, "choices": [whole(answer.output, answer.finish_reason)], "usage": usage(answer)},
                        headers=headers)  # fmt: skip


async def _whole(server: Server, running: Running, request: Request) -> Answer:
    """Wait for the answer; a caller who hangs up ends it."""
    started = False
    try:
        while True:
            try:
                piece = await asyncio.wait_for(running.pieces.get(), 0.5)
            except TimeoutError:
                if await request.is_disconnected():
                    raise RefusedError(499, "the caller hung up") from None
                continue
            if not started:
                server.first_token(running)
                started = True
            if piece.answer is not None:
                await server.finish(running, piece.answer)
                return piece.answer
            if piece.error is not None:
                server.meter.errors.labels(piece.error if piece.error in ("timeout", "cancelled") else "model").inc()
                raise failure(piece)
    finally:
        running.job.cancel()  # of no effect once it is finished


async def _stream(
    server: Server, running: Running, head: dict[str, Any], chunk: Callable[[str | None, str | None], dict[str, Any]],
    include_usage: bool,
) -> AsyncIterator[str]:  # fmt: skip
    """Server-sent events; Starlette ends the generator where the caller hangs up, and with it the job."""
    started = False
    try:
        while True:
            piece = await running.pieces.get()
            if piece.error is not None:
                refused = failure(piece)
                server.meter.errors.labels(piece.error if piece.error in ("timeout", "cancelled") else "model").inc()
                yield _event(error_body(str(refused), "server_error", refused.code))
                return
            if not started:
                server.first_token(running)
                yield _event({**head, "choices": [chunk(None, None)]})
                started = True
            if piece.text:
                yield _event({**head, "choices": [chunk(piece.text, None)]})
            if piece.answer is not None:
                await server.finish(running, piece.answer)
                yield _event({**head, "choices": [chunk("", piece.answer.finish_reason)]})
                if include_usage:
                    yield _event({**head, "choices": [], "usage": usage(piece.answer)})
                yield "data: [DONE]\n\n"
                return
    finally:
        running.job.cancel()


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


def _chat_whole(text: str, reason: str) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason, "logprobs": None}


def _chat_chunk(text: str | None, reason: str | None) -> dict[str, Any]:
    delta = {"role": "assistant", "content": ""} if text is None else {"content": text} if text else {}
    return {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}


def _text_whole(text: str, reason: str) -> dict[str, Any]:
    return {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}


def _text_chunk(text: str | None, reason: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text or "", "finish_reason": reason, "logprobs": None}
