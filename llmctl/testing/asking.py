"""A gateway from a few lines of configuration, asked without sockets: what was sent, what came back, the record."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl.clock import Clock, SystemClock
from llmctl.errors import LlmctlError
from llmctl.gateway.build import build
from llmctl.model.chat import Chunk, Operation
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.model.record import GuardResult, Record
from llmctl.net.sse import frame
from llmctl.net.transport import Request
from llmctl.testing.config import loaded
from llmctl.testing.gateway import CollectingClient, PlayedResponse, PlayedTransport, Remember, exchange, surroundings

ONE_MODEL = 'providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\nmodels: {m: {provider: up}}\n'
USAGE = {"prompt_tokens": 7, "completion_tokens": 5}
Played = bytes | Exception | list[bytes | Exception]


@dataclass
class Asked:
    """What became of one request."""

    exchange: Exchange
    client: CollectingClient
    record: Record
    sent: list[JsonObject]

    @property
    def failure(self) -> LlmctlError:
        """The error the client was told."""
        assert self.client.failure is not None
        return self.client.failure

    @property
    def out(self) -> bytes:
        """All bytes that the client was sent."""
        whole = self.client.answer
        return b"\n".join([chunk.raw for chunk in self.client.chunks]) + (whole.raw if whole is not None else b"")

    def guard(self, policy: str, direction: str = "input") -> GuardResult:
        """The last result of a policy in the record."""
        return [one for one in self.record.verdicts() if (one.policy, one.direction) == (policy, direction)][-1]


class Client(CollectingClient):
    """Collects like its base; a stream counts as begun when its first chunk is there, as over HTTP."""

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Keep the chunks."""
        async for batch in chunks:
            exchange.committed = True
            await self._wait()
            self.chunks += batch
        self.finished = True


class Bench:
    """A gateway with one model, `m`, and the guardrails given. `answers` are played in turn, the last for good."""

    def __init__(
        self, folder: Path, guardrails: str, *answers: Played, clock: Clock | None = None, **rest: str
    ) -> None:
        """`rest` is more of the configuration: `records="{content: none}"`."""
        more = "".join(f"{key}: {value}\n" for key, value in rest.items())
        self.clock = clock or SystemClock()
        self.answers: list[Played] = list(answers) or [whole("fine")]
        self.bugs: list[BaseException] = []
        self.sink = Remember()
        self.transport = PlayedTransport(self._play)
        self.around = surroundings(self.transport, self.sink, self.clock, self.bugs)
        self.loaded = loaded(ONE_MODEL + f"guardrails: {guardrails}\n" + more, folder)
        self.gateway = build(self.loaded, self.around)

    async def ask(self, payload: JsonObject, operation: Operation = "chat", credential: str | None = None) -> Asked:
        """Ask, and wait for the end of it."""
        client = Client(payload)
        asked, before = exchange(self.clock, operation, credential), len(self.transport.requests)
        await self.gateway.run(asked, client)
        sent = [json.loads(request.body) for request in self.transport.requests[before:]]
        return Asked(asked, client, self.sink.records[-1], sent)

    async def say(self, *messages: str | JsonObject, stream: bool = False, **rest: Any) -> Asked:
        """Ask for a chat; a bare string is what a user says."""
        turns = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
        return await self.ask({"model": "m", "messages": turns, "stream": stream, **rest})

    def _play(self, request: Request) -> PlayedResponse | Exception:
        played = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(played, Exception):
            return played
        if isinstance(played, bytes):
            return PlayedResponse(200, {b"content-type": b"application/json"}, [played], _at_once)
        return PlayedResponse(200, {b"content-type": b"text/event-stream"}, played, _at_once)


def whole(content: str | None = "fine", *, usage: bool = True, **message: Any) -> bytes:
    """A complete answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    body: JsonObject = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
    return encode(body | ({"usage": USAGE} if usage else {}))


def event(delta: JsonObject, finish: str | None = None, index: int = 0, **rest: Any) -> bytes:
    """One chunk of a stream."""
    choice = {"index": index, "delta": delta, "finish_reason": finish, **rest}
    return frame(encode({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}))


def stream(pieces: Iterable[JsonObject | str], *, usage: bool = True) -> list[bytes | Exception]:
    """A stream of one choice: a string is content, anything else the delta."""
    deltas = [{"content": piece} if isinstance(piece, str) else piece for piece in pieces]
    counts = frame(encode({"id": "c", "model": "m", "choices": [], "usage": USAGE}))
    end = [counts] if usage else []
    return [event({"role": "assistant"}), *map(event, deltas), event({}, "stop"), *end, frame(b"[DONE]")]


async def _at_once() -> None:
    await asyncio.sleep(0)
