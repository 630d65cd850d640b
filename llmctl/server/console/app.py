"""The console's routes: the page, its files, and the JSON it lives on.

The page and its files hold nothing of the gateway's and are served to anyone; everything under /console/api/ is for
programs on this machine and for admin keys, as `/metrics`. All of it is off the path of requests: families are taken
in a thread, at most once a second however many look, and every ten seconds besides for whoever looks next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmctl import __version__
from llmctl.alerts.alert import Alert
from llmctl.clock import Clock
from llmctl.errors import LlmctlError, UsageError
from llmctl.gateway.reload import Live
from llmctl.server.console.exchanges import Condition, Exchanges, question
from llmctl.server.console.history import History
from llmctl.server.console.overview import Overview
from llmctl.server.console.snapshot import Snapshot, take
from llmctl.server.console.summary import Facts, facts, overview
from llmctl.telemetry.semconv import VERSIONS
from llmctl.telemetry.series import Families

FRESH = 1.0
"""Seconds for which an overview is good enough for everybody who asks."""
IDLE = 10.0
"""Seconds between snapshots while nobody asks, so that whoever comes finds the last minutes."""
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}

Admit = Callable[[Request], None]
Handler = Callable[[Request], Awaitable[Response]]


class Console:
    """What the console knows. `routes` mounts it; `run` is a task for the process' life.

    `families` are over all workers and may block; `alerts` says what is open; `records` is the record store's folder,
    or None where nothing is kept; `conditions` reads the text of `where=` (`llmctl.reports.where.parse`).
    """

    def __init__(
        self,
        live: Live,
        families: Callable[[], Families],
        clock: Clock,
        *,
        alerts: Callable[[], Sequence[Alert]] = tuple,
        records: Path | None = None,
        conditions: Callable[[str], Condition] | None = None,
        began: float | None = None,
    ) -> None:
        """`began`: since when what `families` count has been counted, epoch seconds; now unless given."""
        self._live = live
        self._families = families
        self._clock = clock
        self._alerts = alerts
        self._recording = records is not None
        self._exchanges = Exchanges(records, clock)
        self._conditions = conditions
        born = clock.wall()
        self._began = born if began is None else min(began, born)
        self._history = History(born, began=self._began)
        self._facts: Facts | None = None
        self._asked = False
        self._taking = asyncio.Lock()
        self._reading = asyncio.Lock()

    async def run(self) -> None:
        """Take a snapshot now and then until cancelled: 0.2 ms of a thread every ten seconds."""
        while True:
            with suppress(Exception):  # whoever looks is told, and the log with them
                await self._refresh(asked=False)
            await asyncio.sleep(IDLE)

    async def overview(self) -> Overview:
        """Everything at a glance, at most a second old; of what other workers count, two."""
        facts = await self._refresh(asked=True)
        return overview(self._live, self._history, facts, self._alerts(), __version__, self._began)

    def routes(self, admit: Admit) -> list[Route]:
        """What is served under /console. `admit` raises LlmctlError for who may not read."""

        async def summary(request: Request) -> Response:
            return _json(await self.overview())

        async def several(request: Request) -> Response:
            asked = question(dict(request.query_params), self._conditions)
            async with self._reading:  # one after the other: reading costs the loop's time too
                return _json(await asyncio.to_thread(self._exchanges.list, asked))

        async def single(request: Request) -> Response:
            started = _number(request.query_params.get("started"))
            async with self._reading:
                found = await asyncio.to_thread(self._exchanges.one, request.path_params["id"], started)
            if found is None:
                return _error("no such exchange among the newest records; `llmctl traces show` looks through all", 404)
            return _json(found)

        page = _Static()
        return [
            Route("/console", page("index.html")),
            *(Route(f"/console/static/{name}", page(name)) for name in page.names),
            Route("/console/api/overview", _guarded(admit, summary)),
            Route("/console/api/exchanges", _guarded(admit, several)),
            Route("/console/api/exchanges/{id}", _guarded(admit, single)),
        ]

    async def _refresh(self, *, asked: bool) -> Facts:
        """The facts of the history's last snapshot, which is fresh then.

        One that nobody asked for is not fresh enough for who asks: who looks once, right after a request, sees it.
        """
        async with self._taking:
            last = self._history.last
            stale = last is None or self._clock.monotonic() - last.at >= FRESH
            if stale or (asked and not self._asked):
                snapshot, self._facts = await asyncio.to_thread(self._take)
                self._history.add(snapshot)
                self._asked = asked
        assert self._facts is not None
        return self._facts

    def _take(self) -> tuple[Snapshot, Facts]:
        config = self._live.gateway.config
        families, names = self._families(), VERSIONS[config.telemetry.semconv]
        snapshot = take(families, names, self._clock.monotonic(), self._clock.wall())
        return snapshot, facts(families, cache=config.cache is not None, records=self._recording)


class _Static:
    """Makes the handlers of the page's files, which are read once."""

    def __init__(self) -> None:
        folder = files(__package__) / "static"
        self._content = {entry.name: entry.read_bytes() for entry in folder.iterdir() if _type(entry.name)}
        self.names = sorted(self._content)

    def __call__(self, name: str) -> Handler:
        headers = {**HEADERS, "cache-control": "no-cache", "content-type": f"{_type(name)}; charset=utf-8"}
        body = self._content[name]

        async def serve(request: Request) -> Response:
            return Response(body, headers=headers)

        return serve


def _guarded(admit: Admit, handler: Handler) -> Handler:
    """`handler` for those who may, and its errors as JSON."""

    async def guarded(request: Request) -> Response:
        try:
            admit(request)
            return await handler(request)
        except UsageError as error:
            return _error(error.message, 400)
        except LlmctlError as error:
            return _error(error.message, error.http_status)
        except OSError as error:
            return _error(f"the records cannot be read: {error.strerror or error}", 500)

    return guarded


def _json(what: Any, status: int = 200) -> Response:
    headers = {**HEADERS, "cache-control": "no-store", "content-type": "application/json"}
    return Response(msgspec.json.encode(what), status, headers)


def _error(message: str, status: int) -> Response:
    return _json({"error": {"message": message}}, status)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _type(name: str) -> str | None:
    return TYPES.get(Path(name).suffix)
