"""However a stream is split, what is delivered is what the whole answer would be, and nothing of a value gets out."""

import asyncio
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.errors import UpstreamLost
from llmctl.model.json import JsonObject, encode
from llmctl.net.sse import frame
from llmctl.testing.asking import USAGE, Asked, Bench, event, stream, whole

TICKETS = "{name: ticket, regex: 'TCK-[0-9]+', action: redact}"
OWN = f"own: {{kind: pattern, on_error: block, direction: output, options: {{patterns: [{TICKETS}]}}}}"
POLICIES = f"""
    pii: {{kind: pii, on_error: block, direction: output}},
    secrets: {{kind: secrets, on_error: block, direction: output}},
    {OWN}
"""
VALUES = [
    "jane.doe@qqxzz.org",
    "4111 1111 1111 1111",
    "TCK-90817263",
    "DE89 3704 0044 0532 0130 00",
    "sk-" + "a1B2c3D4e5F6g7H8j9K0" * 2,
]
PROSE = [
    "Well",
    "the fine weather.",
    "I see!",
    "(yes)",
    "one, two",
    "\n\n",
    "“So”:",
    "naïve?",
    "then",
    "他说今天天气很好。",
    "a" * 90,
    "[x]",
    "[EMAIL",
]
TEXTS = st.lists(st.sampled_from(PROSE) | st.sampled_from(VALUES), max_size=14).map(" ".join)
CUTS = st.none() | st.lists(st.integers(0, 1000), max_size=40)
Benches = Callable[[int], Bench]
FIELDS = ["content", "reasoning_content", "reasoning", "refusal"]


@pytest.fixture(name="benches", scope="module")
def _benches(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    made: dict[int, Bench] = {}

    def bench(segment: int) -> Bench:
        if segment not in made:
            folder: Path = tmp_path_factory.mktemp("guarded")
            made[segment] = Bench(folder, f"{{preset: none, segment: {segment}, policies: {{{POLICIES}}}}}")
        return made[segment]

    return bench


@pytest.fixture(name="defaults", scope="module")
def _defaults(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("defaults"), f"{{policies: {{{OWN}}}}}")


def split(text: str, cuts: list[int] | None) -> list[str]:
    if cuts is None:
        return list(text)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(edges)]


def with_text(field: str, text: str) -> bytes:
    return whole(text) if field == "content" else whole(None, usage=True, **{field: text})


def play(bench: Bench, answer: Any, **rest: Any) -> Asked:
    bench.answers = [answer]
    question = {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": not isinstance(answer, bytes),
    }
    asked = asyncio.run(bench.ask(json.loads(encode(question | rest))))
    assert not bench.bugs
    return asked


def unleaked(out: bytes) -> None:
    """No four characters of a value in a row, but for what prose and placeholders hold too."""
    said = json.dumps([line.decode() for line in out.split(b"\n")])
    for value in VALUES:
        for at in range(len(value) - 3):
            part = value[at : at + 4]
            assert part not in said or part.strip() in "TCK-", (part, said)


def texts(asked: Asked) -> dict[tuple[int, str, int], str]:
    """What the client reads, by choice, field and call."""
    read: dict[tuple[int, str, int], str] = {}
    bodies = [json.loads(chunk.raw) for chunk in asked.client.chunks]
    if asked.client.answer is not None:
        bodies = [json.loads(asked.client.answer.raw)]
    for body in bodies:
        for choice in body["choices"]:
            message = choice.get("delta") or choice.get("message") or {}
            said = [((choice["index"], field, 0), message.get(field)) for field in FIELDS]
            said.append(((choice["index"], "text", 0), choice.get("text")))
            calls = message.get("tool_calls") or ()
            said += [((choice["index"], "arguments", call["index"]), call["function"]["arguments"]) for call in calls]
            for key, words in said:
                if words:
                    read[key] = read.get(key, "") + words
    return read


@settings(max_examples=120, deadline=None)
@given(text=TEXTS, cuts=CUTS, field=st.sampled_from(FIELDS), segment=st.sampled_from([0, 80]))
def test_one_text_at_every_split(benches: Benches, text: str, cuts: list[int] | None, field: str, segment: int) -> None:
    bench = benches(segment)
    expected = texts(play(bench, with_text(field, text)))
    asked = play(bench, stream([{field: piece} for piece in split(text, cuts)]))
    assert asked.record.state == "ok"
    assert texts(asked) == expected
    unleaked(asked.out)
    assert asked.record.usage.output == USAGE["completion_tokens"]
    assert any(value in text for value in VALUES) == bool(asked.exchange.notices)
    kept = json.dumps(json.loads(encode(asked.record.response)), ensure_ascii=False)
    unleaked(kept.encode())


def escaped(text: str, how: int) -> str:
    if how == 2:
        return '{"a": "' + "".join(f"\\u{ord(char):04x}" for char in text) + '"}'
    return json.dumps({"id": text, "more": [{"type": text}]}, ensure_ascii=bool(how))


