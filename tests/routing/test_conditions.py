from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from llmctl.routing.conditions import DAYS, Condition, HeaderPattern, TimeSpan, When, latency_sensitive
from llmctl.routing.features import Features, Tools

BERLIN = ZoneInfo("Europe/Berlin")
TOOLS = Tools(embed=lambda text: np.zeros(256, np.float32), language=lambda text: "de" if "ist" in text else "")
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Was ist das?"}]}


def asked(payload: dict[str, Any] | None = None, *, tokens: int = 10, **fields: Any) -> Features:
    return Features(CHAT | (payload or {}), "chat", TOOLS, tokens=lambda: tokens, **fields)


def holds(when: dict[str, Any], features: Features) -> bool:
    return Condition(When.model_validate(when)).matches(features)


def at(text: str, zone: ZoneInfo = BERLIN) -> Features:
    return asked(wall=datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


IMAGE = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]}


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"tenants": ["a", "b"]}, asked(tenant="b"), asked(tenant="c")),
        ({"tenants": ["a"]}, asked(tenant="a"), asked()),
        ({"keys": ["k1"]}, asked(key="k1"), asked(key="k2")),
        ({"headers": {"X-Tier": "gold"}}, asked(headers={b"x-tier": b"gold"}), asked(headers={b"x-tier": b"Gold"})),
        ({"headers": {"x-tier": ["a", "b"]}}, asked(headers={b"x-tier": b"b"}), asked()),
        ({"headers": {"x-v": {"regex": "^2[.]"}}}, asked(headers={b"x-v": b"2.1"}), asked(headers={b"x-v": b"12.1"})),
        ({"headers": {"x-v": {"regex": ".*"}}}, asked(headers={b"x-v": b""}), asked()),
        ({"headers": {"x-v": {"regex": "."}}}, asked(headers={b"x-v": b"\xff\xfea"}), asked(headers={b"x-v": b""})),
        ({"headers": {"x-city": "Köln"}}, asked(headers={b"x-city": "Köln".encode()}), asked()),
        ({"headers": {"x-c": "Köln"}}, asked(headers={b"x-c": "Köln".encode("latin-1")}), asked()),
        ({"metadata": {"tier": 1}}, asked({"metadata": {"tier": "1"}}), asked({"metadata": {"tier": "2"}})),
        ({"metadata": {"beta": True}}, asked({"metadata": {"beta": "true"}}), asked({"metadata": {"beta": False}})),
        ({"metadata": {"a": ["x", 2]}}, asked({"metadata": {"a": 2}}), asked({"metadata": {"a": ["x"]}})),
        ({"metadata": {"a": "x"}}, asked({"metadata": {"a": "x"}}), asked({"metadata": None})),
        ({"min_tokens": 10}, asked(tokens=10), asked(tokens=9)),
        ({"max_tokens": 10}, asked(tokens=10), asked(tokens=11)),
        ({"min_tokens": 5, "max_tokens": 5}, asked(tokens=5), asked(tokens=6)),
        ({"tools": True}, asked({"tools": [{}]}), asked()),
        ({"tools": False}, asked(), asked({"tools": [{}]})),
        ({"images": True}, asked(IMAGE), asked()),
        ({"images": False}, asked(), asked(IMAGE)),
        ({"json": True}, asked({"response_format": {"type": "json_object"}}), asked()),
        ({"json": False}, asked(), asked({"response_format": {"type": "json_schema"}})),
        ({"stream": True}, asked(stream=True), asked()),
        ({"stream": False}, asked(), asked(stream=True)),
        ({"languages": ["fr", "de"]}, asked(), asked({"messages": [{"role": "user", "content": "?"}]})),
        ({"latency_sensitive": True}, asked(headers={b"x-llmctl-latency": b" Low"}), asked()),
        ({"latency_sensitive": True}, asked({"metadata": {"latency": "low"}}), asked({"metadata": {"latency": "x"}})),
        ({"latency_sensitive": True}, asked({"service_tier": "priority"}), asked({"service_tier": "flex"})),
        ({"latency_sensitive": False}, asked(), asked({"service_tier": "priority"})),
        ({"tenants": ["a"], "stream": True}, asked(tenant="a", stream=True), asked(tenant="a")),
    ],
)
def test_each_condition(when: dict[str, Any], yes: Features, no: Features) -> None:
    assert holds(when, yes)
    assert not holds(when, no)


