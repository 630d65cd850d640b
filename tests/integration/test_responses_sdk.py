"""The official `openai` package's Responses API against `llmctl serve`."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.integration.conftest import Trail, World
from tests.integration.test_openai_errors import CAME
from tests.integration.upstreams import MIDWAY, TEXT

TOOLS: Any = [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}]
BOTH = pytest.mark.parametrize("model", ["plain", "mem", "claude", "gemini"])
BOTH_TOOLS = pytest.mark.parametrize("model", ["tools", "mem-tools"])


@BOTH
def test_text(oai: OpenAI, trail: Trail, model: str) -> None:
    answer = oai.responses.create(model=model, input="What is it?", instructions="Be brief.")
    assert answer.output_text == TEXT
    assert answer.status == "completed"
    assert answer.usage is not None
    record = trail.record()
    assert (record.state, record.dialect) == ("ok", "responses")
    assert answer.usage.output_tokens == record.usage.completion > 0


@BOTH
def test_a_stream(oai: OpenAI, trail: Trail, model: str) -> None:
    with oai.responses.stream(model=model, input="What is it?") as stream:
        events = list(stream)
        answer = stream.get_final_response()
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == answer.output_text == TEXT
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert answer.usage is not None
    assert answer.usage.output_tokens == trail.record().usage.completion


@BOTH_TOOLS
@pytest.mark.parametrize("stream", [False, True])
def test_a_round_of_tools(oai: OpenAI, world: World, trail: Trail, model: str, stream: bool) -> None:
    asked: Any = [{"role": "user", "content": "Weather?"}]
    first: Any
    if stream:
        with oai.responses.stream(model=model, input=asked, tools=TOOLS) as running:
            first = running.get_final_response()
    else:
        first = oai.responses.create(model=model, input=asked, tools=TOOLS)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)["city"]) for call in calls] == [
        ("weather", "Oslo"),
        ("weather", "Rome"),
    ]
    asked += first.output
    asked += [{"type": "function_call_output", "call_id": call.call_id, "output": "21"} for call in calls]
    second = oai.responses.create(model=model, input=asked, tools=TOOLS)
    assert second.output_text == "It is 21 degrees."
    assert {record.state for record in trail.records(2)} == {"ok"}
    if model == "tools":
        sent = world.scripted.request()
        assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool"]
        assert sent["tools"][0]["function"]["name"] == "weather"


def test_a_wrong_field_is_named(oai: OpenAI, trail: Trail) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        oai.responses.create(model="plain", input="x", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
    assert trail.record().state == "failed"


@pytest.mark.parametrize("model", MIDWAY)
def test_a_stream_that_breaks_says_so(oai: OpenAI, trail: Trail, model: str) -> None:
    events = list(oai.responses.create(model=model, input="x", stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert TEXT.startswith(text)
    assert len(text.split()) == CAME
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert trail.record().failure is not None
    assert last.response.error.message == trail.record().failure.message  # type: ignore[union-attr]
    assert (trail.record().state, trail.record().http_status) == ("failed", 200)