@settings(max_examples=80, deadline=None)
@given(text=TEXTS, cuts=CUTS, how=st.integers(0, 2), legacy=st.booleans())
def test_arguments_at_every_split(benches: Benches, text: str, cuts: list[int] | None, how: int, legacy: bool) -> None:
    bench = benches(80)
    arguments = escaped(text, how)

    def call(words: str) -> JsonObject:
        if legacy:
            return {"function_call": {"arguments": words}}
        return {"tool_calls": [{"index": 0, "function": {"arguments": words}}]}

    expected = play(bench, whole(None, **call(arguments)))
    asked = play(bench, stream([call(piece) for piece in split(arguments, cuts)]))
    if not legacy:
        assert texts(asked) == texts(expected)
        said = texts(asked)[0, "arguments", 0]
        assert json.dumps(json.loads(said)) if any(value in text for value in VALUES) else said == arguments
        unleaked(said.encode().decode("unicode_escape").encode() if how == 2 else said.encode())
    unleaked(asked.out)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), segment=st.sampled_from([0, 80]))
def test_interleaved_texts_do_not_disturb_each_other(benches: Benches, data: st.DataObject, segment: int) -> None:
    bench = benches(segment)
    keys = [(0, "content", 0), (3, "reasoning_content", 0), (1, "content", 0), (1, "arguments", 2), (2, "text", 0)]
    whole_texts = {key: data.draw(TEXTS) for key in keys}
    pieces = {key: split(text, data.draw(CUTS)) for key, text in whole_texts.items()}
    order = data.draw(st.permutations([key for key in keys for _ in pieces[key]]))
    events = [piece(key, pieces[key].pop(0)) for key in order] + [event({}, "stop", choice) for choice in (0, 1, 2, 3)]
    joins = data.draw(st.lists(st.integers(1, 5), max_size=60))
    asked = play(bench, batched([*events, frame(b"[DONE]")], joins))
    assert asked.record.state == "ok"
    read = texts(asked)
    for key, text in whole_texts.items():
        alone = texts(play(bench, stream([{"content": text}], usage=False))).get((0, "content", 0), "")
        assert re.sub(r"_[0-9]+\]", "_N]", read.get(key, "")) == re.sub(r"_[0-9]+\]", "_N]", alone)
    unleaked(asked.out)


def piece(key: tuple[int, str, int], words: str) -> bytes:
    choice, field, call = key
    if field == "text":
        return frame(encode({"choices": [{"index": choice, "text": words}]}))
    if field == "arguments":
        return event({"tool_calls": [{"index": call, "function": {"arguments": words}}]}, index=choice)
    return event({field: words}, index=choice)


def batched(events: list[bytes], sizes: list[int]) -> list[bytes]:
    """The same events, several in a network packet."""
    left, out = list(events), []
    for size in sizes:
        out.append(b"".join(left[:size]))
        left = left[size:]
    return [one for one in [*out, b"".join(left)] if one]


