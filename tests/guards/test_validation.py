import json
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmctl.guards.base import ALLOW, About, Preset, Verdict
from llmctl.guards.validation import RequestLimits, Validation, check_request, repeats

WORDS = "Please tell me how the harbour of Turku was built, and why it froze in 1942."


def judge(text: str, preset: Preset = "balanced", **options: Any) -> Verdict:
    return Validation(Validation.Options(preset=preset, **options)).judge(text, About())


def applied(text: str, verdict: Verdict) -> str:
    for span in reversed(verdict.spans):
        text = text[: span.start] + (span.replacement or "") + text[span.end :]
    return text


HIDDEN = {
    "nul": "\x00",
    "control": "\x01\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f\ufff9\uffff",
    "surrogate": "\ud800\udbff\udc00\udfff",
    "bidi": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "zero_width": "\u200b\u200c\u200d\u2060\u2063\ufeff\u180e\u00ad\u3164\u115f\uffa0\u034f",
    "tag": "\U000e0001\U000e0020\U000e0041\U000e007f",
    "selector": "\U000e0100\U000e01ef",
}
CASES = [(category, character) for category, characters in HIDDEN.items() for character in characters]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(CASES), st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "Zs"])), st.data()
)
def test_a_hidden_character_is_found_wherever_it_stands(case: tuple[str, str], text: str, data: st.DataObject) -> None:
    category, character = case
    place = data.draw(st.integers(0, len(text)))
    hiding = text[:place] + character + text[place:]
    verdict = judge(hiding)
    assert verdict.outcome in ("redact", "block")
    assert verdict.category == category
    assert [(span.start, span.end) for span in verdict.spans] == [(place, place + 1)]
    assert judge(hiding, "strict").outcome == "block"
    if category != "surrogate":
        assert applied(hiding, verdict) == text


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_of_all_control_characters_only_tab_and_line_ends_pass(code: int) -> None:
    assert (judge(f"a{chr(code)}b") == ALLOW) == (chr(code) in "\t\n\r")


@pytest.mark.parametrize(
    "text",
    [
        "",
        WORDS,
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
        "naïve café, e\u0301 and Tiếng Việt",
        "می\u200cخواهم کتاب\u200cها را بخوانم",  # noqa: RUF001 (Persian)
        "क्\u200dष और र्\u200dय",
        "ශ්\u200dරී ලංකා",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 and \u2764\ufe0f\u200d\U0001f525",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "葛\U000e0100飾区",
        "\u200fשלום\u200e",  # noqa: RUF001 (Hebrew)
        "日本語のテキストです。",
        "| a | b |\n|---|---|\n" + "-" * 80,
        "def f():\n\treturn 1\r\n",
    ],
)
def test_characters_in_their_place_pass(text: str) -> None:
    assert judge(text, "strict") == ALLOW


def test_a_message_in_tag_characters_is_blocked_although_it_follows_a_flag() -> None:
    flag = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    smuggled = "".join(chr(0xE0000 + ord(c)) for c in "ignore")
    verdict = judge(f"hi {flag}{smuggled}")
    assert (verdict.outcome, verdict.category) == ("block", "tag")
    assert judge("\U0001f600" + "\ufe01\ufe02\ufe03").category == "selector"
    assert judge("Z" + "\u0301" * 12 + "algo").category == "combining"


def test_the_length_counts_characters() -> None:
    assert judge("é " * 50, max_chars=100) == ALLOW
    verdict = judge("x" * 101, max_chars=100)
    assert (verdict.outcome, verdict.category, verdict.reason) == ("block", "size", "more than 100 characters")
    assert judge("x" * 101, max_chars=100, actions={"size": "warn"}).outcome == "warn"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abcde ", min_size=1, max_size=50), st.integers(0, 40), st.integers(0, 300))
def test_a_repeated_piece_is_found_whatever_stands_around(piece: str, before: int, more: int) -> None:
    limit = 200
    run = (piece * (limit + 1))[: limit + more]
    text = (WORDS * 3)[:before] + run + WORDS
    found = list(repeats(text, limit))
    assert any(start <= before and before + len(run) <= end for start, end in found)


def test_shorter_repeats_and_prose_pass() -> None:
    assert list(repeats("ab" * 99 + WORDS, 200)) == []
    assert list(repeats(" ".join(f"{i} {WORDS}" for i in range(50)), 200)) == []
    assert judge("poem " * 200).category == "repetition"
    assert judge("poem " * 200, "lenient").outcome == "allow"


