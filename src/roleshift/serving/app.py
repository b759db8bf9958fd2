"""The HTTP server: OpenAI's endpoints over the versions that the registry names."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from roleshift.alerts import alerts_of
from roleshift.errors import RoleShiftError
from roleshift.feedback.drift import outside_shares
from roleshift.serving.batching import Piece
from roleshift.serving.capture import UnknownAnswerError
from roleshift.serving.limits import Guard
from roleshift.serving.metering import Counting
from roleshift.serving.server import RefusedError, Running, Server
from roleshift.serving.wire import (
    ChatRequest,
    CompletionRequest,
    FeedbackRequest,
    envelope,
    error_body,
    usage,
)

RECEIVE_SECONDS = 30.0
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {}}}
    for status, text in {
        400: "the request cannot be understood", 401: "wrong key", 404: "no such model, task or answer",
        408: "the body came too slowly", 413: "the body is too large", 429: "too many requests wait",
        503: "no version is loaded", 504: "not finished in time",
    }.items()
}  # fmt: skip


def make_app(server: Server, *, key: str | None = None, receive_seconds: float = RECEIVE_SECONDS) -> Any:
    """The ASGI application; it listens at once and is ready when the version is loaded."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
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
                said_by=body.user,
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
        if first["loc"] == ("body",):  # nothing, a list, or what was not declared as JSON
            problem = "the body must be a JSON object, with the header Content-Type: application/json"
            return JSONResponse(error_body(problem, "invalid_request_error"), 400)
        # Parts with a bracket are pydantic's own names of the forms that a field may have.
        where = ".".join(str(part) for part in first["loc"] if part != "body" and "[" not in str(part))
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
    async def health() -> dict[str, Any]:
        """The process is up; where what it serves comes from, and what is wrong if anything."""
        source = "last verified copy" if server.versions.from_copy else "registry"
        return {"status": "ok", "source": source if server.versions.main else None, "alert": server.versions.alert}

    @app.get("/ready", responses=ERRORS)
    async def ready() -> dict[str, Any]:
        """A version is loaded; its name, and what is wrong if anything."""
        main = server.versions.main
        if main is None:
            raise RefusedError(503, server.versions.absent, code="not_ready")
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
        server.meter.from_copy.set(server.versions.from_copy)
        server.meter.drift.set(any(alert.kind == "drift" for alert in alerts_of(server.project)))
        server.meter.outside.clear()
        for capability, share in outside_shares(server.project).items():
            server.meter.outside.labels(capability).set(share)
        server.meter.version.clear()
        for each in held:
            server.meter.version.labels(each.name, each.version.content_id).set(1)
        return Response(generate_latest(server.meter.registry), media_type=CONTENT_TYPE_LATEST)


async def _answer(
    server: Server, body: ChatRequest | CompletionRequest, request: Request,
    whole: Callable[[str, str], dict[str, Any]], chunk: Callable[[str | None, str | None], dict[str, Any]], kind: str,
) -> Response:  # fmt: skip
    running = await server.start(body)
    head = envelope(running.asked.request_id, kind, running.served.name, running.served.version.content_id[:16])
    headers = {"x-roleshift-version": running.served.name}
    if body.stream:
        if "chat" in kind:
            head["object"] = f"{kind}.chunk"
        counted = body.stream_options is not None and body.stream_options.include_usage
        try:  # what fails before the first token still gets its status
            first = await server.piece(running, request.is_disconnected)
        except BaseException:
            server.release(running)
            raise
        return _Stream(_events(server, running, first, head, chunk, counted=counted), server, running, headers)
    try:
        while (answer := (await server.piece(running, request.is_disconnected)).answer) is None:
            pass
    finally:
        server.release(running)
    content = {**head, "choices": [whole(answer.output, answer.finish_reason)], "usage": usage(answer)}
    return JSONResponse(content, headers=headers)


class _Stream(StreamingResponse):
    """Server-sent events of one request, which is released however they end: read to the end, cut off, never begun.

    A caller who reads nothing for as long as an answer may take is given up.
    """

    def __init__(self, events: AsyncIterator[str], server: Server, running: Running, headers: dict[str, str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._server, self._running = server, running

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        unread = False

        async def send_in_time(message: Any) -> None:
            nonlocal unread
            try:
                async with asyncio.timeout(self._server.settings.timeout_seconds):
                    await send(message)
            except TimeoutError:
                unread = True
                raise

        try:
            await super().__call__(scope, receive, send_in_time)
        except (TimeoutError, ClientDisconnect):  # a time-out is an OSError, which Starlette takes for a disconnect
            if unread:
                self._server.meter.errors.labels("unread").inc()
        finally:
            self._server.release(self._running)


async def _events(
    server: Server, running: Running, piece: Piece, head: dict[str, Any],
    chunk: Callable[[str | None, str | None], dict[str, Any]], *, counted: bool,
) -> AsyncIterator[str]:  # fmt: skip
    yield _event({**head, "choices": [chunk(None, None)]})
    while True:
        if piece.text:
            yield _event({**head, "choices": [chunk(piece.text, None)]})
        if piece.answer is not None:
            yield _event({**head, "choices": [chunk("", piece.answer.finish_reason)]})
            if counted:
                yield _event({**head, "choices": [], "usage": usage(piece.answer)})
            yield "data: [DONE]\n\n"
            return
        try:
            piece = await server.piece(running)
        except RefusedError as error:
            yield _event(error_body(str(error), "server_error", error.code))
            return


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
