"""A stream that breaks off and is continued: one answer for the client, each part paid for once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.errors import UpstreamLost, UpstreamTimeout
from llmctl.gateway.resumed import CONTINUE
from llmctl.model.json import encode
from llmctl.net.sse import frame
from llmctl.testing.asking import Asked, Client, event, stream
from tests.gateway.troupe import EVENTS, Part, Played, breaks, hangs, play, refuses, says, served, streams

RESUME = "kind: fixed, model: a, fallbacks: [b, c], resume: true"
CUT = UpstreamLost("cut")


def ends(asked: Asked) -> list[str]:
    return [one.finish_reason for chunk in asked.client.chunks for one in chunk.body.choices if one.finish_reason]


def roles(asked: Asked) -> list[str]:
    deltas = [one.delta for chunk in asked.client.chunks for one in chunk.body.choices]
    return [delta.role for delta in deltas if delta is not None and delta.role]


@pytest.fixture(name="troupe")
def _troupe(tmp_path: Path) -> Played:
    return play(tmp_path, RESUME, a=[breaks(CUT, "The quick ", "brown f")], b=[streams("ox ", "jumps.")], c=[says()])


async def test_a_stream_that_breaks_is_one_answer_to_the_client(troupe: Played) -> None:
    asked = await troupe.ask(stream=True)
    assert asked.client.text == "The quick brown fox jumps."
    assert (ends(asked), roles(asked), asked.client.failure) == (["stop"], ["assistant"], None)
    record = asked.record
    assert (record.state, record.model, record.degraded) == ("ok", "b", "fallback")
    assert [(one.target, one.why, one.failure) for one in record.attempts] == [
        ("a", "first", "connect"),
        ("b", "resume", ""),
    ]
    assert record.response is not None
    assert json.loads(encode(record.response))["choices"][0]["message"]["content"] == "The quick brown fox jumps."


async def test_the_model_that_continues_is_told_what_was_said(troupe: Played) -> None:
    asked = await troupe.ask(stream=True, temperature=0.5)
    [first, second] = [body for _, body in troupe.sent]
    assert second["messages"] == [
        *first["messages"],
        {"role": "assistant", "content": "The quick brown f"},
        {"role": "user", "content": CONTINUE},
    ]
    assert {key: second[key] for key in ("temperature", "stream")} == {"temperature": 0.5, "stream": True}
    assert asked.exchange.payload["messages"] == first["messages"]


async def test_both_parts_are_paid_for_once(troupe: Played) -> None:
    asked = await troupe.ask(stream=True)
    usage = asked.record.usage
    sent = len(troupe.played.requests[0].body) // 4
    assert usage.output == 5 + -(-len("The quick brown f") // 4)  # b counted its own, a's are estimated
    assert usage.input - 7 == pytest.approx(sent, abs=30)
    assert usage.source == "estimated"


async def test_without_counts_no_part_is_estimated_twice(tmp_path: Path) -> None:
    end = Part(tuple(stream(["abcdefgh"], usage=False)), headers=EVENTS)
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, "12345678")], b=[end])
    assert (await troupe.ask(stream=True)).record.usage.output == 2 + 2


async def test_a_role_beside_the_text_and_another_id_do_not_reach_the_client(tmp_path: Path) -> None:
    opening = {"id": "other", "object": "chat.completion.chunk", "created": 2, "model": "m2"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "two"}, "finish_reason": None}
    pieces = (frame(encode({**opening, "choices": [choice]})), event({}, "stop"), frame(b"[DONE]"))
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, "one ")], b=[Part(pieces, headers=EVENTS)])
    asked = await troupe.ask(stream=True)
    assert (asked.client.text, roles(asked), ends(asked)) == ("one two", ["assistant"], ["stop"])
    assert {json.loads(chunk.raw)["id"] for chunk in asked.client.chunks} == {"c"}


async def test_a_continuation_that_breaks_too_is_continued_by_a_third(tmp_path: Path) -> None:
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, "one ")], b=[breaks(CUT, "two ")], c=[streams("three")])
    asked = await troupe.ask(stream=True)
    assert (asked.client.text, ends(asked), roles(asked)) == ("one two three", ["stop"], ["assistant"])
    assert [one.why for one in asked.record.attempts] == ["first", "resume", "resume"]
    assert troupe.sent[2][1]["messages"][1]["content"] == "one two "
    assert troupe.quiet()


async def test_where_the_next_model_fails_at_once_the_one_after_it_continues(tmp_path: Path) -> None:
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, "one ")], b=[refuses(500)], c=[streams("two")])
    asked = await troupe.ask(stream=True)
    assert (asked.client.text, asked.record.model) == ("one two", "c")
    assert troupe.called == ["a", "b", "c"]


async def test_a_model_that_should_continue_and_hangs_is_left_after_the_attempt_timeout(tmp_path: Path) -> None:
    route = f"{RESUME}, attempt_timeout: 0.05"
    troupe = play(tmp_path, route, a=[breaks(CUT, "one ")], b=[hangs()], c=[streams("two")])
    asked = await asyncio.wait_for(troupe.ask(stream=True), 2)
    assert asked.client.text == "one two"
    assert [one.failure for one in asked.record.attempts] == ["connect", "timeout", ""]


@pytest.mark.parametrize("last", [refuses(500), breaks(CUT)], ids=["refused", "broken again"])
async def test_where_nobody_continues_the_client_is_told_what_broke_it(tmp_path: Path, last: Part) -> None:
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, "one ")], b=[last], c=[last])
    asked = await troupe.ask(stream=True)
    assert isinstance(asked.client.failure, UpstreamLost)
    assert (asked.client.text, asked.record.state, asked.record.http_status) == ("one ", "failed", 200)
    assert ends(asked) == []
    assert troupe.quiet()


CALL = {"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a'}}]}


@pytest.mark.parametrize(
    ("piece", "asking"),
    [
        (CALL, {}),
        ({"function_call": {"name": "f", "arguments": '{"a'}}, {}),
        ({"refusal": "I can"}, {}),
        ("one ", {"n": 2}),
        ("{", {"response_format": {"type": "json_object"}}),
    ],
    ids=["tool call", "function call", "refusal", "several answers", "JSON"],
)
async def test_what_is_not_one_plain_text_is_not_continued(
    tmp_path: Path, piece: str | dict[str, Any], asking: dict[str, Any]
) -> None:
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, piece)], b=[streams("two")])
    asked = await troupe.ask(stream=True, **asking)
    assert isinstance(asked.client.failure, UpstreamLost)
    assert troupe.called == ["a"]
    assert len(asked.record.attempts) == 1


async def test_a_continuation_may_call_a_tool(tmp_path: Path) -> None:
    begins = {"role": "assistant", **CALL}
    pieces = (event(begins), event({}, "tool_calls"), frame(b"[DONE]"))
    troupe = play(tmp_path, RESUME, a=[breaks(CUT, "Let me see.")], b=[Part(pieces, headers=EVENTS)])
    asked = await troupe.ask(stream=True)
    deltas = [one.delta for chunk in asked.client.chunks for one in chunk.body.choices]
    assert [bool(delta.tool_calls) for delta in deltas if delta is not None].count(True) == 1
    assert (ends(asked), roles(asked)) == (["tool_calls"], ["assistant"])


async def test_a_stream_that_breaks_behind_its_end_is_complete(tmp_path: Path) -> None:
    pieces = (*stream(["all"], usage=False)[:-1], UpstreamTimeout("idle", phase="idle"))
    troupe = play(tmp_path, RESUME, a=[Part(pieces, headers=EVENTS)], b=[streams("two")])
    asked = await troupe.ask(stream=True)
    assert (asked.client.text, asked.client.failure, troupe.called) == ("all", None, ["a"])


async def test_without_resume_a_broken_stream_is_an_error(tmp_path: Path) -> None:
    troupe = play(tmp_path, a=[breaks(CUT, "one ")], b=[streams("two")])
    asked = await troupe.ask(stream=True)
    assert isinstance(asked.client.failure, UpstreamLost)
    assert troupe.called == ["a"]


async def test_a_real_connection_that_is_cut_is_continued(tmp_path: Path) -> None:
    cut = {"text": "one two three four", "token_rate": 200, "faults": [{"kind": "reset", "after_chunks": 2}]}
    async with served(tmp_path, RESUME, a=cut, b={"text": " and so on"}) as rig:
        asked = await rig.troupe.ask(stream=True)
        said = rig.server.requests[1].json["messages"][1]["content"]
        assert said
        assert "one two three four".startswith(said)
        assert asked.client.text == said + " and so on"
        assert rig.troupe.quiet()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    parts=st.lists(st.lists(st.text("abc é\n", min_size=1, max_size=4), max_size=4), min_size=1, max_size=3),
    cancel_at=st.integers(1, 60),
)
def test_however_often_it_breaks_and_whenever_the_client_leaves_nothing_is_lost_or_said_twice(
    tmp_path: Path, parts: list[list[str]], cancel_at: int
) -> None:
    async def scenario() -> None:
        own = [*(breaks(CUT, *pieces) for pieces in parts[:-1]), streams(*parts[-1])]
        resilience = {"resilience": "retry: {backoff: 0, attempts_per_model: 1}, probe_every: null"}
        names = dict(zip("abc", ([part] for part in own), strict=False))
        troupe = play(tmp_path, RESUME, rest=resilience, **names)
        task = asyncio.create_task(troupe.ask(stream=True, client=(client := Client({}))))
        for _ in range(cancel_at):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert "".join(piece for pieces in parts for piece in pieces).startswith(client.text)
        [record] = troupe.records
        assert len(record.attempts) == len(troupe.called)
        assert troupe.quiet()
        assert all(response.closed for response in troupe.played.responses)
        if record.state == "ok":
            assert client.text == "".join(piece for pieces in parts for piece in pieces)
            assert record.usage.output <= 5 + sum(-(-sum(map(len, pieces)) // 4) for pieces in parts)
        assert not troupe.bugs

    asyncio.run(scenario())
