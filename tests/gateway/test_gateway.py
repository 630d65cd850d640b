"""A built gateway starts and stops what its providers need, and says how it is."""

import asyncio
import time
from pathlib import Path

import pytest
from numpy import float32, zeros

from llmctl.gateway.build import Surroundings, build
from llmctl.gateway.build_policies import Policies
from llmctl.gateway.gateway import Beside, Gateway
from llmctl.gateway.leases import Made
from llmctl.gateway.pipeline import Pipeline
from llmctl.gateway.probes import Prober
from llmctl.gateway.stages.auth import Keyring
from llmctl.gateway.stages.mirror import Mirror
from llmctl.gateway.stages.route import Route
from llmctl.model.exchange import Principal
from llmctl.providers.scripted import Scripted, ScriptedOptions
from llmctl.routing.features import Tools
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import CollectingClient, PlayedTransport, Remember, exchange, surroundings

CONFIG = """
providers: {up: {kind: scripted, latency: 0.2}}
models: {small: {provider: up}, large: {provider: up}}
routes: {any: {kind: fixed, model: small}}
"""


def around() -> Surroundings:
    return surroundings(PlayedTransport(lambda _: AssertionError()), Remember(), ManualClock())


AROUND = around()


class Provider(Scripted):
    """Tells what is done to it, and fails to start if told to."""

    def __init__(self, name: str, told: list[str], *, fails: bool = False, why: str | None = None) -> None:
        super().__init__(name, ScriptedOptions())
        self.told, self.fails, self.why = told, fails, why

    async def start(self) -> None:
        self.told.append(f"start {self.name}")
        if self.fails:
            raise OSError("no")

    async def close(self) -> None:
        self.told.append(f"close {self.name}")

    def unready(self) -> str | None:
        return self.why


def with_providers(folder: Path, *providers: Provider) -> Gateway:
    clock = ManualClock()
    pipeline = Pipeline((), (), clock, lambda request_id, error: None)
    keyring = Keyring({}, clock, lambda _: None, lambda _, __: False)
    made = {Made.of(provider.name, "scripted", {}): provider for provider in providers}
    route = Route({}, {}, Tools(lambda text: zeros(256, float32), lambda text: ""), AROUND.random)
    beside = Beside(Prober((), 1.0, clock.monotonic), Policies(), [Mirror({}, pipeline, AROUND.random)])
    return Gateway(loaded(CONFIG, folder), pipeline, keyring, route, providers, made, {}, beside, around())


async def test_a_provider_that_does_not_start_stops_those_that_did(tmp_path: Path) -> None:
    told: list[str] = []
    gateway = with_providers(tmp_path, Provider("a", told), Provider("b", told, fails=True), Provider("c", told))
    with pytest.raises(OSError, match="no"):
        await gateway.start()
    assert told == ["start a", "start b", "close a"]


async def test_closing_closes_all(tmp_path: Path) -> None:
    told: list[str] = []
    gateway = with_providers(tmp_path, Provider("a", told), Provider("b", told))
    await gateway.start()
    await gateway.close()
    assert told == ["start a", "start b", "close a", "close b"]


def test_who_cannot_answer_is_named(tmp_path: Path) -> None:
    gateway = with_providers(tmp_path, Provider("a", []), Provider("b", [], why="loading"))
    assert gateway.unready() == {"b": "loading"}


def test_models_are_those_a_caller_may_ask_for(tmp_path: Path) -> None:
    gateway = build(loaded(CONFIG, tmp_path), AROUND)
    assert gateway.models(Principal("", "t")) == ["small", "large", "any"]
    assert gateway.models(Principal("", "t", frozenset({"any", "gone"}))) == ["any"]
    assert gateway.models(Principal("", "t", frozenset())) == []


def test_without_keys_anyone_may_call(tmp_path: Path) -> None:
    gateway = build(loaded(CONFIG, tmp_path), AROUND)
    assert gateway.open
    assert gateway.principal(None).tenant == "default"


@pytest.mark.parametrize(("drain", "waits"), [(5.0, True), (0.0, False)])
async def test_closing_waits_for_what_is_under_way_but_not_for_ever(tmp_path: Path, drain: float, waits: bool) -> None:
    gateway, asked = build(loaded(CONFIG, tmp_path), AROUND), exchange(ManualClock())
    asked.deadline = float("inf")
    client = CollectingClient({"model": "small", "messages": [{"role": "user", "content": "a"}]})
    running = asyncio.create_task(gateway.run(asked, client))
    await asyncio.sleep(0)
    assert gateway.in_flight == 1
    began = time.monotonic()
    await gateway.close(drain)
    assert client.finished is waits
    assert time.monotonic() - began < 3
    await running
    assert gateway.in_flight == 0
