"""What is kept: whole, successful, guarded answers, and nothing else."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.errors import UpstreamLost
from llmctl.model import chat
from llmctl.model.json import JsonObject, encode
from llmctl.testing.asking import event, stream, whole
from tests.gateway.cached import Cached, Voices, answer_to, soon

Pieces = bytes | list[bytes | Exception]
WEATHER = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"in": "Oslo"}'}}
FALLING_BACK = "models: {m: {provider: up}, n: {provider: up}}\nroutes: {r: {kind: fixed, model: m, fallbacks: [n]}}\n"
STATIC = "models: {m: {provider: up}, n: {provider: up}}\nroutes: {r: {kind: fixed, model: m, static_answer: sorry}}\n"


def ending(finish: str | None, index: int = 0) -> bytes:
    choice = {"index": index, "message": {"role": "assistant", "content": "half"}, "finish_reason": finish}
    return encode({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]})


def broken() -> list[bytes | Exception]:
    return [*stream(["all but "])[:-3], UpstreamLost("gone")]


async def kept(folder: Path, played: Pieces, *, streaming: bool, cache: str = "{dir: null}", **rest: Any) -> int:
    """How many answers are in the store after this one."""
    voices = Voices(parts=lambda body: played)
    async with Cached(folder, cache, voices=voices, **rest) as made:
        await made.ask(stream=streaming)
        assert not made.cache.flights
        assert not made.bugs
        return made.kept


@pytest.mark.parametrize("finish", ["stop", "tool_calls", "function_call", "length", "content_filter", "other", None])
@pytest.mark.parametrize("streaming", [False, True])
async def test_only_what_is_complete(tmp_path: Path, finish: str | None, streaming: bool) -> None:
    ends = [event({}, finish)] if finish is not None else []
    played: Pieces = [event({"content": "half"}), *ends, b"data: [DONE]\n\n"] if streaming else ending(finish)
    complete = finish in ("stop", "tool_calls", "function_call")
    assert await kept(tmp_path, played, streaming=streaming) == complete


async def test_every_choice_must_be_complete(tmp_path: Path) -> None:
    two = [event({"content": "a"}), event({"content": "b"}, index=1), event({}, "stop"), event({}, "length", 1)]
    assert await kept(tmp_path, [*two, b"data: [DONE]\n\n"], streaming=True) == 0
    assert await kept(tmp_path, [*two[:3], event({}, "stop", 1), b"data: [DONE]\n\n"], streaming=True) == 1


@pytest.mark.parametrize(
    ("pieces", "complete"),
    [
        (stream(["a"]), True),
        (stream([{"reasoning_content": "hm"}, "a"]), True),
        (stream([{"content": "a", "audio": {"data": "x"}}]), False),
        (stream([{"content": "a", "annotations": [1]}]), False),
        (stream([{"function_call": {"name": "f"}}]), False),
        ([event({"content": "a"}, logprobs={"content": []}), event({}, "stop")], False),
        ([event({"content": "a"}, logprobs=None), event({}, "stop")], True),
        (broken(), False),
        ([], False),
    ],
    ids=range(9),
)
async def test_streams_are_kept_if_they_can_be_put_together(
    tmp_path: Path, pieces: list[bytes | Exception], complete: bool
) -> None:
    assert await kept(tmp_path, pieces, streaming=True) == complete


@pytest.mark.parametrize("streaming", [False, True])
async def test_no_error(tmp_path: Path, streaming: bool) -> None:
    async with Cached(tmp_path, voices=Voices(failing=True)) as made:
        assert (await made.ask(stream=streaming)).record.state == "failed"
        assert made.kept == 0


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("models", "degraded"), [(FALLING_BACK, "fallback"), (STATIC, "static")])
async def test_nothing_from_the_reserve(tmp_path: Path, models: str, degraded: str, streaming: bool) -> None:
    voices = Voices(parts=lambda body: None if body["model"] == "n" else b"no answer")
    async with Cached(tmp_path, models=models, voices=voices) as made:
        asked = await made.ask(model="r", stream=streaming)
        assert (asked.record.degraded, asked.record.state, made.kept) == (degraded, "ok", 0)


SECRET = "{preset: none, policies: {s: {kind: secrets, direction: output, on_error: block, actions: {'*': %s}}}}"
TOKEN = "ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("action", "held"), [("block", 0), ("redact", 1)])
async def test_guarded_answers(tmp_path: Path, action: str, held: int, streaming: bool) -> None:
    voices = Voices(says=lambda body: f"it is {TOKEN}, of course")
    async with Cached(tmp_path, guardrails=SECRET % action, voices=voices) as made:
        asked = await made.ask(stream=streaming)
        assert made.kept == held
        assert all(TOKEN.encode() not in entry.raw for entry in made.store._memory)
        again = await made.ask(stream=not streaming)
        assert again.kind == ("exact" if held else "miss")
        assert TOKEN not in again.text
        assert made.calls == (1 if held else 2)
        assert asked.record.state == ("ok" if held else "blocked")


UNHEARD = """{preset: none, policies: {g: {kind: judge, direction: output, on_error: allow,
  options: {base_url: "http://j:9/v1", model: g}}}}"""


@pytest.mark.parametrize("streaming", [False, True])
async def test_no_answer_that_a_guard_could_not_judge(tmp_path: Path, streaming: bool) -> None:
    voices = Voices(parts=lambda body: b"{}" if body["model"] == "g" else None)
    async with Cached(tmp_path, guardrails=UNHEARD, voices=voices) as made:
        asked = await made.ask(stream=streaming)
        assert (asked.record.state, made.kept) == ("ok", 0)
        assert [one.verdict for one in asked.record.guards if one.direction == "output"][-1] == "error"
        voices.parts = lambda body: whole("safe") if body["model"] == "g" else None
        assert (await made.ask(stream=streaming)).kind == "miss"
        assert made.kept == 1


@pytest.mark.parametrize("streaming", [False, True])
async def test_no_answer_that_is_too_large(tmp_path: Path, streaming: bool) -> None:
    async with Cached(tmp_path, "{dir: null, max_answer: 600}") as made:
        made.voices.says = lambda body: "x" * 5_000
        await made.ask(stream=streaming)
        assert made.kept == 0
        made.voices.says = lambda body: "x" * 20
        await made.ask("another", stream=streaming)
        assert made.kept == 1


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
async def test_tool_calls_come_back_as_they_were(tmp_path: Path, first: bool, second: bool) -> None:
    pieces: list[JsonObject | str] = []
    for index, ident in enumerate(("c1", "c2")):
        start = {"index": index, "id": ident, "type": "function", "function": {"name": "weather", "arguments": ""}}
        pieces.append({"tool_calls": [start]})
        parts = ('{"in": ', '"Oslo"}')
        pieces += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in parts]
    streamed = [event({"role": "assistant"}), *map(event, pieces), event({}, "tool_calls")]  # type: ignore[arg-type]
    played = whole(None, tool_calls=[WEATHER, WEATHER | {"id": "c2"}]).replace(b'"stop"', b'"tool_calls"')
    voices = Voices(parts=lambda body: [*streamed, b"data: [DONE]\n\n"] if body.get("stream") else played)
    async with Cached(tmp_path, voices=voices) as made:
        await made.ask(stream=first)
        got = await made.ask(stream=second)
    assert got.kind == "exact"
    if second:
        calls = [call for chunk in got.client.chunks for choice in chunk.body.choices if choice.delta
                 for call in choice.delta.tool_calls or ()]  # fmt: skip
        assert [call.index for call in calls] == [0, 1]
    else:
        assert got.client.answer is not None
        message = got.client.answer.body.choices[0].message
        assert message is not None
        calls = message.tool_calls or []
        assert all(
            "index" not in call for call in json.loads(got.client.answer.raw)["choices"][0]["message"]["tool_calls"]
        )
    assert [(call.id, call.function and call.function.name) for call in calls] == [("c1", "weather"), ("c2", "weather")]
    assert all(call.function and json.loads(call.function.arguments or "") == {"in": "Oslo"} for call in calls)
    assert got.record.finish_reason == "tool_calls"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 40), st.booleans(), st.booleans())
def test_a_request_that_is_cancelled_leaves_a_whole_answer_or_none(at: int, streaming: bool, early: bool) -> None:
    async def run(folder: Path) -> None:
        steps = 0

        async def step() -> None:
            nonlocal steps
            steps += 1
            if steps == at:
                task.cancel()
            await asyncio.sleep(0)

        async with Cached(folder, voices=Voices(step=step)) as made:
            exchange, client = made.open(stream=streaming)
            if early:
                client.pause = step
            task = asyncio.create_task(made.run(exchange, client))
            await asyncio.wait([task])
            assert not made.cache.flights
            assert len(made.sink.records) == 1
            said = answer_to(made.voices.calls[0]) if made.calls else ""
            found = [chat.answer(entry.raw).body.choices[0].message for entry in made.store._memory]
            assert [message and message.content for message in found] in ([], [said])
            assert made.sink.records[0].state != "ok" or len(found) == 1
            assert not made.bugs

    asyncio.run(run(_folder()))


def _folder() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp())


async def test_a_client_that_closes_a_stream_early(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        exchange, client = made.open(stream=True)
        task = asyncio.create_task(made.run(exchange, client))
        await soon(lambda: bool(client.chunks) or task.done())
        task.cancel()
        await asyncio.wait([task])
        for entry in made.store._memory:
            assert chat.answer(entry.raw).body.choices[0].finish_reason == "stop"


MAIL = "{preset: none, policies: {pii: {kind: pii, direction: input, on_error: block, restore: true}}}"


def echoing(body: JsonObject) -> str:
    return f"I wrote to {body['messages'][-1]['content']}"


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
async def test_each_client_sees_its_own_values(tmp_path: Path, first: bool, second: bool) -> None:
    async with Cached(tmp_path, guardrails=MAIL, voices=Voices(says=echoing)) as made:
        ann = await made.ask("write to ann@example.com please", stream=first)
        bob = await made.ask("write to bob@example.org please", key="bob", stream=second)
        raw = b"".join(entry.raw + entry.text.encode() for entry in made.store._memory)
    assert ann.text == "I wrote to write to ann@example.com please"
    assert bob.text == "I wrote to write to bob@example.org please"
    assert (bob.kind, made.calls) == ("exact", 1)
    assert b"example" not in raw
    assert b"EMAIL" in raw


async def test_who_waits_for_another_sees_his_own_values(tmp_path: Path) -> None:
    async with Cached(tmp_path, guardrails=MAIL, voices=Voices(says=echoing)) as made:
        names = [f"user{at}@example.com" for at in range(10)]
        got = await asyncio.gather(*[made.ask(f"mail {name}", stream=at % 2 > 0) for at, name in enumerate(names)])
    assert [one.text for one in got] == [f"I wrote to mail {name}" for name in names]
    assert made.calls == 1


PERSON = st.sampled_from(["ann", "bob", "eve.x", "z"])
HOST = st.sampled_from(["example.com", "mail.org"])
MAILS = st.builds(lambda one, host: f"{one}@{host}", PERSON, HOST)
PARTS = st.lists(
    st.one_of(MAILS, st.sampled_from(["hello", "[EMAIL_1]", "write to", "and", "+1 212 555 0123"])), max_size=5
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(PARTS, st.booleans(), st.sampled_from(["ann", "bob", "eve"])), min_size=2, max_size=6))
def test_nobody_sees_what_he_did_not_write(asked: list[tuple[list[str], bool, str]]) -> None:
    async def run(folder: Path) -> None:
        async with Cached(folder, guardrails=MAIL, voices=Voices(says=echoing)) as made:
            for parts, streaming, key in asked:
                text = " ".join(["say", *parts])
                got = await made.ask(text, stream=streaming, key=key)
                assert got.text == f"I wrote to {text}"
            assert not any(b"@" in entry.raw or "@" in entry.text for entry in made.store._memory)
            assert not made.bugs

    asyncio.run(run(_folder()))


async def test_questions_with_placeholders_are_not_compared_by_meaning(tmp_path: Path) -> None:
    text = "{dir: null, semantic: {threshold: 0.1, audit: 0.001}}"
    async with Cached(tmp_path, text, guardrails=MAIL) as made:
        for question in ("is ann@example.com my address", "is bob@example.com, not al@example.com, my address"):
            assert (await made.ask(question)).kind == "miss"
        assert (await made.ask("is ann@example.com my address")).kind == "exact"
