"""Requests and health as strategies see them."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from llmctl.embedding import StaticEmbedder
from llmctl.model.chat import Operation
from llmctl.routing.features import Features, Tools
from llmctl.routing.health import Health, HealthOptions
from llmctl.testing.clock import ManualClock


@cache
def tools() -> Tools:
    return Tools(StaticEmbedder().embed, lambda text: "")


def asked(
    text: str = "How do I bake rye bread?", *, tokens: int = 100, operation: Operation = "chat", **payload: Any
) -> Features:
    """A request with one user message, unless `payload` has others."""
    said = {"messages": [{"role": "user", "content": text}], **payload} if operation == "chat" else payload
    return Features({"model": "route", **said}, operation, tools(), tokens=lambda: tokens)


def healthy(
    models: Sequence[str], latencies: Mapping[str, float] = {}, calls: Mapping[str, int] = {}
) -> dict[str, Health]:
    """Each model's health, on a clock that stands still."""
    clock = ManualClock()
    found = {}
    for name in models:
        found[name] = health = Health(HealthOptions(), clock.monotonic)
        health.begin()
        health.end(True, latencies.get(name, 0.1))
        for _ in range(calls.get(name, 0)):
            health.begin()
    return found