@pytest.mark.parametrize(
    ("span", "moment", "inside"),
    [
        ({"from": "08:00", "to": "18:00"}, "2026-03-02T08:00", True),
        ({"from": "08:00", "to": "18:00"}, "2026-03-02T17:59:59", True),
        ({"from": "08:00", "to": "18:00"}, "2026-03-02T18:00", False),
        ({"from": "08:00", "to": "18:00"}, "2026-03-02T07:59", False),
        ({"from": "08:00", "to": "18:00", "days": ["mon"]}, "2026-03-02T12:00", True),
        ({"from": "08:00", "to": "18:00", "days": ["tue"]}, "2026-03-02T12:00", False),
        ({"days": ["sat", "sun"]}, "2026-03-01T23:59", True),
        ({"days": ["sat", "sun"]}, "2026-03-02T00:00", False),
        ({"from": "22:00", "to": "6:00"}, "2026-03-02T23:00", True),
        ({"from": "22:00", "to": "6:00"}, "2026-03-02T05:59", True),
        ({"from": "22:00", "to": "6:00"}, "2026-03-02T06:00", False),
        ({"from": "22:00", "to": "6:00", "days": ["fri"]}, "2026-03-06T23:00", True),
        ({"from": "22:00", "to": "6:00", "days": ["fri"]}, "2026-03-07T03:00", True),
        ({"from": "22:00", "to": "6:00", "days": ["fri"]}, "2026-03-06T03:00", False),
        ({"from": "22:00", "to": "6:00", "days": ["sun"]}, "2026-03-02T03:00", True),
        ({"from": "22:00"}, "2026-03-02T22:30", True),
        ({"to": "00:00", "from": "23:00"}, "2026-03-02T23:30", True),
        ({"to": "00:00", "from": "23:00"}, "2026-03-03T00:00", False),
        ({"from": "08:00", "to": "09:00"}, "2026-07-01T08:30", True),  # summer time
    ],
)
def test_spans_of_time(span: dict[str, Any], moment: str, inside: bool) -> None:
    assert holds({"time": span | {"zone": "Europe/Berlin"}}, at(moment)) is inside


def test_without_a_zone_it_is_utc() -> None:
    assert holds({"time": {"from": "08:00", "to": "09:00"}}, at("2026-03-02T09:30"))


