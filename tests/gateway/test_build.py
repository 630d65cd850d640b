"""Everything that can be wrong is said at once, with its line, before anything is live."""

from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from llmctl.gateway.build import build, check
from llmctl.net.transport import Request
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import (
    CollectingClient,
    PlayedResponse,
    PlayedTransport,
    Remember,
    exchange,
    surroundings,
)

GOOD = """\
providers:
  up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
  small: {provider: up, model: upstream-small}
routes:
  any: {kind: fixed, model: small}
"""


UP = ', base_url: "http://127.0.0.1:9/v1"'


def findings(text: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(loaded(text, folder))
    return [line.removeprefix(f"{folder}/") for line in caught.value.findings]


def test_a_good_configuration_is_built_and_thrown_away(tmp_path: Path) -> None:
    check(loaded(GOOD, tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("kind: openai", "kind: opnai", "2: providers.up.kind:", "no kind 'opnai'; there are anthropic,"),
        ("kind: fixed", "kind: fixd", "6: routes.any.kind:", "there are bandit, cascade, complexity, cost, fixed,"),
        ("base_url:", "base_ulr:", "2: providers.up.base_ulr:", "base_url"),
        ("http://127", "ftp://127", "2: providers.up:", "write https://host/v1"),
        (UP, ", idle_timeout: soon", "2: providers.up.idle_timeout:", "30s"),
        (UP, ", api_key: 3", "2: providers.up.api_key:", "text"),
        (UP, ', base_url: "https://h", ca_file: /no', "2: providers.up:", "No such file"),
        ("model: small", "model: smal", "6: routes.any.model:", "no model 'smal'; there are small"),
        (", model: small", "", "6: routes.any", "model"),
        ("kind: fixed, model: small", "kind: weighted, weights: {small: 0}", "6: routes.any.weights.small:", "0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, where: str, says: str) -> None:
    assert old in GOOD
    [line] = findings(GOOD.replace(old, new, 1), tmp_path)
    assert line.startswith(f"gateway.yaml:{where}")
    assert says in line


def test_all_of_it_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("openai", "opnai").replace("model: small", "model: smal")
    assert [line.split(": ")[1] for line in findings(text, tmp_path)] == ["providers.up.kind", "routes.any.model"]


def test_a_secret_that_cannot_be_sent_is_not_shown(tmp_path: Path) -> None:
    text = GOOD.replace('base_url: "http://127.0.0.1:9/v1"', r'api_key: "sk-secret\nx"')
    [line] = findings(text, tmp_path)
    assert "authorization" in line
    assert "sk-secret" not in line


@pytest.mark.parametrize(("asked", "served"), [("small", "upstream-small"), ("any", "upstream-small"), ("own", "own")])
async def test_models_and_routes_lead_to_their_providers(tmp_path: Path, asked: str, served: str) -> None:
    async def pause() -> None:
        return

    def play(_: Request) -> PlayedResponse:
        return PlayedResponse(200, {}, [b'{"choices":[{"message":{"content":"a"}}]}'], pause)

    transport, clock = PlayedTransport(play), ManualClock()
    text = GOOD.replace("models:\n", "models:\n  own: {provider: up}\n")
    gateway = build(loaded(text, tmp_path), surroundings(transport, Remember(), clock))
    client = CollectingClient({"model": asked, "messages": []})
    await gateway.run(exchange(clock), client)
    assert f'"model":"{served}"'.encode() in transport.requests[0].body


@pytest.mark.parametrize(
    ("records", "kept"),
    [("{}", True), ("{content: none}", False), ("{enabled: false}", False), ("{content: redacted}", True)],
)
async def test_content_is_kept_only_where_configured(tmp_path: Path, records: str, kept: bool) -> None:
    text = 'providers: {up: {kind: scripted, text: "hi"}}\nmodels: {m: {provider: up}}\nrecords: ' + records
    sink, clock = Remember(), ManualClock()
    gateway = build(loaded(text, tmp_path), surroundings(PlayedTransport(lambda _: AssertionError()), sink))
    for stream in (False, True):
        body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "stream": stream}
        asked = exchange(clock)
        asked.deadline = float("inf")
        await gateway.run(asked, CollectingClient(body))
    for record in sink.records:
        assert record.state == "ok"
        assert (record.request is not None, record.response is not None) == (kept, kept)
        assert record.usage.source == "provider"


def test_spans_without_a_place_to_go_to_are_told_with_the_rest(tmp_path: Path) -> None:
    [line] = findings(GOOD + "telemetry: {otlp: {sample: 1.0}}\n", tmp_path)
    assert line.startswith("gateway.yaml:7: telemetry.otlp: no collector is named; set `endpoint`")
