"""Every dialect against every kind of provider: streamed or whole, the same text and the same counts."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.integration.conftest import Trail, World
from tests.integration.upstreams import TEXT

# Text of an answer, input tokens (cached ones included) and output tokens as the client sees them.
Seen = tuple[str, int, int]
Ask = Callable[[World, Trail, str, bool], Seen]
QUESTION: Any = [{"role": "user", "content": "What is it?"}]


def chat(world: World, trail: Trail, model: str, stream: bool) -> Seen:
    with world.openai(default_headers={"x-request-id": trail.id}) as client:
        if not stream:
            answer = client.chat.completions.create(model=model, messages=QUESTION)
            text, usage = answer.choices[0].message.content, answer.usage
        else:
            options: Any = {"include_usage": True}
            with client.chat.completions.stream(model=model, messages=QUESTION, stream_options=options) as running:
                done = running.get_final_completion()
            text, usage = done.choices[0].message.content, done.usage
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    return text or "", usage.prompt_tokens, usage.completion_tokens


def responses(world: World, trail: Trail, model: str, stream: bool) -> Seen:
    with world.openai(default_headers={"x-request-id": trail.id}) as client:
        answer: Any
        if stream:
            with client.responses.stream(model=model, input=QUESTION) as running:
                answer = running.get_final_response()
        else:
            answer = client.responses.create(model=model, input=QUESTION)
    return answer.output_text, answer.usage.input_tokens, answer.usage.output_tokens


def anthropic(world: World, trail: Trail, model: str, stream: bool) -> Seen:
    with world.anthropic(default_headers={"x-request-id": trail.id}) as client:
        if stream:
            with client.messages.stream(model=model, max_tokens=99, messages=QUESTION) as running:
                answer: Any = running.get_final_message()
        else:
            answer = client.messages.create(model=model, max_tokens=99, messages=QUESTION)
    usage = answer.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return answer.content[0].text, usage.input_tokens + cached, usage.output_tokens


DIALECTS: dict[str, Ask] = {"openai": chat, "responses": responses, "anthropic": anthropic}


@pytest.mark.parametrize("model", ["plain", "mem", "claude", "gemini"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_streamed_and_whole_are_the_same(world: World, trail: Trail, dialect: str, model: str) -> None:
    whole = DIALECTS[dialect](world, trail, model, False)
    streamed = DIALECTS[dialect](world, trail, model, True)
    assert whole == streamed
    assert whole[0] == TEXT
    one, other = trail.records(2)
    assert (one.state, other.state) == ("ok", "ok")
    assert one.usage == other.usage
    assert one.usage.source == "provider"
    counts = one.usage
    assert whole[1:] == (counts.input + counts.cached_read + counts.cached_write, counts.completion)
    assert one.finish_reason == other.finish_reason == "stop"
    assert (one.dialect, one.requested_model, one.served_model) == (dialect, model, other.served_model)


def refused(oai: OpenAI, trail: Trail, ask: Callable[[OpenAI], Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(oai)
    assert (caught.value.code, caught.value.param) == ("unsupported_by_provider", param)
    assert (trail.record().state, trail.record().http_status) == ("failed", 400)


def test_what_a_provider_cannot_do_is_refused_and_not_dropped(oai: OpenAI, trail: Trail) -> None:
    refused(oai, trail, lambda client: client.embeddings.create(model="claude", input="x"), "model")


def test_several_choices_of_anthropic_are_refused(oai: OpenAI, trail: Trail) -> None:
    refused(oai, trail, lambda client: client.chat.completions.create(model="claude", messages=QUESTION, n=2), "n")


def test_legacy_completions_of_gemini_are_refused(oai: OpenAI, trail: Trail) -> None:
    refused(oai, trail, lambda client: client.completions.create(model="gemini", prompt="x"), "model")