@given(st.integers(0, 1439), st.integers(0, 1439), st.sets(st.sampled_from(DAYS), min_size=1), st.floats(0, 4e9))
def test_a_span_and_the_rest_of_the_day_share_out_all_time(one: int, two: int, days: set[Any], wall: float) -> None:
    if one == two:
        return
    texts = [f"{minute // 60:02}:{minute % 60:02}" for minute in (one, two)]
    spans = [{"from": a, "to": b, "zone": "Europe/Berlin"} for a, b in (texts, texts[::-1])]
    assert sum(holds({"time": span}, asked(wall=wall)) for span in spans) == 1
    some = holds({"time": spans[0] | {"days": sorted(days)}}, asked(wall=wall))
    assert not some or holds({"time": spans[0]}, asked(wall=wall))
    day = DAYS[datetime.fromtimestamp(wall, UTC).weekday()]
    assert holds({"time": {"days": sorted(days)}}, asked(wall=wall)) is (day in days)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({}, "has no condition.*name one"),
        ({"tenants": None}, "has no condition"),
        ({"min_tokens": 9, "max_tokens": 8}, "never holds: min_tokens 9 is over max_tokens 8"),
        ({"tenants": []}, "at least 1"),
        ({"headers": {}}, "at least 1"),
        ({"headers": {"x": []}}, "x: an empty list never matches"),
        ({"metadata": {"x": []}}, "x: an empty list never matches"),
        ({"headers": {"X": "a", "x": "b"}}, "twice"),
        ({"headers": {"x y": "a"}}, "pattern"),
        ({"headers": {"x": {"regex": "(?=a)"}}}, "RE2 syntax"),
        ({"headers": {"x": {"regex": "\ud800"}}}, "Unicode|unicode"),
        ({"headers": {"x": {"regexp": "a"}}}, "regexp"),
        ({"languages": ["German"]}, "pattern"),
        ({"time": {"from": "8"}}, "'8' is no time of day"),
        ({"time": {"from": "08:60"}}, "no time of day"),
        ({"time": {"to": "24:01"}}, "no time of day"),
        ({"time": {"to": "\u0660\u0668:\u0660\u0660"}}, "no time of day"),
        ({"time": {"from": "24:00", "to": "06:00"}}, "write from: 00:00"),
        ({"time": {"from": "08:00", "to": "8:00"}}, "leave both out"),
        ({"time": {"days": []}}, "at least 1"),
        ({"time": {"zone": "Europe/Nowhere"}}, "'Europe/Nowhere' is no time zone"),
        ({"time": {"zone": "Europe"}}, "'Europe' is no time zone"),
        ({"time": {"zone": "../etc/passwd"}}, "is no time zone"),
        ({"time": {"zone": ""}}, "is no time zone"),
        ({"tennants": ["a"]}, "tennants"),
    ],
)
def test_mistakes_are_named(when: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        When.model_validate(when)


@pytest.mark.parametrize("model", [When, TimeSpan, HeaderPattern])
def test_options_are_described_strict_and_frozen(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []
    assert model.model_config.get("extra") == "forbid"
    assert model.model_config.get("frozen") is True


def test_what_is_expensive_is_not_asked_where_the_cheap_fails() -> None:
    def never(*_: object) -> Any:
        raise AssertionError

    features = Features(CHAT, "chat", Tools(never, never), tokens=never, tenant="a")
    assert not holds({"min_tokens": 1, "languages": ["de"], "tenants": ["b"]}, features)


PARTS: list[tuple[dict[str, Any], Callable[[Features], bool]]] = [
    ({"tenants": ["a"]}, lambda f: f.tenant == "a"),
    ({"stream": True}, lambda f: f.stream),
    ({"tools": False}, lambda f: not f.tools),
    ({"json": True}, lambda f: f.json),
    ({"min_tokens": 50}, lambda f: f.tokens >= 50),
    ({"languages": ["de"]}, lambda f: f.language == "de"),
    ({"headers": {"X-A": "1"}}, lambda f: f.header("x-a") == "1"),
    ({"metadata": {"m": "1"}}, lambda f: f.metadata.get("m") == "1"),
    ({"latency_sensitive": True}, latency_sensitive),
]
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.just([{}]),
        "response_format": st.just({"type": "json_object"}),
        "metadata": st.just({"m": "1"}),
        "service_tier": st.just("priority"),
        "messages": st.just([{"role": "user", "content": "hm"}]),
    },
)


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, unique_by=lambda part: next(iter(part[0]))),
    PAYLOADS,
    st.sampled_from(["a", "b"]),
    st.booleans(),
    st.sampled_from([10, 100]),
    st.sampled_from([{}, {b"x-a": b"1"}]),
)
def test_it_holds_when_all_of_its_parts_do(
    parts: list[tuple[dict[str, Any], Callable[[Features], bool]]],
    payload: dict[str, Any],
    tenant: str,
    stream: bool,
    tokens: int,
    headers: dict[bytes, bytes],
) -> None:
    features = asked(payload, tokens=tokens, tenant=tenant, stream=stream, headers=headers)
    when: dict[str, Any] = {}
    for part, _ in parts:
        when |= part
    assert holds(when, features) is all(oracle(features) for _, oracle in parts)
