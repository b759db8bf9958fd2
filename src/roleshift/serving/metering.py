"""The server's figures for Prometheus."""

from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from roleshift.serving.limits import App, Receive, Scope, Send

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Meter:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: Any = {"registry": self.registry, "namespace": "roleshift"}
        self.requests = Counter("requests", "Answered requests.", ["path", "status"], **own)
        self.waiting = Gauge("queue_waiting", "Requests that wait for a row.", **own)
        self.running = Gauge("queue_running", "Requests that are decoded.", **own)
        self.latency = Histogram("request_seconds", "From arrival to the last token.", buckets=SECONDS, **own)
        self.first_token = Histogram("first_token_seconds", "From arrival to the first.", buckets=SECONDS, **own)
        self.prompt_tokens = Counter("prompt_tokens", "Tokens read.", ["version"], **own)
        self.output_tokens = Counter("output_tokens", "Tokens written, of cancelled answers too.", ["version"], **own)
        self.errors = Counter("errors", "Failed requests by reason.", ["reason"], **own)
        self.switches = Gauge("version_switches", "Versions that took another's place.", **own)
        self.alert = Gauge("alert", "1 while a version cannot be loaded or the registry not be asked.", **own)
        self.from_copy = Gauge("last_copy", "1 while a copy from before the start serves, not the registry's.", **own)
        self.drift = Gauge("drift", "1 while the last `roleshift drift` found drift.", **own)
        self.outside = Gauge("outside_domain_share", "Inputs unlike the evidence's.", ["capability"], **own)
        self.version = Gauge("served_version", "1 for each version that is loaded.", ["version", "content_id"], **own)


class Counting:
    """Counts every answer by its route and status."""

    def __init__(self, app: App, meter: Meter) -> None:
        self._app, self._meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", "other")  # never what a caller made up
                self._meter.requests.labels(path, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)
