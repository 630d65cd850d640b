"""A gateway whose models say who they are, with keys and headers: what was decided about each request, and why."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llmctl.clock import Clock, SystemClock
from llmctl.gateway.build import Surroundings, Transition, build
from llmctl.gateway.kept import Kept
from llmctl.gateway.target import Standing
from llmctl.model.chat import Operation
from llmctl.model.json import encode
from llmctl.model.record import Decision, Record
from llmctl.net.transport import Request
from llmctl.testing.asking import Asked, Client, stream, whole
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, exchange, surroundings

START = """
guardrails: {preset: none}
providers: {up: {kind: openai, api_key: none}}
resilience: {retry: {backoff: 0}, probe_every: null}
"""
MODELS = "models: {a: {provider: up}, b: {provider: up}, c: {provider: up}}\n"


@dataclass
class Models:
    """How each behaves: those in `failing` answer 500, those in `hanging` not at all."""

    failing: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    called: list[str] = field(default_factory=list)

    def play(self, request: Request) -> PlayedResponse:
        body = json.loads(request.body)
        model = body["model"]
        self.called.append(model)
        if model in self.failing:
            return PlayedResponse(500, {}, [encode({"error": {"message": "broken"}})], _at_once)
        step = _for_ever if model in self.hanging else _at_once
        if body.get("stream"):
            return PlayedResponse(200, {b"content-type": b"text/event-stream"}, stream([f"from {model}"]), step)
        return PlayedResponse(200, {}, [whole(f"from {model}")], step)


class Routed:
    """A gateway from the configuration's models and routes; `models` says how the models behave."""

    def __init__(
        self,
        folder: Path,
        config: str = "",
        *,
        models: str = MODELS,
        start: str = START,
        clock: Clock | None = None,
        around: Surroundings | None = None,
        transition: Transition = lambda model, before, after, reason: None,
    ) -> None:
        """`config` is all but providers and models; `around` is another gateway's, as after a reload."""
        self.clock = clock or SystemClock()
        self.models = Models()
        self.sink = Remember()
        self.bugs: list[BaseException] = []
        transport = PlayedTransport(self.models.play)
        told = around.kept if around is not None else Kept()
        fresh = surroundings(transport, self.sink, self.clock, self.bugs)
        self.around = replace(fresh, kept=told, transition=transition)
        self.gateway = build(loaded(start + models + config, folder), self.around)

    def standing(self, model: str) -> Standing:
        """How a model is doing."""
        return self.gateway._targets[model].standing

    @property
    def records(self) -> list[Record]:
        return self.sink.records

    async def ask(
        self,
        model: str = "r",
        text: str = "hello",
        *,
        credential: str | None = None,
        headers: dict[bytes, bytes] | None = None,
        operation: Operation = "chat",
        **payload: Any,
    ) -> Asked:
        """Ask, and wait for the end of it."""
        asked = exchange(self.clock, operation, credential)
        asked.headers = headers or {}
        said = {"messages": [{"role": "user", "content": text}]} if operation == "chat" else {}
        client = Client({"model": model, **said, **payload})
        await self.gateway.run(asked, client)
        return Asked(asked, client, next(one for one in reversed(self.records) if not one.shadow_of), [])

    async def decision(self, model: str = "r", text: str = "hello", **rest: Any) -> Decision:
        """What was decided about such a request."""
        found = (await self.ask(model, text, **rest)).record.decision
        assert found is not None
        return found


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until it holds, a second at most."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not come to pass")


async def _at_once() -> None:
    await asyncio.sleep(0)


async def _for_ever() -> None:
    await asyncio.Event().wait()