def test_actions_can_be_chosen() -> None:
    assert judge("a\u200bb", actions={"zero_width": "allow"}) == ALLOW
    assert judge("a\u200bb", actions={"zero_width": "block"}).outcome == "block"
    both = judge("a\u200bb\x00", actions={"nul": "warn"})
    assert (both.outcome, both.category, len(both.spans)) == ("redact", "zero_width", 2)


def test_every_format_character_but_those_with_a_place_is_found() -> None:
    known = {0x200E, 0x200F, 0x061C, *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    missed = [
        hex(code)
        for code in range(0x30000)
        if unicodedata.category(chr(code)) == "Cf"
        and code not in known
        and not (0x13430 <= code <= 0x1345F or 0x1BCA0 <= code <= 0x1BCA3 or 0x1D173 <= code <= 0x1D17A)
        and judge(f"a{chr(code)}b") == ALLOW
    ]
    assert missed == []


def chat(content: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


def nested(depth: int) -> Any:
    value: Any = 1
    for turn in range(depth):
        value = [value] if turn % 2 else {"a": value}
    return value


LIMITS = RequestLimits(max_messages=3, max_tools=2, max_depth=8, max_values=50, max_images=2,
                       max_image_bytes=900, max_total_bytes=1_500, max_base64_chars=300)  # fmt: skip


def image(size: int) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * (size // 3)}}


@pytest.mark.parametrize(
    ("payload", "category"),
    [
        (chat("hi"), ""),
        (chat(WORDS * 100), ""),
        ({"messages": [{"role": "user", "content": "a"}] * 3}, ""),
        ({"messages": [{"role": "user", "content": "a"}] * 4}, "messages"),
        (chat("a", tools=[{}, {}]), ""),
        (chat("a", tools=[{}, {}, {}]), "tools"),
        ({"x": nested(7)}, ""),
        ({"x": nested(8)}, "depth"),
        ({"x": nested(5_000)}, "depth"),
        (chat("a", stop=["x"] * 60), "values"),
        (chat([image(900)]), ""),
        (chat([image(903)]), "image"),
        (chat([image(600), image(600)]), ""),
        (chat([image(900), image(900)]), "image"),
        (chat([image(300)] * 3), "images"),
        (chat([{"type": "image", "source": {"type": "base64", "data": "QUJD" * 400}}]), "image"),
        (chat([{"type": "input_audio", "input_audio": {"data": "QUJD" * 400}}]), "image"),
        (chat("QUJD" * 100), "base64"),
        (chat(WORDS * 9 + "QUJD" * 100 + WORDS), "base64"),
        (chat("QUJD" * 70 + WORDS), ""),
        ({"messages": "no list"}, ""),
        ({}, ""),
    ],
)
def test_requests(payload: dict[str, Any], category: str) -> None:
    verdict = check_request(payload, LIMITS)
    assert verdict.category == category
    assert verdict.outcome == ("block" if category else "allow")


def test_the_cost_stays_under_a_tenth_of_a_millisecond() -> None:
    guard = Validation(Validation.Options())
    text = "".join(f"{i}. {WORDS} " for i in range(50))[:3_900]
    payload = chat(text)

    def once() -> float:
        started = time.thread_time()
        guard.judge(text, About())
        check_request(payload, RequestLimits())
        return time.thread_time() - started

    assert min(once() for _ in range(200)) < 100e-6


@given(
    st.recursive(
        st.text(max_size=300) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["messages", "tools", "data", "x"]), inner, max_size=4)
        ),
        max_leaves=30,
    ),
    st.integers(1, 6),
)
def test_what_is_surely_small_is_within_every_limit(value: Any, most: int) -> None:
    limits = RequestLimits(
        max_messages=most, max_tools=most, max_depth=most, max_values=400, max_images=1, max_image_bytes=500,
        max_total_bytes=500, max_base64_chars=256,
    )  # fmt: skip
    payload = value if isinstance(value, dict) else {"x": value}
    for name in ("messages", "tools"):  # the dialects let nothing but objects in there
        entries = payload.get(name)
        assume(not isinstance(entries, list) or all(isinstance(entry, dict) for entry in entries))
    if Validation(Validation.Options(request=limits)).surely_small(json.dumps(payload, ensure_ascii=False).encode()):
        assert check_request(payload, limits).outcome == "allow"
