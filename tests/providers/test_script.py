"""The script's options and the engine, without any transport."""

import base64
import json
import struct
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.providers.script import Exponential, Lognormal, Script
from llmctl.providers.script_engine import Action, Close, Engine, Hang, Head, Raw, Reset, Send, Wait

CHAT = b"/v1/chat/completions"


def ask(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "one two three"}], **fields}).encode()


def body(actions: list[Action]) -> bytes:
    return b"".join(action.data for action in actions if isinstance(action, Send))


def head(actions: list[Action]) -> Head:
    return next(action for action in actions if isinstance(action, Head))


def events(actions: list[Action]) -> list[Any]:
    lines = [line[6:] for line in body(actions).split(b"\n\n") if line]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def plan(given: dict[str, Any], request: bytes, target: bytes = CHAT) -> list[Action]:
    return Engine(Script.model_validate(given)).plan(target, request)


def whole(given: dict[str, Any], request: bytes, target: bytes = CHAT) -> Any:
    return json.loads(body(plan(given, request, target)))


def test_same_seed_same_answers_and_order_matters_not_draws() -> None:
    script = {
        "seed": 7,
        "tokens": {"kind": "uniform", "low": 1, "high": 30},
        "latency": {"kind": "lognormal", "median": 1},
    }
    one, two = (Engine(Script.model_validate(script)) for _ in range(2))
    two.plan(CHAT, ask(n=5))  # draws more than one.plan does
    one.plan(CHAT, ask())
    assert one.plan(CHAT, ask()) == two.plan(CHAT, ask())
    assert one.plan(CHAT, ask()) != Engine(Script.model_validate({**script, "seed": 8})).plan(CHAT, ask())


def test_usage_counts_words() -> None:
    answer = whole({"tokens": 40}, ask(n=2))
    texts = [choice["message"]["content"] for choice in answer["choices"]]
    assert [len(text.split()) for text in texts] == [40, 40]
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 80, "total_tokens": 83}
    assert answer["model"] == "m"