TOXIC = ["You are a worthless idiot, you stupid moron.", "I hate you. Go die.", "Sorry, I cannot help with that."]
ANSWERS = st.lists(st.sampled_from([*PROSE, *VALUES, *TOXIC, "[EMAIL_1]"]), max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(text=ANSWERS, cuts=CUTS)
def test_the_default_policies_decide_alike_at_every_split(defaults: Bench, text: str, cuts: list[int] | None) -> None:
    payload = {"messages": [{"role": "user", "content": "Write to max@kkyyww.net"}]}
    one, other = (
        play(defaults, stream([{"content": piece} for piece in pieces]), **payload)
        for pieces in ([text], split(text, cuts))
    )
    assert one.record.state == other.record.state
    assert [(r.policy, r.verdict, r.action) for r in one.record.verdicts()] == [
        (r.policy, r.verdict, r.action) for r in other.record.verdicts()
    ]
    if one.record.state == "ok":
        assert one.client.text == other.client.text
        assert encode(one.record.response) == encode(other.record.response)
    for asked in (one, other):
        unleaked(asked.out)
        assert b"kkyyww" not in encode(asked.record)
        assert asked.client.text.count("max@kkyyww.net") <= text.count("[EMAIL_1]")


LONG = "This is a first sentence of the answer, and it goes on for a while so that it can be cut. "


def logs(text: str) -> JsonObject:
    return {"content": [{"token": text, "logprob": -0.5}]}


def test_untouched_chunks_are_forwarded_byte_for_byte(benches: Benches) -> None:
    odd = frame(
        b'{"choices": [ {"index":0, "delta":{"content":"caf\\u00e9 "}, "logprobs": {"content": [1.50]}} ], "x": 1e3}'
    )
    pieces = [event({"role": "assistant"}), odd, event({"content": LONG}, logprobs=logs("x")), odd]
    asked = play(
        benches(80), [*pieces, event({}, "stop"), frame(encode({"choices": [], "usage": USAGE})), frame(b"[DONE]")]
    )
    got = [b"data: " + chunk.raw + b"\n\n" for chunk in asked.client.chunks]
    assert got[:5] == [*pieces, event({}, "stop")]
    assert json.loads(asked.client.chunks[5].raw)["usage"] == USAGE


def test_log_probabilities_go_where_the_text_was_changed(benches: Benches) -> None:
    pieces = ["Ask ", "jane.doe", "@qqxzz", ".org", " today ", "please"]
    asked = play(
        benches(0), [*(event({"content": p}, logprobs=logs(p)) for p in pieces), event({}, "stop"), frame(b"[DONE]")]
    )
    choices = [json.loads(chunk.raw)["choices"][0] for chunk in asked.client.chunks]
    assert [choice["delta"].get("content") for choice in choices[:-1]] == [
        "Ask ",
        "[EMAIL_1]",
        "",
        "",
        " today ",
        "please",
    ]
    assert ["logprobs" in choice for choice in choices[:-1]] == [True, False, False, False, True, True]
    unleaked(asked.out)


@pytest.mark.parametrize("key", ["thinking_blocks", "reasoning_details"])
@pytest.mark.parametrize(
    ("thought", "kept"), [("I must mail jane.doe@qqxzz.org now", False), ("I must mail nobody", True)]
)
@pytest.mark.parametrize("gradual", [True, False])
def test_what_repeats_the_reasoning_goes_where_it_was_changed(
    benches: Benches, key: str, thought: str, kept: bool, gradual: bool
) -> None:
    if gradual:  # each chunk with its own words again
        said = [{"reasoning_content": piece, key: [{"text": piece}]} for piece in thought]
    else:  # all of them, signed, behind the last
        said = [{"reasoning_content": piece} for piece in thought]
        said.append({key: [{"thinking": thought, "signature": "s"}]})
    asked = play(benches(0), stream([*said, "done"]))
    assert texts(asked)[0, "reasoning_content", 0] == thought.replace("jane.doe@qqxzz.org", "[EMAIL_1]")
    assert texts(asked)[0, "content", 0] == "done"
    if kept:
        assert asked.out.count(key.encode()) == (len(thought) if gradual else 1)
    unleaked(asked.out)


CUT = UpstreamLost("cut")


def test_an_answer_of_thoughts_is_not_held_until_its_end(benches: Benches) -> None:
    for field in ("reasoning_content", "reasoning"):
        said = [
            event({field: "I think so"}),
            event({"content": "Well, "}),
            event({"content": "so it "}),
            event({"content": "is "}),
        ]
        asked = play(benches(0), [*said, CUT])
        assert [frame(chunk.raw) for chunk in asked.client.chunks[:2]] == said[:2]
    block = {"thinking_blocks": [{"thinking": "I think ", "signature": "s"}]}
    pieces = [
        event({"reasoning_content": "I think "}),
        event(block),
        event({"content": "so it "}),
        event({"content": "is "}),
    ]
    asked = play(benches(0), [*pieces, CUT])
    assert [b"data: " + chunk.raw + b"\n\n" for chunk in asked.client.chunks[:3]] == pieces[:3]


@pytest.mark.parametrize("pieces", [[], ["My address: jane.do"], ["4111 ", "1111 "], ["word"]])
def test_nothing_goes_before_the_first_words_are_settled(benches: Benches, pieces: list[str]) -> None:
    asked = play(benches(0), [event({"role": "assistant"}), *(event({"content": one}) for one in pieces), CUT])
    assert not asked.client.chunks
    assert (asked.record.state, asked.record.http_status) == ("failed", 502)
    begun = play(
        benches(0),
        [event({"role": "assistant"}), event({"content": "First words. "}), event({"content": "And more of "}), CUT],
    )
    assert len(begun.client.chunks) == 2
    assert (begun.record.state, begun.record.http_status) == ("failed", 200)


def test_a_stream_without_words_passes(benches: Benches) -> None:
    call = {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "now", "arguments": ""}}]}
    pieces = [event({"role": "assistant", "content": None}), event(call), event({}, "tool_calls")]
    asked = play(benches(80), [*pieces, frame(b"[DONE]")])
    assert [b"data: " + chunk.raw + b"\n\n" for chunk in asked.client.chunks] == pieces


def test_words_after_the_end_are_judged_too(benches: Benches) -> None:
    pieces = [
        event({"content": "All said. "}),
        event({}, "stop"),
        event({"content": "PS: jane.doe@"}),
        event({"content": "qqxzz.org"}),
    ]
    asked = play(benches(0), [*pieces, event({}, "stop"), frame(b"[DONE]")])
    assert texts(asked)[0, "content", 0] == "All said. PS: [EMAIL_1]"


def test_a_long_stream_is_not_kept(benches: Benches) -> None:
    bench = benches(80)
    asked = play(bench, stream([f"{n} is a number. " for n in range(3000)]))
    assert texts(asked)[0, "content", 0] == "".join(f"{n} is a number. " for n in range(3000))
