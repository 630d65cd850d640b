"""One gateway process for all tests with the official clients, in front of real imitations of the providers."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI

from llmctl.config.keys import new_key
from llmctl.model.record import Record
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.process import Served, serve
from tests.integration.upstreams import CALLS, SCRIPTS, TEXT, Fake, Scripted, fake, scripted

CLAUDES = ("claude", "claude-thinks", "claude-overloads", "claude-e401", "claude-e429", "claude-e529", "claude-e400")
WITHIN = 10.0


@dataclass
class World:
    """The gateway, what stands behind it, and the keys it knows."""

    served: Served
    scripted: Scripted
    fake: Fake
    keys: dict[str, str]

    def openai(self, key: str = "full", **options: Any) -> OpenAI:
        """The official client, which does not retry unless told to."""
        settings = {"max_retries": 0, "timeout": 20.0, **options}
        return OpenAI(base_url=f"{self.served.url}/v1", api_key=self.keys.get(key, key), **settings)

    def anthropic(self, key: str = "full", **options: Any) -> Anthropic:
        """The same for Anthropic's."""
        settings = {"max_retries": 0, "timeout": 20.0, **options}
        return Anthropic(base_url=self.served.url, api_key=self.keys.get(key, key), **settings)


@dataclass
class Trail:
    """The records of one test: its clients send this id as `x-request-id`."""

    id: str
    folder: Path

    def records(self, count: int = 1) -> list[Record]:
        """The test's records, as soon as there are `count` of them; in order of their start."""
        give_up = time.monotonic() + WITHIN
        while True:
            found = [record for record in RecordReader(self.folder).read() if record.id == self.id]
            if len(found) >= count or time.monotonic() > give_up:
                assert len(found) == count
                return sorted(found, key=lambda record: record.started)
            time.sleep(0.05)

    def record(self) -> Record:
        """The only record."""
        return self.records()[0]


def configuration(up: str, elsewhere: str, keys: dict[str, dict[str, Any]]) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    providers = {
        "up": {"kind": "openai", "base_url": up, "api_key": "sk-up", "first_byte_timeout": 1, "idle_timeout": 1},
        "mem": {"kind": "scripted", "text": TEXT},
        "mem-tools": {"kind": "scripted", "text": "It is 21 degrees.", "tool_calls": CALLS},
        "dead": {"kind": "openai", "base_url": f"http://127.0.0.1:{closed}/v1"},
        "claude": {"kind": "anthropic", "base_url": elsewhere, "api_key": "sk-ant"},
        "gemini": {"kind": "gemini", "base_url": f"{elsewhere}/v1beta", "api_key": "sk-gem"},
    }
    served_by = {
        **dict.fromkeys(SCRIPTS, "up"),
        **{name: name for name in ("mem", "mem-tools", "dead", "gemini")},
        **dict.fromkeys(CLAUDES, "claude"),
    }
    models = {name: {"provider": provider} for name, provider in served_by.items()}
    models["plain"] = {"provider": "up", "model": "plain-upstream"}
    server = {"max_body": 65536}
    document = {"server": server, "providers": providers, "models": models, "keys": list(keys.values())}
    document["guardrails"] = {"preset": "none"}  # test_guardrails.py has a gateway with them
    document["resilience"] = {"retry": {"attempts_per_model": 1}}  # test_failures.py has one that tries again
    return json.dumps({**document, "records": {"dir": "records"}}, indent=1)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    secrets, entries = {}, {}
    more: dict[str, dict[str, Any]] = {
        "full": {"tenant": "acme"},
        "narrow": {"models": ["plain"]},
        "late": {"expires": "2020-01-01T00:00:00Z"},
    }
    for name, options in more.items():
        secrets[name], entry = new_key()
        entries[name] = {**entry, **options}
    with scripted() as up, fake() as elsewhere:
        text = configuration(up.server.base_url, elsewhere.url, entries)
        with serve(text, tmp_path_factory.mktemp("gateway")) as served:
            yield World(served, up, elsewhere, secrets)
            assert not served.events("bug"), served.events("bug")
            assert served.stop() == 0


@pytest.fixture
def trail(world: World) -> Trail:
    return Trail(f"test-{uuid.uuid4().hex}", world.served.records)


@pytest.fixture
def oai(world: World, trail: Trail) -> Iterator[OpenAI]:
    with world.openai(default_headers={"x-request-id": trail.id}) as client:
        yield client


@pytest.fixture
def ant(world: World, trail: Trail) -> Iterator[Anthropic]:
    with world.anthropic(default_headers={"x-request-id": trail.id}) as client:
        yield client
