"""Guessing from the text so far: by hand, against a plain reading of the rule, and over records."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model.record import CacheOutcome, Record
from llmctl.reports.speculation import (
    WORTH,
    Counts,
    Pair,
    Prediction,
    expected,
    pairs,
    predict,
    ratio_interval,
    simulate,
)
from tests.reports.keeping import record


def coded(text: str) -> list[int]:
    return [ord(char) for char in text]


def counts(prompt: str, output: str, max_tokens: int, min_match: int) -> Counts:
    return simulate(coded(prompt), coded(output), max_tokens, min_match)


def test_a_copied_text_by_hand() -> None:
    # "a" comes with the prompt, "b" and "c" one by one, since only "abc" is long enough; then "defg", and "h" besides.
    found = counts("abcdefgh-", "abcdefgh", 4, 3)
    assert found == Counts(tokens=7, steps=3, drafting=1, drafted=4, judged=4, accepted=4)


def test_a_wrong_guess_by_hand() -> None:
    # After "ab" came "cde": "c" is right, "X" is the model's own, and "e" was never judged.
    found = counts("abcde-", "abcX", 3, 2)
    assert found == Counts(tokens=3, steps=2, drafting=1, drafted=3, judged=2, accepted=1)


def test_the_most_recent_place_is_taken() -> None:
    assert counts("ab1-ab2-", "ab2-", 2, 2).steps == 1
    assert counts("ab2-ab1-", "ab2-", 2, 2).steps == 2


def test_the_answers_own_text_is_found_too() -> None:
    assert counts("?", "one two one two ", 3, 3).accepted > 0
    # What follows "aa" is one "a" before the end: too short a guess, as llama.cpp has it.
    assert counts("?", "aaa", 8, 2).drafted == 0


def test_nothing_to_guess_from() -> None:
    assert counts("", "abcdef", 8, 3) == Counts(tokens=5, steps=5)
    assert counts("xyz", "a", 8, 3) == Counts()


def plainly(prompt: Sequence[int], output: Sequence[int], max_tokens: int, min_match: int) -> Counts:
    """The rule read word by word: the last n tokens, searched for backwards."""
    found = Counts()
    at = 1
    while at < len(output):
        history = [*prompt, *output[:at]]
        last = history[-min_match:]
        guess: list[int] = []
        for start in range(len(history) - min_match - 1, -1, -1):
            if history[start : start + min_match] == last:
                guess = history[start + min_match : start + min_match + max_tokens]
                break
        if len(history) < min_match or len(guess) < min_match:
            guess = []
        right = 0
        while right < len(guess) and at + right < len(output) and guess[right] == output[at + right]:
            right += 1
        made = min(right + 1, len(output) - at)
        judged = min(right + 1, len(guess), len(output) - at)
        step = Counts(made, 1, bool(guess), len(guess), judged, right)
        found = Counts(*map(sum, zip(found, step, strict=True)))
        at += made
    return found


@given(
    st.lists(st.integers(0, 2), max_size=40),
    st.lists(st.integers(0, 2), max_size=40),
    st.integers(1, 6),
    st.integers(1, 4),
)
def test_it_is_what_the_plain_rule_gives(prompt: list[int], output: list[int], most: int, match: int) -> None:
    found = simulate(prompt, output, most, match)
    assert found == plainly(prompt, output, most, match)
    assert found.tokens == max(len(output) - 1, 0)
    assert found.accepted <= found.judged <= found.drafted <= found.drafting * most


def test_the_formula() -> None:
    assert expected(0, 5) == 1
    assert expected(1, 5) == 6
    assert expected(0.5, 2) == pytest.approx(1 + 0.5 + 0.25)
    assert expected(0.8, 4) == pytest.approx(3.3616)


def pair(output: str, route: str = "r", model: str = "m") -> Pair:
    return Pair(route, model, coded("abcdefgh-"), coded(output))


def test_a_prediction_by_route_and_model() -> None:
    many, other = predict([pair("abcdefgh")] * 6 + [pair("xyz", "q")], 4, 3)
    assert (many.route, many.n, many.acceptance, many.used) == ("r", 6, 1.0, 1.0)
    assert many.tokens_per_step == pytest.approx(7 / 3)
    assert many.tokens_per_step_interval == pytest.approx((7 / 3, 7 / 3))
    assert many.coverage == pytest.approx(1 / 3)
    assert many.by_formula == pytest.approx(1 + 4 / 3)
    assert many.verdict == "enable"
    assert (other.route, other.acceptance, other.acceptance_interval, other.used) == ("q", None, None, None)
    assert (other.tokens_per_step, other.by_formula, other.verdict) == (1, 1, "leave off")


def test_few_records_or_a_wide_interval_are_unclear() -> None:
    assert predict([pair("abcdefgh")] * 4, 4, 3)[0].verdict == "unclear"
    mixed = predict([pair("abcdefgh")] * 3 + [pair("zyxwvut")] * 3, 4, 3)[0]
    assert mixed.tokens_per_step >= WORTH
    assert mixed.tokens_per_step_interval is not None
    assert mixed.tokens_per_step_interval[0] < WORTH
    assert mixed.verdict == "unclear"


def test_the_interval_is_by_record_and_the_same_each_time() -> None:
    import numpy as np

    above, below = np.array([1.0, 2, 3, 4, 5, 6]), np.array([2.0, 2, 2, 4, 4, 4])
    interval = ratio_interval(above, below)
    assert interval == ratio_interval(above, below)
    assert interval is not None
    assert interval[0] < above.sum() / below.sum() < interval[1]
    assert ratio_interval(above[:4], below[:4]) is None
    assert ratio_interval(above, below * 0) is None


def chat(number: int, answer: Any = "said", **changes: Any) -> Record:
    said: dict[str, Any] = {
        "operation": "chat",
        "request": {"messages": [{"role": "user", "content": "asked"}]},
        "response": {"choices": [{"message": {"role": "assistant", "content": answer}}]},
    }
    return record(number, **(said | changes))


def found(*records: Record) -> tuple[list[Pair], dict[str, int]]:
    left_out: dict[str, int] = {}
    return list(pairs(records, coded, left_out)), left_out


def test_pairs_of_records() -> None:
    (one,), left_out = found(chat(1, served_model="gpt-4o-mini-2024-07-18"))
    assert one == Pair("fast", "gpt-4o-mini-2024-07-18", coded("asked"), coded("said"))
    assert left_out == {}


@pytest.mark.parametrize(
    ("request_", "response", "prompt", "output"),
    [
        (
            {"system": "S", "messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}]},
            {"content": [{"type": "text", "text": "A."}]},
            "S\nQ",
            "A.",
        ),
        ({"instructions": "S", "input": "Q"}, {"choices": [{"text": "A."}]}, "S\nQ", "A."),
        ({"prompt": "Q"}, {"choices": [{"text": "A."}, {"text": "B."}]}, "Q", "A."),
        (
            {"messages": [{"role": "user", "content": "Q"}]},
            {"choices": [{"message": {"reasoning_content": "Hm.", "content": None, "tool_calls": [{"function": {
                "name": "f", "arguments": '{"a":1}'}}]}}]},
            "Q",
            'Hm.{"a":1}',
        ),
    ],
)  # fmt: skip
def test_dialects(request_: Any, response: Any, prompt: str, output: str) -> None:
    (one,), _ = found(chat(1, request=request_, response=response))
    assert (one.prompt, one.output) == (coded(prompt), coded(output))


def test_what_is_left_out_is_counted() -> None:
    none, left_out = found(
        chat(1, operation="embedding"),
        chat(2, state="failed"),
        chat(3, shadow_of="req_0001"),
        chat(4, attempts=[], cache=CacheOutcome("exact")),
        chat(5, request=None),
        chat(6, response={"omitted_bytes": 70_000}),
        chat(7, ""),
        chat(8, 7),
        chat(9, "x"),
    )
    assert none == []
    assert left_out == {
        "embeddings, failures and copies": 3,
        "answered without a model": 1,
        "without their content": 2,
        "without text in the answer": 2,
        "answers of fewer than two tokens": 1,
    }


def test_content_nested_without_end_is_passed_over() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    (one,), _ = found(chat(1, request={"messages": [{"role": "user", "content": deep}]}))
    assert one.prompt == []


def test_the_verdict_goes_by_the_lower_end() -> None:
    fields: dict[str, Any] = {"route": "r", "model": "m", "n": 9, "acceptance": 0.5, "acceptance_interval": None}
    fields |= {"coverage": 0.5, "by_formula": 1.5, "used": 0.5}
    told = {
        Prediction(**fields, tokens_per_step=1.5, tokens_per_step_interval=interval).verdict: interval
        for interval in (None, (1.3, 1.7))
    }
    assert told == {"unclear": None, "enable": (1.3, 1.7)}
