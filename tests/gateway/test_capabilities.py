import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import InvalidRequest
from llmctl.gateway.capabilities import Able, Capabilities, lacking, least
from llmctl.model.chat import Operation
from llmctl.routing.features import Features, Tools

TOOLS = Tools(embed=lambda text: np.zeros(256, np.float32), language=lambda text: "")
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]
CALLED = [{"role": "tool", "content": "7"}]
JSON = {"type": "json_object"}


def asked(tokens: int = 10, operation: Operation = "chat", **payload: Any) -> Features:
    """A request of at least so many tokens' bytes, estimated as that."""
    return Features({"messages": [], "text": "abc " * tokens} | payload, operation, TOOLS, tokens=lambda: tokens)


def able(name: str = "m", context: int | None = None, *capabilities: str) -> Able:
    return Able(name, context, frozenset(capabilities))


def reason(model: Able, features: Features, *, sure: bool = False) -> str | None:
    lack = lacking(model, features, sure=sure)
    return lack.reason if lack else None


@pytest.mark.parametrize(
    ("features", "capability", "said", "param"),
    [
        (asked(tools=[{}]), "tools", "no tools", "tools"),
        (asked(functions=[{}]), "tools", "no tools", "functions"),
        (asked(messages=CALLED), "tools", "no tools", "messages"),
        (asked(messages=IMAGE), "images", "no images", "messages"),
        (asked(response_format=JSON), "json", "no JSON mode", "response_format"),
    ],
)
def test_what_is_asked_for_must_be_there(features: Features, capability: str, said: str, param: str) -> None:
    without = able("m", None, *({"tools", "images", "json"} - {capability}))
    assert reason(without, features) == reason(without, features, sure=True) == said
    assert reason(able("m", None, capability), features) is None
    assert reason(Able("m"), features) is None
    with pytest.raises(InvalidRequest, match=f"^the model cannot take this request: m: {said}$") as raised:
        Capabilities([without]).of(features)
    assert (raised.value.param, raised.value.code, raised.value.http_status) == (param, "invalid_request", 400)


def test_too_long_says_by_how_much() -> None:
    assert reason(able("m", 8_192), asked(9_000, max_tokens=1_000)) == (
        "context window of 8,192 tokens: the request has about 9,000 and asks for up to 1,000 more"
    )
    assert reason(able("m", 8_192), asked(9_000)) == "context window of 8,192 tokens: the request has about 9,000"


@pytest.mark.parametrize(
    ("tokens", "output", "probably", "surely"),
    [
        (1_000, None, True, True),
        (1_001, None, False, True),
        (900, 100, True, True),
        (900, 101, False, True),
        (1_666, None, False, True),
        (1_667, None, False, False),
        (1_000, 50_000, False, True),
    ],
)
def test_the_two_thresholds(tokens: int, output: int | None, probably: bool, surely: bool) -> None:
    features = asked(tokens, max_completion_tokens=output)
    assert (reason(able("m", 1_000), features) is None) is probably
    assert (reason(able("m", 1_000), features, sure=True) is None) is surely