@pytest.mark.parametrize(
    ("script", "said"),
    [({"echo": True}, "one two three"), ({"text": "fixed  answer"}, "fixed  answer"), ({"text": ""}, "")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_texts(script: dict[str, Any], said: str, stream: bool) -> None:
    actions = plan(script, ask(stream=stream))
    if stream:
        assert "".join(event["choices"][0]["delta"].get("content", "") for event in events(actions)) == said
        assert body(actions).endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(body(actions))["choices"][0]["message"]["content"] == said
        assert head(actions).length == len(body(actions))


def test_a_list_of_texts_is_gone_through_in_order() -> None:
    engine = Engine(Script(text=["a", "b"]))
    said = [json.loads(body(engine.plan(CHAT, ask())))["choices"][0]["message"]["content"] for _ in range(3)]
    assert said == ["a", "b", "a"]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_the_request_limits_the_answer(limit: str) -> None:
    choice = whole({"tokens": 40}, ask(**{limit: 3}))["choices"][0]
    assert (len(choice["message"]["content"].split()), choice["finish_reason"]) == (3, "length")


def test_stop_ends_the_answer_before_it() -> None:
    choice = whole({"text": "one two three four"}, ask(stop=["four", "three"]))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two ", "stop")


def test_a_stream_has_roles_content_ends_and_usage_only_if_asked() -> None:
    asked = events(plan({"tokens": 3}, ask(stream=True, n=2, stream_options={"include_usage": True})))
    assert [event["choices"][0]["delta"].get("role") for event in asked[:2]] == ["assistant"] * 2
    assert [choice["finish_reason"] for event in asked[-3:-1] for choice in event["choices"]] == ["stop"] * 2
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["completion_tokens"] == 6
    assert all(event["usage"] is None for event in asked[:-1])
    plain = events(plan({"tokens": 3}, ask(stream=True, n=2)))
    assert len(plain) == len(asked) - 1
    assert all("usage" not in event for event in plain)


def test_pace() -> None:
    script = {"tokens": 5, "latency": "20ms", "token_rate": 100}
    assert [a.seconds for a in plan(script, ask(stream=True)) if isinstance(a, Wait)] == [0.02, *[0.01] * 5]
    assert [a.seconds for a in plan(script, ask()) if isinstance(a, Wait)] == [pytest.approx(0.06)]
    unpaced = plan({"tokens": 5}, ask(stream=True))
    assert sum(isinstance(action, Send) for action in unpaced) == 1


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def test_tool_calls() -> None:
    script = {"tool_calls": [{"arguments": {"city": "Paris", "unit": "C"}}, {"name": "other"}]}
    choice = whole(script, ask(tools=TOOLS))["choices"][0]
    functions = [call["function"] for call in choice["message"]["tool_calls"]]
    assert functions[0] == {"name": "weather", "arguments": '{"city":"Paris","unit":"C"}'}
    assert functions[1] == {"name": "other", "arguments": "{}"}
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None

    streamed = events(plan(script, ask(tools=TOOLS, stream=True)))
    pieces = [p for e in streamed for c in e["choices"] for p in c["delta"].get("tool_calls", [])]
    arguments = "".join(piece["function"]["arguments"] for piece in pieces if piece["index"] == 0)
    assert json.loads(arguments) == {"city": "Paris", "unit": "C"}
    assert [piece["function"]["name"] for piece in pieces if "id" in piece] == ["weather", "other"]
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_no_tool_call_without_tools_or_after_a_tools_answer() -> None:
    script = {"tool_calls": [{}], "text": "done"}
    answered = [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "c", "content": "18"}]
    for request in (ask(), ask(tools=TOOLS, tool_choice="none"), ask(tools=TOOLS, messages=answered)):
        assert whole(script, request)["choices"][0]["message"]["content"] == "done"


def test_legacy_completions() -> None:
    request = json.dumps({"model": "m", "prompt": "a b", "n": 2}).encode()
    answer = whole({"text": "x y"}, request, b"/v1/completions")
    assert [choice["text"] for choice in answer["choices"]] == ["x y", "x y"]
    assert answer["usage"]["prompt_tokens"] == 2
    streamed = events(plan({"text": "x y"}, request[:-1] + b',"stream":true}', b"/v1/completions"))
    assert "".join(e["choices"][0]["text"] for e in streamed if e["choices"][0]["index"] == 1) == "x y"


def embed(**fields: Any) -> Any:
    return whole({"embedding_dim": 32}, json.dumps({"model": "m", **fields}).encode(), b"/v1/embeddings")


def test_embeddings_are_near_where_words_are_shared() -> None:
    answer = embed(input=["reset my password", "my password reset please", "bananas grow in trees"])
    one, two, three = (row["embedding"] for row in answer["data"])
    dot = [sum(a * b for a, b in zip(one, other, strict=True)) for other in (one, two, three)]
    assert dot[0] == pytest.approx(1.0)
    assert dot[1] > dot[2] + 0.3
    assert answer["usage"] == {"prompt_tokens": 11, "total_tokens": 11}


def test_embeddings_in_base64_and_of_other_lengths() -> None:
    floats = embed(input="hello")["data"][0]["embedding"]
    packed = embed(input="hello", encoding_format="base64")["data"][0]["embedding"]
    assert struct.unpack("<32f", base64.b64decode(packed)) == pytest.approx(floats)
    assert len(embed(input=[1, 2, 3], dimensions=8)["data"][0]["embedding"]) == 8
    assert len(embed(input=[[1, 2], [3]])["data"]) == 2


@pytest.mark.parametrize(
    ("target", "request_body", "status"),
    [
        (b"/v1/nothing", ask(), 404),
        (CHAT, b"{", 400),
        (CHAT, b'{"model":"m","messages":[]}', 400),
        (CHAT, b"\xff", 400),
    ],
)
def test_bad_requests_are_refused(target: bytes, request_body: bytes, status: int) -> None:
    actions = plan({}, request_body, target)
    assert head(actions).status == status
    assert json.loads(body(actions))["error"]["type"] == "invalid_request_error"


def fault(stream: bool = False, tokens: int = 6, **fields: Any) -> list[Action]:
    return plan({"faults": [fields], "tokens": tokens}, ask(stream=stream))


def test_faults_before_an_answer() -> None:
    assert head(fault(kind="error")).status == 500
    assert head(fault(kind="error", status=503, retry_after=2)).headers[b"retry-after"] == b"2"
    assert body(fault(kind="error", body={"own": 1})) == b'{"own":1}'
    limited = fault(kind="rate_limit")
    assert (head(limited).status, head(limited).headers[b"retry-after"]) == (429, b"1")
    assert isinstance(fault(kind="hang")[-1], Hang)
    assert isinstance(fault(kind="reset")[-1], Reset)
    assert isinstance(fault(kind="garbage")[-1], Raw)
    assert fault(kind="slow_first", delay=3)[0] == Wait(3.0)


@pytest.mark.parametrize(("kind", "end"), [("cut", Close()), ("hang", Hang()), ("reset", Reset())])
def test_faults_within_a_stream(kind: str, end: Action) -> None:
    actions = fault(True, kind=kind, after_chunks=2)
    assert actions[-1] == end
    assert [event["choices"][0]["delta"].get("content") for event in events(actions)][1:] != []
    assert len(events(actions)) == 3
    assert head(actions).length is None


@pytest.mark.parametrize(("kind", "end"), [("cut", Close()), ("hang", Hang()), ("reset", Reset())])
def test_faults_within_a_whole_answer(kind: str, end: Action) -> None:
    actions = fault(kind=kind, after_chunks=0)
    assert actions[-1] == end
    assert 0 < len(body(actions)) < (head(actions).length or 0)


def test_faults_in_what_a_stream_says() -> None:
    assert body(fault(True, kind="malformed_chunk")).endswith(b'"bro\n\n')
    assert b"[DONE]" not in body(fault(True, kind="unfinished"))
    assert b'"finish_reason":"stop"' not in body(fault(True, kind="unfinished", after_chunks=100))
    assert events(fault(True, kind="error", after_chunks=1))[-1]["error"]["type"] == "server_error"
    assert events(fault(True, kind="wrong_model"))[0]["model"] == "wrong-model"


def test_faults_in_what_an_answer_says() -> None:
    assert "usage" not in json.loads(body(fault(kind="no_usage")))
    assert json.loads(body(fault(kind="wrong_model", model="z")))["model"] == "z"
    assert not body(fault(kind="malformed_chunk")).endswith(b"}")
    assert json.loads(body(fault(kind="unfinished")))["choices"]
    assert head(fault(kind="error", after_chunks=1)).status == 500


def test_drip_slices_the_body() -> None:
    actions = fault(kind="drip", delay=0.1)
    assert max(len(action.data) for action in actions if isinstance(action, Send)) == 8
    assert json.loads(body(actions))["choices"]


def test_a_fault_strikes_by_count_and_by_probability() -> None:
    engine = Engine(Script.model_validate({"faults": [{"kind": "error", "skip": 1, "times": 2}]}))
    assert [head(engine.plan(CHAT, ask())).status for _ in range(5)] == [200, 500, 500, 200, 200]
    engine = Engine(Script.model_validate({"faults": [{"kind": "error", "probability": 0.3}]}))
    failed = sum(head(engine.plan(CHAT, ask())).status == 500 for _ in range(2000))
    assert 500 < failed < 700


def test_distributions_are_what_they_say() -> None:
    random = Random(1)
    logs = sorted(Lognormal(kind="lognormal", median=0.2, sigma=0.5).sample(random) for _ in range(4001))
    assert logs[2000] == pytest.approx(0.2, rel=0.05)
    mean = sum(Exponential(kind="exponential", mean=2).sample(random) for _ in range(4000)) / 4000
    assert mean == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"faults": [{"kind": "hang", "status": 500}]}, "fault hang has no use for status; it takes after_chunks"),
        ({"echo": True, "text": "x"}, "keep one"),
        ({"text": []}, "at least one"),
        ({"latency": "soon"}, "write a duration"),
        ({"colour": 1}, "Extra inputs"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Script.model_validate(options)
