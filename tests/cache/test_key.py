import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.key import Key, Scope, key

SCOPE = Scope("acme", "chat", ("a", "b"), "digest")
SYSTEM = {"role": "system", "content": "You are brief."}


def chat(text: Any = "Where is my card?", **more: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [SYSTEM, {"role": "user", "content": text}], **more}


def of(payload: dict[str, Any], scope: Scope = SCOPE) -> Key:
    return key(payload, "chat", scope)


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        rng.shuffle(names)
        return {name: shuffled(value[name], rng) for name in names}
    return [shuffled(one, rng) for one in value] if isinstance(value, list) else value


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(more: dict[str, Any], rng: random.Random) -> None:
    payload = {**more, **chat()}
    assert of(payload) == of(shuffled(payload, rng)) == of(json.loads(json.dumps(payload)))


@pytest.mark.parametrize(
    "scope",
    [
        SCOPE._replace(tenant="other"),
        SCOPE._replace(route="code"),
        SCOPE._replace(models=("a",)),
        SCOPE._replace(models=("a", "b", "c")),
        SCOPE._replace(policy="other"),
    ],
)
def test_who_asks_and_what_answers_part_everything(scope: Scope) -> None:
    one, two = of(chat()), of(chat(), scope)
    assert one.exact != two.exact
    assert one.partition != two.partition


def test_the_order_of_models_does_not_count() -> None:
    assert of(chat()) == of(chat(), SCOPE._replace(models=["b", "a"]))


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_names_do_not_run_together(tenant: str, route: str, other_tenant: str, other_route: str) -> None:
    one = of(chat(), SCOPE._replace(tenant=tenant, route=route))
    two = of(chat(), SCOPE._replace(tenant=other_tenant, route=other_route))
    assert (one == two) == ((tenant, route) == (other_tenant, other_route))


@pytest.mark.parametrize(
    "other",
    [
        chat(temperature=0.5),
        chat(tools=[{"type": "function", "function": {"name": "f"}}]),
        chat(response_format={"type": "json_object"}),
        chat(nobody_knows_this=1),
        {"messages": [{**SYSTEM, "content": "You are long."}, {"role": "user", "content": "Where is my card?"}]},
        {"messages": [{"role": "user", "content": "Where is my card?"}]},
        {"messages": [SYSTEM, {"role": "user", "content": "Where is my card?", "name": "Ann"}]},
        {"messages": [SYSTEM, {"role": "user", "content": "Hi"}, {"role": "user", "content": "Where is my card?"}]},
    ],
)
def test_everything_but_the_last_text_is_in_the_partition(other: dict[str, Any]) -> None:
    one, two = of(chat()), of(other)
    assert one.text == two.text
    assert one.exact != two.exact
    assert one.partition != two.partition


def test_the_last_text_is_in_the_exact_key_alone() -> None:
    one, two = of(chat()), of(chat("Where is my cat?"))
    assert one.partition == two.partition
    assert one.exact != two.exact
    assert (one.text, two.text) == ("Where is my card?", "Where is my cat?")


def test_how_it_is_sent_does_not_count() -> None:
    sent = {"stream": True, "stream_options": {"include_usage": True}, "user": "u", "metadata": {"a": "b"}}
    assert of(chat()) == of(chat(**sent))


def test_passages_count() -> None:
    assert key(chat(), "chat", SCOPE, ["a"]).partition != key(chat(), "chat", SCOPE, ["b"]).partition


def test_an_image_stays_in_the_partition() -> None:
    def parts(image: str, text: str) -> list[dict[str, Any]]:
        return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": image}}]

    one, two, three = (
        of(chat(parts("a", "What is it?"))),
        of(chat(parts("b", "What is it?"))),
        of(chat(parts("a", "Which?"))),
    )
    assert one.text == "What is it?"
    assert one.partition == three.partition != two.partition


@pytest.mark.parametrize(
    "payload",
    [
        chat(""),
        chat("  \n"),
        chat(None),
        chat([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        chat([{"type": "text", "text": 0}]),
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"messages": [{"role": "tool", "content": "a", "tool_call_id": "1"}]},
        {"messages": []},
    ],
)
def test_where_no_single_text_varies_nothing_is_compared_by_meaning(payload: dict[str, Any]) -> None:
    assert of(payload).text == ""


def test_no_text_can_be_taken_for_the_hole() -> None:
    assert of(chat("x")).partition != of(chat([{"type": "text", "text": "x"}])).partition
    assert of(chat("0")).exact != of(chat(0)).exact
    assert of(chat(0)).text == ""


def test_completions_and_embeddings() -> None:
    one = key({"model": "m", "prompt": "a"}, "completion", SCOPE)
    two = key({"model": "m", "prompt": "b"}, "completion", SCOPE)
    assert (one.text, one.partition) == ("a", two.partition)
    assert key({"model": "m", "prompt": ["a"]}, "completion", SCOPE).text == ""
    assert key({"model": "m", "input": "a"}, "embedding", SCOPE).text == ""
    assert one.exact != key({"model": "m", "prompt": "a"}, "embedding", SCOPE).exact


def test_without_meaning_the_exact_key_is_the_same() -> None:
    payload: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    scope = Scope("t", "r", ("m",), "p")
    whole = key(payload, "chat", scope)
    assert key(payload, "chat", scope, by_meaning=False) == whole._replace(partition=b"", text="")
