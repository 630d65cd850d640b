import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.clock import SystemClock
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.evals.recorded import RecordedOptions
from llmctl.evals.targets import Asked, GatewayOptions, Looked, UrlOptions, answered, make_target
from llmctl.gateway.asking import Call, Reply, Trouble
from llmctl.model.usage import Cost
from llmctl.providers.script import Script
from llmctl.testing.scripted import ScriptedServer

GATEWAY = """version: 1
providers: {up: {kind: openai, base_url: "%s"}}
models: {m: {provider: up}}
routes: {r: {kind: fixed, model: m}}
guardrails: {preset: none}
prices: {models: {m: {input: 1, output: 2}}}
"""


def target(options: Any, folder: Path, **env: str) -> Asked | Looked:
    return make_target(options, folder, Environment(env), SystemClock(), Random(0))


def ask(folder: Path, kind: str) -> tuple[Reply, dict[str, Any]]:
    """One call, and what the server was sent."""

    async def scenario() -> tuple[Reply, dict[str, Any]]:
        async with ScriptedServer(Script()) as server:
            (folder / "g.yaml").write_text(GATEWAY % server.base_url)
            options = (
                GatewayOptions(config="g.yaml", route="r", parameters={"temperature": 0})
                if kind == "gateway"
                else UrlOptions(base_url=server.base_url, model="m", api_key_env="KEY", parameters={"temperature": 0})
            )
            made = target(options, folder, KEY="secret-key")
            assert isinstance(made, Asked)
            await made.start()
            try:
                payload = {**made.parameters, "messages": [{"role": "user", "content": "hi"}]}
                reply = await made.asker.ask(Call(payload))
            finally:
                await made.close()
            return reply, {"headers": server.requests[-1].headers, "identity": made.identity}

    return asyncio.run(scenario())


def test_a_gateway_in_this_process_answers_with_a_price(tmp_path: Path) -> None:
    reply, _ = ask(tmp_path, "gateway")
    found = answered(reply, 2)
    assert found.output == reply.text
    assert reply.text
    assert (found.attempts, found.cost.status != "unpriced", found.model) == (2, True, "m")


def test_an_endpoint_is_asked_with_its_key_which_is_nowhere_else(tmp_path: Path) -> None:
    reply, seen = ask(tmp_path, "url")
    assert reply.trouble is None
    assert "secret-key" in str(seen["headers"])
    assert "secret-key" not in seen["identity"]


def test_what_the_gateway_does_not_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(GATEWAY % "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match=r"g\.yaml has no model 'x'; it has m"):
        target(GatewayOptions(config="g.yaml", model="x"), tmp_path)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        target(GatewayOptions(config="none.yaml", model="m"), tmp_path)
    with pytest.raises(ConfigError, match="KEY is not set"):
        target(UrlOptions(base_url="http://h", model="m", api_key_env="KEY"), tmp_path)
    with pytest.raises(ValidationError, match="one of them"):
        GatewayOptions(config="g.yaml", model="m", route="r")


def test_the_identity_is_of_the_configuration(tmp_path: Path) -> None:
    def identity(text: str) -> str:
        (tmp_path / "g.yaml").write_text(text)
        return target(GatewayOptions(config="g.yaml", model="m"), tmp_path).identity

    one = identity(GATEWAY % "http://127.0.0.1:9/v1")
    assert identity("# a comment\n" + GATEWAY % "http://127.0.0.1:9/v1") == one
    assert identity(GATEWAY % "http://127.0.0.1:8/v1") != one


def test_answers_in_files_are_looked_up(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"id": "a", "output": "x"}\n')
    made = target(RecordedOptions(path="r.jsonl"), tmp_path)
    assert isinstance(made, Looked)
    assert made.answer("a", 0).output == "x"


def test_trouble_is_kept_as_an_error() -> None:
    reply = Reply("r1", "failed", 0.5, trouble=Trouble(502, "upstream_lost", "gone"), cost=Cost(0.5, "partial"))
    found = answered(reply, 3)
    assert (found.error, found.detail, found.cost.usd, found.request_id) == ("upstream_lost", "gone", 0.5, "r1")
