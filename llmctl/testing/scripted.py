"""An imitated OpenAI-compatible server on a loopback port, for tests, drills and load tests.

    async with ScriptedServer(ServerScript(latency=0.02, token_rate=100)) as server:
        client = AsyncOpenAI(base_url=server.base_url, api_key="any")

or as a process that prints its address as one JSON line: `python -m llmctl.testing.scripted --port 0 --latency 20ms`.
A request chooses another script by a model named in `scripts`, or changes single fields by header, `x-script: {json}`.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections import deque
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import uvloop
import yaml
from pydantic import Field, ValidationError

from llmctl.model.json import encode
from llmctl.providers.script import Script
from llmctl.providers.script_engine import JSON, Action, Engine, Head, Send, refuse
from llmctl.testing.scripted_connection import Connection, Received


class ServerScript(Script):
    """A script, and others that a request chooses by its model's name."""

    scripts: dict[str, Script] = Field(default_factory=dict, description="Scripts by the model that asks for them.")


class ScriptedServer:
    """The server. `requests` are the last `keep` that came; `count` is of all, `open` of connections."""

    def __init__(self, script: Script | None = None, *, host: str = "127.0.0.1", port: int = 0, keep: int = 1000):
        self._engine = Engine(script or Script())
        scripts = script.scripts if isinstance(script, ServerScript) else {}
        self._named = {name: Engine(own) for name, own in scripts.items()}
        self._varied = lru_cache(maxsize=256)(self._vary)
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()
        self.requests: deque[Received] = deque(maxlen=keep)
        self.count = 0

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.plan, self.connections), self._host, self._port, backlog=4096
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and break what is open."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """`http://host:port`."""
        return f"http://{self._host}:{self._port}"

    @property
    def base_url(self) -> str:
        """What to give to an OpenAI client."""
        return f"{self.url}/v1"

    @property
    def open(self) -> int:
        """Connections open now."""
        return len(self.connections)

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request."""
        self.count += 1
        self.requests.append(received)
        if received.method == b"GET":
            return self._get(received.target)
        if received.method != b"POST":
            return refuse(405, f"Method {received.method.decode('latin-1')} is not allowed; use POST")
        engine = self._engine
        try:
            if self._named:
                engine = self._named.get(_MODEL.decode(received.body).model, engine)
            if (variation := received.headers.get(b"x-script")) is not None:
                engine = self._varied(engine, variation)
        except ValidationError as error:
            where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            return refuse(400, f"x-script: {where}")
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
            return refuse(400, f"Invalid request: {error}")
        return engine.plan(received.target, received.body)

    def _vary(self, engine: Engine, variation: bytes) -> Engine:
        given = engine.script.model_dump(exclude_unset=True, exclude={"scripts"})
        return Engine(Script.model_validate({**given, **msgspec.json.decode(variation)}))

    def _get(self, target: bytes) -> list[Action]:
        if target.endswith(b"/models"):
            models = [{"id": name, "object": "model", "owned_by": "llmctl"} for name in (*self._named, "scripted")]
            body = encode({"object": "list", "data": models})
        elif target == b"/health":
            body = b'{"status":"ok"}'
        else:
            return refuse(404, f"Invalid URL (GET {target.decode('latin-1')})")
        return [Head(200, JSON, len(body)), Send(body)]


class _Model(msgspec.Struct):
    model: str = ""


_MODEL = msgspec.json.Decoder(_Model)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m llmctl.testing.scripted", description="A scripted OpenAI-like server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--config", type=Path, help="YAML file with a script's fields, and `scripts` by model name")
    parser.add_argument("--latency", help="to the first byte: 0.02, 20ms, or a distribution as JSON")
    parser.add_argument("--token-rate", help="tokens per second; 0 is all at once (default)")
    parser.add_argument("--tokens", help="length of answers: 16, or a distribution as JSON")
    parser.add_argument("--text", help="what to answer")
    parser.add_argument("--echo", action="store_const", const=True, help="answer with the last user message")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--embedding-dim", type=int)
    parser.add_argument("--fault", dest="faults", action="append", type=json.loads, help="a fault as JSON; repeatable")
    return parser.parse_args(argv)


def _script(arguments: argparse.Namespace) -> ServerScript:
    options: dict[str, Any] = yaml.safe_load(arguments.config.read_text()) or {} if arguments.config else {}
    for name in ("latency", "token_rate", "tokens", "text", "echo", "seed", "embedding_dim", "faults"):
        if (value := getattr(arguments, name)) is not None:
            distribution = name in ("latency", "tokens") and value.startswith("{")
            options[name] = json.loads(value) if distribution else value
    return ServerScript.model_validate(options)


async def _serve(script: ServerScript, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with ScriptedServer(script, host=host, port=port) as server:
        line = json.dumps({"url": server.url, "base_url": server.base_url, "port": server.port, "pid": os.getpid()})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM; 2 where the options are wrong, 1 where the port is taken."""
    arguments = _arguments(argv)
    try:
        script = _script(arguments)
    except (ValueError, TypeError, OSError, yaml.YAMLError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        uvloop.run(_serve(script, arguments.host, arguments.port))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
