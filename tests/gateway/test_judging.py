"""Which texts which guard sees, whole and in windows; guards that fail on answers."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from llmctl.gateway.plans import SHORT
from llmctl.guards import TABLE
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Span, Verdict
from llmctl.net.sse import frame
from llmctl.testing.asking import Asked, Bench, event, stream, whole

SEEN: list[tuple[str, About]] = []


class Fake:
    """Does to the word `bad` what it is told; keeps what it sees."""

    class Options(GuardOptions):
        """What to do, and `on` what."""

        do: str = Field("redact", description="An outcome, or `raise`, `none`, `bare`.")

    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 12
    cost_us: ClassVar[float] = 1.0

    def __init__(self, options: "Fake.Options") -> None:
        self.do = options.do

    def judge(self, text: str, about: About) -> Any:
        SEEN.append((text, about))
        at = text.find("bad")
        if at < 0:
            return ALLOW
        if self.do == "raise":
            raise RuntimeError(text)
        if self.do == "none":
            return None
        if self.do == "bare":
            return Verdict("redact", 0.5, "", "BAD")
        return Verdict(self.do, 0.5, "has it", "BAD", (Span(at, at + 3, "BAD"),))  # type: ignore[arg-type]

    def unsettled(self, text: str) -> int:
        return 2


class Whole(Fake):
    """The same, of whole answers only."""

    lookbehind: ClassVar[int | None] = None


class Slow(Fake):
    """The same, declared to be dear."""

    cost_us: ClassVar[float] = 1e7


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, guard in (("fake", Fake), ("whole", Whole), ("slow", Slow), ("topics", Fake), ("citation", Whole)):
        monkeypatch.setitem(TABLE, kind, guard)
    SEEN.clear()


def bench(folder: Path, policy: str = "", kind: str = "fake", do: str = "redact", segment: int = 0) -> Bench:
    error = "" if "on_error" in policy else "on_error: block, "
    guarded = f"{{kind: {kind}, direction: output, {error}{policy} options: {{do: {do}}}}}"
    return Bench(folder, f"{{preset: none, segment: {segment}, policies: {{p: {guarded}}}}}")


async def answer(made: Bench, text: str, how: str, field: str = "content") -> Asked:
    complete = whole(text) if field == "content" else whole(None, usage=True, **{field: text})
    made.answers = [stream([{field: char} for char in text]) if how == "stream" else complete]
    return await made.say("q", stream=how == "stream")


WAYS = pytest.mark.parametrize("how", ["whole", "stream"])
TEXT = "This is a sentence. And here is a bad word in it. Then it ends."


@WAYS
@pytest.mark.parametrize("kind", ["fake", "whole", "slow"])
async def test_redacted(tmp_path: Path, how: str, kind: str) -> None:
    asked = await answer(bench(tmp_path, kind=kind), TEXT, how)
    assert asked.client.text == TEXT.replace("bad", "[BAD_1]")
    result = asked.guard("p", "output")
    assert (result.verdict, result.action, result.reason) == ("redact", "redact", "has it")
    assert asked.exchange.notices == ["output.p=redact"]


async def test_a_short_answer_that_passed_is_not_judged_again(tmp_path: Path) -> None:
    made = bench(tmp_path, kind="topics")
    said = ["yes", "yes", "bad", "bad", "y" * (SHORT + 1), "y" * (SHORT + 1), "yes"]
    found = [(await answer(made, text, "whole")).guard("p", "output").verdict for text in said]
    assert found == ["allow", "allow", "redact", "redact", "allow", "allow", "allow"]
    assert [text for text, _ in SEEN] == ["yes", "bad", "bad", said[4], said[4]]
    SEEN.clear()
    made.answers = [whole("yes")]
    for system in ("", "Say yes or no.", "Say yes."):
        await made.say({"role": "system", "content": system}, "q")
    assert len(SEEN) == 0  # nobody here looks at the system prompt
    for kind in ("fake", "citation"):  # those may look at anything
        made = bench(tmp_path, kind=kind)
        SEEN.clear()
        for _ in range(2):
            await answer(made, "yes", "whole")
        assert len(SEEN) == 2


@WAYS
@pytest.mark.parametrize("kind", ["fake", "whole", "slow"])
@pytest.mark.parametrize(("do", "status"), [("block", 400), ("bare", 400), ("raise", 503), ("none", 503)])
async def test_stopped(tmp_path: Path, how: str, kind: str, do: str, status: int) -> None:
    made = bench(tmp_path, kind=kind, do=do)
    asked = await answer(made, "A bad one. " + TEXT, how)
    code = "guardrail_blocked" if status == 400 else "guardrail_unavailable"
    assert (asked.failure.http_status, asked.failure.code) == (status, code)
    assert "'p'" in asked.failure.message
    assert not any(word in asked.failure.message for word in ("bad", "BAD", "has it", "RuntimeError"))
    assert not asked.client.chunks
    assert asked.record.state == "blocked"
    assert asked.record.http_status == status
    assert asked.record.response is None
    result = asked.guard("p", "output")
    assert (result.verdict, result.action) == (
        "error" if status == 503 else "redact" if do == "bare" else "block",
        "block",
    )
    assert bool(made.bugs) == (status == 503)


@WAYS
@pytest.mark.parametrize("kind", ["fake", "whole"])
@pytest.mark.parametrize(
    ("policy", "do", "verdict", "action"),
    [
        ("on_error: allow,", "raise", "error", "allow"),
        ("on_error: allow,", "none", "error", "allow"),
        ("mode: shadow,", "raise", "error", "would_block"),
        ("mode: shadow,", "redact", "redact", "would_redact"),
        ("mode: shadow,", "block", "block", "would_block"),
        ("mode: shadow,", "bare", "redact", "would_block"),
        ("mode: shadow,", "warn", "warn", "would_warn"),
        ("actions: {'*': warn},", "block", "block", "warn"),
        ("actions: {BAD: allow},", "block", "block", "allow"),
    ],
)
async def test_let_through(
    tmp_path: Path, how: str, kind: str, policy: str, do: str, verdict: str, action: str
) -> None:
    asked = await answer(bench(tmp_path, policy, kind, do), TEXT, how)
    assert asked.client.text == TEXT
    assert (asked.guard("p", "output").verdict, asked.guard("p", "output").action) == (verdict, action)
    assert (asked.record.state, asked.exchange.notices) == ("ok", [])


@WAYS
@pytest.mark.parametrize("kind", ["topics", "citation"])
async def test_some_guards_judge_the_answer_alone(tmp_path: Path, how: str, kind: str) -> None:
    made = bench(tmp_path, kind=kind)
    for field in ("reasoning_content", "refusal"):
        asked = await answer(made, TEXT, how, field)
        assert not SEEN
        assert asked.record.state == "ok"
    assert (await answer(made, TEXT, how)).client.text == TEXT.replace("bad", "[BAD_1]")


@pytest.mark.parametrize("segment", [0, 20])
async def test_windows_say_where_they_begin(tmp_path: Path, segment: int) -> None:
    text = "one two three four five six seven. " * 4
    await answer(bench(tmp_path, segment=segment), text, "stream")
    assert len(SEEN) > 3
    for window, about in SEEN:
        assert text.startswith(window, about.at)
        assert (about.direction, about.source) == ("output", "assistant")
    assert SEEN[-1][1].at > len(text) - 40 - segment


async def test_a_whole_guard_sees_all_of_it_once(tmp_path: Path) -> None:
    for policy in ("", "mode: shadow,"):
        SEEN.clear()
        await answer(bench(tmp_path, policy, "whole"), TEXT, "stream")
        assert [text for text, _ in SEEN] == [TEXT]


@WAYS
async def test_arguments_are_judged_as_what_they_say(tmp_path: Path, how: str) -> None:
    arguments = '{"id": "b\\u0061d", "n": [12345678, "fine"], "type": {"x": "so bad"}}'
    call: dict[str, Any] = {
        "index": 0,
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": arguments},
    }
    made = bench(tmp_path)
    made.answers = [stream([{"tool_calls": [call]}]) if how == "stream" else whole(None, tool_calls=[call])]
    asked = await made.say("q", stream=how == "stream")
    assert [text for text, _ in SEEN[:4]] == ["bad", "12345678", "fine", "so bad"]
    assert "bad" not in SEEN[4][0]
    body = json.loads(next(raw for raw in asked.out.split(b"\n") if b"arguments" in raw))
    message = body["choices"][0].get("delta") or body["choices"][0]["message"]
    said = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert said == {"id": "[BAD_1]", "n": [12345678, "fine"], "type": {"x": "so [BAD_1]"}}


@WAYS
@pytest.mark.parametrize("arguments", ['{"a": "bad', "bad", '{"a": "b\\u0061d', '{"bad": 1}', '"bad"'])
async def test_arguments_that_are_no_json_are_judged_as_they_are(tmp_path: Path, how: str, arguments: str) -> None:
    call = {"index": 0, "function": {"name": "f", "arguments": arguments}}
    made = bench(tmp_path)
    made.answers = [stream([{"tool_calls": [call]}]) if how == "stream" else whole(None, tool_calls=[call])]
    asked = await made.say("q", stream=how == "stream")
    assert b"[BAD_1]" in asked.out
    assert b"bad" not in asked.out


async def test_a_block_later_in_a_stream_ends_it(tmp_path: Path) -> None:
    text = "This is a first sentence. " * 10 + "Now a bad word. " + "And more of it. " * 5
    asked = await answer(bench(tmp_path, do="block"), text, "stream")
    assert asked.client.chunks
    assert text.startswith(asked.client.text)
    assert "bad" not in asked.client.text
    assert (asked.record.state, asked.record.http_status, asked.failure.http_status) == ("blocked", 200, 400)
    assert asked.record.usage.source == "estimated"
    assert asked.record.usage.output > len(asked.client.text) // 4


@WAYS
async def test_placeholders_that_the_model_wrote_are_not_given_out(tmp_path: Path, how: str) -> None:
    asked = await answer(bench(tmp_path), "[BAD_1] is not a bad one.", how)
    assert asked.client.text == "[BAD_1] is not a [BAD_2] one."


@WAYS
async def test_arguments_in_pieces_are_judged_together(tmp_path: Path, how: str) -> None:
    made = Bench(tmp_path, "{preset: none, policies: {s: {kind: secrets, on_error: block}}}")
    call = {"index": 0, "function": {"name": "f", "arguments": '{"password": "hunter22!x"}'}}
    made.answers = [stream([{"tool_calls": [call]}]) if how == "stream" else whole(None, tool_calls=[call])]
    asked = await made.say("q", stream=how == "stream")
    assert b"hunter22" not in asked.out
    assert b"[PASSWORD_1]" in asked.out


async def test_arguments_that_go_on_after_their_end_are_judged_too(tmp_path: Path) -> None:
    made = bench(tmp_path)
    pieces = ['{"a": "' + "x" * 4000 + '", "b": "bad"', ', "c": "bad"}', ""]
    calls = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    pairs = [one for call in calls for one in (event(call), event({}, "tool_calls"))]
    made.answers = [[*pairs, frame(b"[DONE]")]]
    asked = await made.say("q", stream=True)
    assert asked.record.state == "ok"
    assert asked.out.count(b"[BAD_1]") == 2
    assert b'"bad"' not in asked.out.replace(b"\\", b"")
    assert not made.bugs


@WAYS
async def test_what_a_name_given_twice_hides_does_not_go_out(tmp_path: Path, how: str) -> None:
    """Decoded, the first value is not there to be judged."""
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a": "bad", "a": "x"}'}}
    made = bench(tmp_path)
    made.answers = [stream([{"tool_calls": [call]}]) if how == "stream" else whole(None, tool_calls=[call])]
    asked = await made.say("q", stream=how == "stream")
    assert b"bad" not in asked.out
    assert b'{\\"a\\":\\"x\\"}' in asked.out
