"""Before a request reaches the application: the size of its body, the speed of its sender, the key."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from roleshift.serving.wire import error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OPEN = ("/health", "/ready", "/metrics")
"""Paths that need no key."""


class Guard:
    """Reads a request's whole body within its limits, then hands it on; refuses a wrong key before."""

    def __init__(self, app: App, *, max_bytes: int, seconds: float, key: str | None) -> None:
        self._app, self._max_bytes, self._seconds, self._key = app, max_bytes, seconds, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if self._key is not None and scope["path"] not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {self._key}".encode()):
                await _refuse(send, 401, "the API key is missing or wrong; send it as `Authorization: Bearer KEY`")
                return
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._max_bytes:
            await _refuse(send, 413, f"the body has {int(length)} bytes; this server takes {self._max_bytes}")
            return
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._max_bytes:
                        await _refuse(send, 413, f"the body is larger than the {self._max_bytes} bytes allowed")
                        return
        except TimeoutError:
            await _refuse(send, 408, f"the body did not arrive within {self._seconds:g} seconds")
            return
        handed = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)


async def _refuse(send: Send, status: int, message: str) -> None:
    content = json.dumps(error_body(message, "invalid_request_error")).encode()
    headers = [
        (b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]  # fmt: skip
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
