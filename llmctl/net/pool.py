"""Keep-alive connections to upstreams, one stack per origin.

The pool never sends a request twice: where a kept-alive connection turns out to be dead it raises
`UpstreamLost(unanswered=True)`, and the upstream stage, the only place that retries, decides.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from llmctl.clock import Clock
from llmctl.errors import UpstreamConnectError, UpstreamError, UpstreamTimeout
from llmctl.net.connection import Connection
from llmctl.net.transport import Origin, Request, Response


class Pool:
    """A `Transport` over TCP and TLS. Not bounded in connections: what limits load stands before it."""

    def __init__(self, clock: Clock, *, max_idle: int = 512, idle_timeout: float = 60.0) -> None:
        """`max_idle` connections are kept per origin, each for `idle_timeout` seconds."""
        self._clock = clock
        self._max_idle = max_idle
        self._idle_timeout = idle_timeout
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._closed = False

    async def send(self, request: Request) -> Response:
        """Returns when the answer's head is there."""
        connection = self._take(request.origin)
        if connection is None:
            connection = await self._connect(request)
        return await connection.exchange(request)

    def _take(self, origin: Origin) -> Connection | None:
        stack = self._idle.get(origin)
        while stack:
            connection = stack.pop()
            if connection.usable:
                if connection.quiet():
                    return connection
                connection.close()
        return None

    async def _connect(self, request: Request) -> Connection:
        loop = asyncio.get_running_loop()
        origin = request.origin
        left = request.deadline - self._clock.monotonic()
        budget = min(request.timeouts.connect, left)
        with _connect_errors(origin, budget, "total" if left < request.timeouts.connect else "connect"):
            async with asyncio.timeout(budget):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, origin, self._release, self._forget, self._idle_timeout),
                    origin.host,
                    origin.port,
                    ssl=origin.tls,
                    server_hostname=origin.host if origin.tls else None,
                )
        if connection.usable:  # it may be gone already
            self._open.add(connection)
        return connection

    def _release(self, connection: Connection) -> None:
        stack = self._idle.setdefault(connection.origin, [])
        if self._closed or len(stack) >= self._max_idle:
            connection.close()
            return
        stack.append(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        stack = self._idle.get(connection.origin)
        if stack is not None and connection in stack:
            stack.remove(connection)
        if not stack:
            self._idle.pop(connection.origin, None)

    @property
    def size(self) -> int:
        """Connections open now, idle or busy."""
        return len(self._open)

    def close(self) -> None:
        """Close what is idle at once and what is busy when it is done."""
        self._closed = True
        for stack in self._idle.values():
            for connection in stack:
                connection.close()
        self._idle.clear()


@contextmanager
def _connect_errors(origin: Origin, budget: float, phase: str) -> Iterator[None]:
    try:
        yield
    except UpstreamError:
        raise
    except TimeoutError:
        message = f"no connection to {origin} within {max(budget, 0):.3g} s; check base_url and the network"
        raise UpstreamTimeout(message, phase=phase) from None
    except ssl.SSLCertVerificationError as error:
        message = (
            f"{origin} showed a certificate that does not verify: {error.verify_message}; set ca_file if it is yours"
        )
        raise UpstreamConnectError(message) from None
    except (OSError, UnicodeError) as error:  # a name that cannot be encoded is a UnicodeError
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UpstreamConnectError(f"cannot connect to {origin}: {reason}; check base_url and the network") from None
