"""Everything that is not an exchange: health, readiness, metrics, the console."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from llmctl.errors import LlmctlError, Unauthorized
from llmctl.gateway.reload import Live
from llmctl.server.asgi import LOCAL_HOST
from llmctl.server.console.app import Console

PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
Render = Callable[[str], tuple[bytes, str]]


def admin_app(live: Live, render: Render, console: Console | None = None) -> Starlette:
    """The admin application. `render` gives the metrics for an Accept header, with their content type."""

    async def healthz(request: Request) -> Response:
        """Alive: the loop runs. Depends on nothing else, so that a dead dependency restarts nobody."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        """Fit for traffic, or why not. A bad reload is told but does not take the old configuration out of service."""
        gateway = live.gateway
        reasons = gateway.unready()
        if live.draining:
            reasons["server"] = "draining"
        state = {"ready": not reasons, "reasons": reasons, "policy": gateway.policy}
        failure = live.failure
        # It quotes file names and lines, which are nobody's business on another host.
        state["reload_error"] = failure if failure is None or trusted(request) else "see the log"
        return JSONResponse(state, status_code=200 if not reasons else 503)

    async def metrics(request: Request) -> Response:
        """Prometheus or OpenMetrics text. From this machine free, from elsewhere with an admin key."""
        try:
            admit(request)
        except LlmctlError as error:
            return PlainTextResponse(f"{error.message}\n", status_code=error.http_status)
        body, content_type = await asyncio.to_thread(render, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    def admit(request: Request) -> None:
        """From this machine anyone, from elsewhere who has an admin key. Raises LlmctlError."""
        if not trusted(request):
            _require_admin(live, request)

    def trusted(request: Request) -> bool:
        return live.gateway.config.server.local_admin and _from_here(request)

    async def missing(request: Request, error: Exception) -> Response:
        paths = "/v1/…, /healthz, /readyz, /metrics" + (", /console" if console is not None else "")
        return JSONResponse(
            {"error": {"message": f"nothing here; there are {paths}", "type": "not_found_error", "param": None,
                       "code": "not_found"}},
            status_code=404,
        )  # fmt: skip

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if console is not None:
        routes += console.routes(admit)
    return Starlette(routes=routes, exception_handlers={404: missing})


def _from_here(request: Request) -> bool:
    """Whether a program on this machine asks, and not a proxy for somebody else.

    A name that a web page had pointed here is no such program. A proxy that says nothing of whom it asks for cannot be
    told from one: for that there is `server.local_admin: false`.
    """
    if not LOCAL_HOST.fullmatch(request.headers.get("host", "").encode("latin-1")):
        return False
    if any(name in request.headers for name in PASSED_ON):
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _require_admin(live: Live, request: Request) -> None:
    if not live.gateway.config.keys:  # then anyone is an admin, which is meant for this machine's programs
        hint = "ask for http://127.0.0.1 or http://localhost there, or let keys in with `llmctl keys new --admin`"
        raise Unauthorized(f"without keys only programs on the gateway's own machine may read this; {hint}")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    credential = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key")
    if not live.gateway.principal(credential).admin:
        raise Unauthorized("this needs a key with `admin: true`")
