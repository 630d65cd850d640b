"""What is let out, whole or streamed; answers of the wrong form are asked for again; everything is paid for once."""

import asyncio
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from llmctl.errors import UpstreamLost, UpstreamTimeout
from llmctl.guards.asked import ADAPTERS
from llmctl.guards.base import About, Direction, GuardOptions, Verdict
from llmctl.model.json import encode
from llmctl.net.sse import frame
from llmctl.net.transport import Transport
from llmctl.server.openai import DONE
from llmctl.testing.asking import USAGE, Asked, Bench, Client, event, stream, whole
from llmctl.testing.gateway import exchange

SCHEMA = "{type: object, required: [n], properties: {n: {type: integer}}}"
JSON = f"schema: {{kind: schema, on_error: block, options: {{json_schema: {SCHEMA}}}}}"
PATTERNS = "[{name: x, regex: 'forbidden', action: block}]"
OWN = f"own: {{kind: pattern, on_error: block, direction: output, options: {{patterns: {PATTERNS}}}}}"
PII = "pii: {kind: pii, on_error: block}"
BAD, GOOD = '{"n": "secret words"}', '{"n": 3}'
WAYS = pytest.mark.parametrize("how", ["whole", "stream"])
PROMPT, WRITTEN = USAGE["prompt_tokens"], USAGE["completion_tokens"]


def bench(
    folder: Path, policies: str, *answers: str | Exception, how: str = "whole", usage: bool = True, **keys: str
) -> Bench:
    more = "".join(f", {key}: {value}" for key, value in keys.items())

    def made(text: str) -> Any:
        return stream(list(text), usage=usage) if how == "stream" else whole(text, usage=usage)

    played = [one if isinstance(one, Exception) else made(one) for one in answers]
    return Bench(folder, f"{{preset: none{more}, policies: {{{policies}}}}}", *played)


async def ask(made: Bench, how: str, text: str = "Give me n", **rest: Any) -> Asked:
    return await made.say(text, stream=how == "stream", **rest)


@WAYS
async def test_an_answer_that_fits_is_asked_for_once(tmp_path: Path, how: str) -> None:
    asked = await ask(bench(tmp_path, JSON, GOOD, how=how), how)
    assert asked.client.text == GOOD
    assert len(asked.sent) == 1
    assert (asked.record.usage.prompt, asked.record.usage.completion) == (PROMPT, WRITTEN)
    assert asked.guard("schema", "output").action == "allow"


