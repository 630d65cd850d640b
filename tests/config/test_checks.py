from typing import Any

import pytest

from llmctl.config.checks import advise, cross_check, is_loopback, typed_check
from llmctl.config.schema import Config


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "a.localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "localhost.example.com"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_wrong_shapes_are_stepped_around() -> None:
    wrong: Any
    for wrong in (None, 1, "x", [], [1], {"a": 1}, {"a": {"provider": []}}, [{"id": [], "models": {}}]):
        tree = dict.fromkeys(("server", "providers", "models", "routes", "keys"), wrong)
        list(cross_check(tree))
        list(advise(tree))


def test_a_key_makes_any_address_acceptable() -> None:
    assert [path for path, _ in cross_check({"server": {"host": "0.0.0.0"}})] == [("server", "host")]
    assert not list(cross_check({"server": {"host": "0.0.0.0"}, "keys": [{"id": "abcd"}]}))


def test_times_need_a_zone() -> None:
    key = {"id": "abcd", "hash": "0" * 32 + ":" + "0" * 64, "expires": "2030-01-31T00:00:00"}
    config = Config.model_validate(
        {"providers": {"p": {"kind": "x"}}, "models": {"m": {"provider": "p"}}, "keys": [key, {**key, "expires": None}]}
    )
    assert [path for path, _ in typed_check(config)] == [("keys", 0, "expires")]


def test_the_risk_of_a_similarity_is_told() -> None:
    tree = {"cache": {"semantic": {"threshold": 0.93}, "routes": {"r": {"semantic": {"threshold": 0.5}}, "q": None}}}
    found = dict(advise(tree))
    assert "at 0.9 2.9% of the answers" in found["cache", "semantic", "threshold"]
    assert "at 0.8 8.2%" in found["cache", "routes", "r", "semantic", "threshold"]
    assert len(found) == 2
    assert not dict(advise({"cache": {"semantic": {"max_error": 0.01}}}))


@pytest.mark.parametrize(("records", "said"), [({}, 0), ({"content": "none"}, 1), ({"enabled": False}, 1)])
def test_content_that_is_not_kept_cannot_be_sent(records: dict[str, Any], said: int) -> None:
    tree = {"telemetry": {"otlp": {"content": True}}, "records": records}
    assert [path for path, _ in advise(tree)] == [("telemetry", "otlp", "content")] * said