def test_letters_of_many_bytes_are_no_proof_of_length() -> None:
    text = "Что написано пером, того не вырубишь топором. " * 200
    payload = {"messages": [{"role": "user", "content": text}]}
    for raw in (json.dumps(payload), json.dumps(payload, ensure_ascii=False)):
        size = len(raw.encode())
        features = Features(payload, "chat", TOOLS, tokens=lambda size=size: size // 4)  # type: ignore[misc]
        assert Capabilities([able("m", 2_300)]).of(features) == ("m",)
        assert least(features) == pytest.approx(len(text) / 4 * 0.6, rel=0.02)
        with pytest.raises(InvalidRequest):
            Capabilities([able("m", 1_000)]).of(features)


ABLES = [able("small", 1_000), able("big", 4_000), Able("blind", 9_000, frozenset({"tools", "json"}))]


@pytest.mark.parametrize(
    ("features", "names"),
    [
        (asked(500), ("small", "big", "blind")),
        (asked(1_500), ("big", "blind")),
        (asked(500, max_tokens=1_000), ("big", "blind")),
        (asked(5_000), ("blind",)),
        (asked(500, tools=[{}]), ("blind",)),
        (asked(10_000), ("blind",)),  # too long for all by the estimate: not surely for the largest
        (asked(14_000, tools=[{}]), ("blind",)),
    ],
)
def test_those_that_probably_can_else_those_that_may(features: Features, names: tuple[str, ...]) -> None:
    assert Capabilities(ABLES).of(features) == names
    assert set(Capabilities(ABLES).reasons(features)) == {"small", "big", "blind"} - set(names)


def test_all_too_long_is_one_error_with_every_reason() -> None:
    with pytest.raises(InvalidRequest) as raised:
        Capabilities(ABLES).of(asked(20_000))
    assert raised.value.code == "context_length_exceeded"
    assert raised.value.param == "messages"
    assert raised.value.message == (
        "no model here can take this request: small: context window of 1,000 tokens: the request has about 20,000;"
        " big: context window of 4,000 tokens: the request has about 20,000;"
        " blind: context window of 9,000 tokens: the request has about 20,000; shorten messages"
    )


def test_mixed_reasons_name_the_feature() -> None:
    with pytest.raises(InvalidRequest) as raised:
        Capabilities(ABLES).of(asked(20_000, response_format=JSON))
    assert (raised.value.param, raised.value.code) == ("response_format", "invalid_request")
    assert "small: no JSON mode; big: no JSON mode; blind: context window" in raised.value.message


@pytest.mark.parametrize(
    ("operation", "param"), [("chat", "messages"), ("completion", "prompt"), ("embedding", "input")]
)
def test_the_field_is_the_operations_own(operation: Operation, param: str) -> None:
    with pytest.raises(InvalidRequest, match=f"shorten {param}") as raised:
        Capabilities([able("m", 10)]).of(asked(1_000, operation))
    assert raised.value.param == param


def test_where_nothing_is_declared_nothing_is_computed() -> None:
    def never() -> int:
        raise AssertionError

    features = Features({}, "chat", TOOLS, tokens=never)
    names = Capabilities([Able("a"), Able("b", None, frozenset({"tools", "images", "json"}))]).of(features)
    assert names == ("a", "b")
    assert not {"tools", "images", "json", "output"} & set(vars(features))


def test_no_models_are_no_route() -> None:
    with pytest.raises(ValueError, match="no model"):
        Capabilities([])


MODELS = st.lists(
    st.builds(
        Able,
        name=st.text("abcdefgh", min_size=3, max_size=3),
        context=st.none() | st.integers(1, 2_000),
        capabilities=st.none() | st.frozensets(st.sampled_from(["tools", "images", "json"])),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda able: able.name,
)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.just([{}]),
        "messages": st.sampled_from([IMAGE, CALLED]),
        "response_format": st.just(JSON),
        "max_tokens": st.integers(1, 1_000),
    },
)


@given(MODELS, PAYLOADS, st.integers(0, 3_000))
def test_a_model_is_never_left_out_while_none_fits_better(
    models: list[Able], payload: dict[str, Any], tokens: int
) -> None:
    features = asked(tokens, **payload)
    fits = [model.name for model in models if reason(model, features) is None]
    may = [model.name for model in models if reason(model, features, sure=True) is None]
    assert set(fits) <= set(may)
    capabilities = Capabilities(models)
    if may:
        assert list(capabilities.of(features)) == (fits or may)
        return
    with pytest.raises(InvalidRequest) as raised:
        capabilities.of(features)
    assert all(model.name in raised.value.message for model in models)
    length = all("context window" in (reason(model, features, sure=True) or "") for model in models)
    assert (raised.value.code == "context_length_exceeded") is length
