"""What imitated HTTP services have in common: a loopback port, and an answer to each request."""

import asyncio
from types import TracebackType
from typing import Self

from llmctl.providers.script_engine import Action
from llmctl.testing.scripted_connection import Connection, Received


class Listener:
    """A server on a free loopback port, or on `port`. Who inherits it says what is answered."""

    def __init__(self, *, port: int = 0) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.plan, self._connections), "127.0.0.1", self._port
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """`http://host:port`. Where it was is kept after the end, and may be given as `port` again."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request."""
        raise NotImplementedError
