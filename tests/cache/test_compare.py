import json

import pytest

from llmctl.cache.compare import Comparer, normalised, said
from llmctl.embedding import StaticEmbedder
from llmctl.model.chat import answer

ONE = "You can cancel your subscription in the settings, under billing."


@pytest.mark.parametrize(
    ("two", "same", "how"),
    [
        (ONE, True, "exact"),
        ("  you can cancel your\nsubscription in the settings, under billing", True, "normalised"),
        ("You can cancel your subscription in your settings, under billing!", True, "embedding"),
        ("You cannot cancel your subscription in the settings, under billing.", False, "different"),
        ("The weather in Rome is fine.", False, "different"),
        ("", False, "different"),
    ],
)
def test_from_the_cheapest_test_to_the_dearest(two: str, same: bool, how: str) -> None:
    found = Comparer(StaticEmbedder().embed, 0.9).compare(ONE, two)
    assert (found.same, found.how) == (same, how)


def test_numbers_are_never_near_enough() -> None:
    found = Comparer(StaticEmbedder().embed, 0.5).compare(
        "It costs 10 dollars a month.", "It costs 12 dollars a month."
    )
    assert not found.same


def test_a_judge_is_asked_last() -> None:
    asked: list[tuple[str, str]] = []

    def judge(one: str, two: str) -> bool:
        asked.append((one, two))
        return True

    comparer = Comparer(judge=judge)
    assert comparer.compare("a", "A.").how == "normalised"
    assert asked == []
    assert comparer.compare("a", "b").how == "judge"
    assert asked == [("a", "b")]


def test_without_an_embedder_only_the_text_counts() -> None:
    assert Comparer().compare(ONE, ONE + " Yes.").how == "different"


def test_normalised() -> None:
    assert normalised("  \u201cYes\u201d  it\tIS. ") == "\u201cyes\u201d it is"
    assert normalised("**42**") == "42"


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"message": {"content": "Hi"}}, "Hi"),
        ({"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}, "a\nb"),
        ({"message": {"refusal": "No"}}, "No"),
        ({"message": {"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "{}"}}]}}, "f({})"),
        ({"message": {"tool_calls": [{"id": "x", "custom": {"name": "f", "input": "i"}}]}}, "f(i)"),
        ({"text": "legacy"}, "legacy"),
        ({}, ""),
    ],
)
def test_what_an_answer_says(choice: dict[str, object], text: str) -> None:
    assert said(answer(json.dumps({"choices": [choice]}).encode())) == text


def test_an_answer_without_choices_says_nothing() -> None:
    assert said(answer(b"{}")) == ""