@WAYS
@pytest.mark.parametrize("usage", [True, False])
async def test_an_answer_that_does_not_is_repaired(tmp_path: Path, how: str, usage: bool) -> None:
    asked = await ask(
        bench(tmp_path, f"{JSON}, {PII}", BAD, GOOD, how=how, usage=usage), how, "Give n to jo@example.org"
    )
    assert asked.client.text == GOOD
    assert "secret" not in asked.out.decode()
    first, second = (request["messages"] for request in asked.sent)
    assert first == second[:1] == [{"role": "user", "content": "Give n to [EMAIL_1]"}]
    assert second[1] == {"role": "assistant", "content": BAD}
    assert (second[2]["role"], len(second)) == ("user", 3)
    assert "This answer cannot be used" in second[2]["content"]
    assert asked.exchange.notices == ["input.pii=redact"]
    assert [one.verdict for one in asked.record.verdicts() if one.policy == "schema"] == ["block", "allow"]
    record = asked.record
    assert record.state == "ok"
    assert json.loads(encode(record.request))["messages"] == first
    assert b"secret" not in encode(record)
    assert [attempt.error for attempt in record.attempts] == [None, None]
    if usage:
        assert (record.usage.prompt, record.usage.completion) == (2 * PROMPT, 2 * WRITTEN)
    else:
        assert record.usage.source == "estimated"
        assert record.usage.output == -(-len(BAD) // 4) + -(-len(GOOD) // 4)


@WAYS
@pytest.mark.parametrize("usage", [True, False])
async def test_a_second_failure_blocks(tmp_path: Path, how: str, usage: bool) -> None:
    asked = await ask(bench(tmp_path, JSON, BAD, BAD, GOOD, how=how, usage=usage), how)
    assert (asked.failure.http_status, asked.record.state, asked.record.http_status) == (400, "blocked", 400)
    assert "'schema'" in asked.failure.message
    assert "secret" not in asked.failure.message
    assert len(asked.sent) == 2
    assert (asked.out, asked.record.response) == (b"", None)
    if usage:
        assert (asked.record.usage.prompt, asked.record.usage.completion) == (2 * PROMPT, 2 * WRITTEN)
    else:
        assert asked.record.usage.output == 2 * -(-len(BAD) // 4)


@WAYS
async def test_no_second_answer_where_none_is_wanted(tmp_path: Path, how: str) -> None:
    asked = await ask(bench(tmp_path, JSON, BAD, GOOD, how=how, repair="false"), how)
    assert (asked.failure.http_status, asked.record.state, len(asked.sent)) == (400, "blocked", 1)
    assert (asked.record.usage.prompt, asked.record.usage.completion) == (PROMPT, WRITTEN)


@WAYS
async def test_a_repair_that_fails_upstream_is_that_failure(tmp_path: Path, how: str) -> None:
    asked = await ask(bench(tmp_path, JSON, BAD, UpstreamLost("gone"), how=how), how)
    assert isinstance(asked.failure, UpstreamLost)
    assert asked.record.state == "failed"
    assert (asked.record.usage.prompt, asked.record.usage.completion) == (PROMPT, WRITTEN)
    assert json.loads(encode(asked.record.request))["messages"] == [{"role": "user", "content": "Give me n"}]


@WAYS
async def test_the_second_answer_is_guarded_like_the_first(tmp_path: Path, how: str) -> None:
    asked = await ask(bench(tmp_path, f"{JSON}, {OWN}", BAD, '{"n": "forbidden"}', how=how), how)
    assert asked.record.state == "blocked"
    redacted = await ask(bench(tmp_path, f"{JSON}, {PII}", BAD, '{"n": 3, "m": "jo@example.org"}', how=how), how)
    assert redacted.client.text == '{"n": 3, "m": "[EMAIL_1]"}'


async def test_legacy_completions_are_not_asked_again(tmp_path: Path) -> None:
    made = bench(tmp_path, JSON)
    made.answers = [encode({"choices": [{"index": 0, "text": BAD}]})]
    asked = await made.ask({"model": "m", "prompt": "q"}, "completion")
    assert (asked.failure.http_status, len(asked.sent)) == (400, 1)


async def test_shadow_asks_for_nothing_again(tmp_path: Path) -> None:
    for how in ("whole", "stream"):
        asked = await ask(bench(tmp_path, JSON.replace("on_error", "mode: shadow, on_error"), BAD, GOOD, how=how), how)
        assert asked.client.text == BAD
        assert asked.guard("schema", "output").action == "would_block"


@WAYS
@pytest.mark.parametrize("usage", [True, False])
async def test_a_blocked_answer_is_paid_for(tmp_path: Path, how: str, usage: bool) -> None:
    text = "This is a forbidden word. And the rest of it."
    asked = await ask(bench(tmp_path, OWN, text, how=how, usage=usage), how)
    assert (asked.record.state, asked.record.response) == ("blocked", None)
    if how == "whole" and usage:
        assert (asked.record.usage.prompt, asked.record.usage.completion) == (PROMPT, WRITTEN)
    else:
        assert asked.record.usage.source == "estimated"
        assert 4 <= asked.record.usage.output <= -(-len(text) // 4)
        assert asked.record.usage.input > 0


@pytest.mark.parametrize("usage", [True, False])
async def test_a_stream_that_is_blocked_later_is_paid_for_once(tmp_path: Path, usage: bool) -> None:
    begin = "This is a sentence that may go. " * 10
    made = bench(tmp_path, OWN, begin + "Now a forbidden word.", how="stream", usage=usage)
    asked = await ask(made, "stream")
    assert asked.client.text
    assert begin.startswith(asked.client.text)
    total = asked.record.usage.output
    assert len(begin) // 4 <= total <= len(begin) // 4 + 8
    alone = await ask(bench(tmp_path, "", begin, how="stream", usage=False), "stream")
    assert asked.record.usage.input == alone.record.usage.input


@pytest.mark.parametrize("policies", [JSON, OWN])
async def test_a_client_that_leaves_pays_for_what_was_written(tmp_path: Path, policies: str) -> None:
    """Whether it is waiting for what is held back, or reading."""
    text = "Some sentence of the answer here. " * 6
    made = bench(tmp_path, policies)
    gate = asyncio.Event()
    made.answers = [[*(event({"content": word + " "}) for word in text.split()), b""]]
    client = Client({"model": "m", "messages": [{"role": "user", "content": "q"}], "stream": True})
    asked, play = exchange(made.clock), made._play

    def slow(request: Any) -> Any:
        played: Any = play(request)

        async def step() -> None:
            played.left = getattr(played, "left", len(played.pieces)) - 1
            if not played.left:
                gate.set()
                await asyncio.sleep(20)

        played.step = step
        return played

    made.transport._play = slow
    task = asyncio.create_task(made.gateway.run(asked, client))
    await gate.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [record] = made.sink.records
    assert record.state == "aborted"
    assert record.usage.source == "estimated"
    assert len(text) // 4 - 8 <= record.usage.output <= len(text) // 4 + 8
    assert made.transport.responses[0].closed
    assert not made.bugs


async def test_embeddings_are_no_answers(tmp_path: Path) -> None:
    made = bench(tmp_path, f"{OWN}, {JSON}")
    made.answers = [b'{"data":[{"embedding":[1.0]}],"model":"forbidden"}']
    asked = await made.ask({"model": "m", "input": "q"}, "embedding")
    assert asked.client.answer is not None
    assert asked.record.verdicts() == []


async def test_content_in_parts_is_judged_and_its_media_are_unscanned(tmp_path: Path) -> None:
    made = bench(tmp_path, PII)
    body = json.loads(whole())
    body["choices"][0]["message"]["content"] = [{"type": "text", "text": "Ask jo@example.org"}]
    made.answers = [encode(body)]
    asked = await made.say("q")
    assert b"jo@example.org" not in asked.out
    assert asked.guard("pii", "output").verdict == "redact"
    body["choices"][0]["message"]["content"] = [{"type": "image", "image": "x"}]
    made.answers = [encode(body)]
    assert (await made.say("q")).guard("pii", "output").verdict == "unscanned"


async def test_routes_and_tenants(tmp_path: Path) -> None:
    scoped = OWN.replace("direction: output", "direction: output, routes: [other]")
    made = Bench(
        tmp_path,
        f"{{preset: none, policies: {{{scoped}}}}}",
        whole("forbidden"),
        routes="{other: {kind: fixed, model: m}}",
    )
    assert (await made.say("q")).record.state == "ok"
    assert (await made.ask({"model": "other", "messages": []})).record.state == "blocked"


class Hang:
    """Asks somebody who never answers."""

    Options: ClassVar[type[GuardOptions]] = GuardOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    begun: ClassVar[asyncio.Event]

    def __init__(self, options: GuardOptions, transport: Transport) -> None:
        """Nothing to make."""

    async def judge(self, text: str, about: About) -> Verdict:
        Hang.begun.set()
        await asyncio.sleep(20)
        raise AssertionError

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture(name="hang")
def _hang(monkeypatch: pytest.MonkeyPatch) -> str:
    Hang.begun = asyncio.Event()
    monkeypatch.setitem(ADAPTERS, "hang", Hang)
    return "h: {kind: hang, direction: DIRECTION, on_error: block, deadline: 0.02s}"


@WAYS
@pytest.mark.parametrize("direction", ["input", "output"])
@pytest.mark.parametrize(
    ("keys", "action", "ok"),
    [
        ("on_error: block", "block", False),
        ("on_error: allow", "allow", True),
        ("on_error: block, mode: shadow", "would_block", True),
    ],
)
async def test_a_guard_that_hangs(
    tmp_path: Path, hang: str, how: str, direction: str, keys: str, action: str, ok: bool
) -> None:
    policies = hang.replace("DIRECTION", direction).replace("on_error: block", keys)
    asked = await ask(bench(tmp_path, policies, "An answer.", how=how), how)
    assert (asked.guard("h", direction).verdict, asked.guard("h", direction).action) == ("error", action)
    assert asked.client.finished is ok
    assert asked.record.state == ("ok" if ok else "blocked")
    if not ok:
        assert (asked.failure.http_status, asked.failure.code) == (503, "guardrail_unavailable")
        assert asked.record.request is None or direction == "output"
        assert asked.record.usage.completion == (WRITTEN if direction == "output" else 0)


@WAYS
@pytest.mark.parametrize("direction", ["input", "output"])
async def test_a_client_that_leaves_while_a_guard_is_asked(tmp_path: Path, hang: str, how: str, direction: str) -> None:
    policies = hang.replace("DIRECTION", direction).replace("0.02s", "30s")
    made = bench(tmp_path, f"{policies}, {PII}", "An answer.", how=how)
    task = asyncio.create_task(ask(made, how, "I am jo@example.org"))
    await Hang.begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [record] = made.sink.records
    assert record.state == "aborted"
    assert b"jo@example.org" not in encode(record)
    assert record.usage.completion == (WRITTEN if direction == "output" else 0)
    assert not made.bugs


@WAYS
async def test_calls_with_free_text_are_judged(tmp_path: Path, how: str) -> None:
    said = "mail jo@example.org, and then go on to the next one in the list"
    calls = [{"index": 0, "id": "1", "type": "custom", "custom": {"name": "f", "input": said}}]
    pieces = [{"tool_calls": [{"index": 0, "custom": {"input": piece}}]} for piece in said]
    pieces[0]["tool_calls"][0] |= {"id": "1", "type": "custom", "custom": {"name": "f", "input": said[0]}}
    answer = stream(pieces) if how == "stream" else whole(None, tool_calls=calls)
    asked = await Bench(tmp_path, f"{{preset: none, policies: {{{PII}}}}}", answer).say("q", stream=how == "stream")
    assert b"jo@example.org" not in asked.out + encode(asked.record)
    [call] = json.loads(encode(asked.record.response))["choices"][0]["message"]["tool_calls"]
    assert call["custom"] == {"name": "f", "input": said.replace("jo@example.org", "[EMAIL_1]")}


async def test_counts_of_what_was_held_cover_what_went_before(tmp_path: Path) -> None:
    """Some servers count in every chunk."""
    words = ["This is well. ", *["And so is this. "] * 12, "forbidden "]
    chunks = [
        frame(encode({"choices": [{"index": 0, "delta": {"content": word}}], "usage": {"completion_tokens": number}}))
        for number, word in enumerate(words, 1)
    ]
    asked = await Bench(tmp_path, f"{{preset: none, policies: {{{OWN}}}}}", [*chunks, DONE]).say("q", stream=True)
    assert (asked.record.state, bool(asked.client.chunks)) == ("blocked", True)
    assert asked.record.usage.completion == len(words)


@WAYS
@pytest.mark.parametrize("blocks", ["thinking_blocks", "reasoning_details"])
async def test_signed_reasoning_that_nobody_could_judge_does_not_go_out(tmp_path: Path, how: str, blocks: str) -> None:
    more: dict[str, Any]
    for said, goes in (("jo@example.org", False), ("", True)):
        more = {blocks: [{"type": "x", "thinking": said, "signature": "signed"}]}
        answer = stream([more, "ok"]) if how == "stream" else whole("ok", **more)
        asked = await Bench(tmp_path, f"{{preset: none, policies: {{{PII}}}}}", answer).say("q", stream=how == "stream")
        assert asked.client.text == "ok"
        assert (b"signed" in asked.out) == goes
        assert b"jo@example.org" not in asked.out + encode(asked.record)
    more = {blocks: [{"text": "jo"}]}
    answer = stream([more, "ok"]) if how == "stream" else whole("ok", **more)
    shadow = PII.replace("block", "block, mode: shadow")
    asked = await Bench(tmp_path, f"{{preset: none, policies: {{{shadow}}}}}", answer).say("q", stream=how == "stream")
    assert b'"jo"' in asked.out


@pytest.mark.parametrize(
    ("protect", "role", "state"),
    [("system", "system", "blocked"), ("system", "tool", "ok"), ("all", "tool", "blocked"), ("none", "system", "ok")],
)
async def test_what_is_protected_is_not_recited(tmp_path: Path, protect: str, role: str, state: str) -> None:
    told = "The sourdough of this bakery is always three days old before anybody here is allowed to sell it"
    leakage = f"leakage: {{kind: leakage, on_error: block, options: {{protect: {protect}}}}}"
    turn = {"role": role, "content": told} | ({"tool_call_id": "1"} if role == "tool" else {})
    asked = await ask(
        bench(tmp_path, leakage, f"Well: {told}."), "whole", messages=[turn, {"role": "user", "content": "?"}]
    )
    assert asked.record.state == state


async def test_an_answer_that_passed_is_judged_again_under_a_system_prompt(tmp_path: Path) -> None:
    told = "The sourdough of this bakery is always three days old before anybody here is allowed to sell it"
    made = bench(tmp_path, "leakage: {kind: leakage, on_error: block}", told)
    for content, state in (("", "ok"), ("", "ok"), (told, "blocked"), ("Be kind.", "ok"), (told, "blocked")):
        turns = [{"role": "system", "content": content}] if content else []
        assert (await made.say(*turns, "?")).record.state == state


@pytest.mark.parametrize("messages", [None, "abc", [1], 5])
async def test_what_is_called_messages_beside_a_prompt_is_no_system_prompt(tmp_path: Path, messages: object) -> None:
    made = bench(tmp_path, "leakage: {kind: leakage, on_error: block}", "fine")
    asked = await made.ask({"model": "m", "prompt": "q", "messages": messages}, "completion")
    assert (asked.record.state, made.bugs) == ("ok", [])


@WAYS
async def test_a_routes_own_text_is_guarded_and_nobody_is_asked_for_a_better_one(tmp_path: Path, how: str) -> None:
    rails = f"{{preset: none, policies: {{{JSON}}}}}"
    routes = "{r: {kind: fixed, model: m, static_answer: sorry}}"
    made = Bench(tmp_path, rails, UpstreamTimeout("late", phase="first_byte"), routes=routes)
    said = {"model": "r", "messages": [{"role": "user", "content": "q"}], "stream": how == "stream"}
    asked = await made.ask(said)
    assert (asked.record.state, asked.record.degraded, len(asked.sent)) == ("blocked", "static", 1)
