# ruff: noqa: RUF001 (letters of many languages are meant)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.base import About
from llmctl.guards.refusal import HEAD, Refusal, RefusalOptions

ABOUT = About(direction="output", source="assistant")
GUARD = Refusal(RefusalOptions())


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "I cannot provide instructions for that.",
        "As an AI language model, I cannot do this.",
        "I must decline this request.",
        "That goes against my guidelines.",
        "Sorry, I am unable to fulfil that.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Désolé, je ne peux pas vous aider.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, mas não posso ajudar com isso.",
        "Het spijt me, daar kan ik niet bij helpen.",
        "Przykro mi, ale nie mogę w tym pomóc.",
        "Извините, но я не могу с этим помочь.",
        "Üzgünüm, bu konuda yardımcı olamam.",
        "抱歉，我无法提供帮助。",
        "申し訳ありませんが、お手伝いできません。",
        "죄송합니다. 도와드릴 수 없습니다.",
        "عذراً، لا يمكنني المساعدة في ذلك.",
        "माफ़ कीजिए, मैं मदद नहीं कर सकता।",
    ],
)
def test_refusals_are_noticed(text: str) -> None:
    verdict = GUARD.judge(text, ABOUT)
    assert (verdict.outcome, verdict.category) == ("warn", "refusal")
    assert verdict.spans[0].start <= 80


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure! Here is the plan.",
        "The capital of France is Paris.",
        "Sorry for the late reply. The answer is 42.",
        "You cannot divide by zero, so the limit is undefined.",
        "No, the Earth is not flat: it is an oblate spheroid.",
        "Ich kann das gern erklären: Der Satz lautet so.",
        "I can help with that.",
    ],
)
def test_answers_are_not_refusals(text: str) -> None:
    assert GUARD.judge(text, ABOUT).outcome == "allow"


def test_what_comes_later_is_a_caveat() -> None:
    late = "Here is an overview of the tax rules for small companies in the three states you named. " * 2
    text = f"{late}I cannot give legal advice."
    assert GUARD.judge(text, ABOUT).outcome == "allow"
    assert Refusal(RefusalOptions(preset="strict")).judge(text, ABOUT).outcome == "warn"
    assert GUARD.judge("x" * HEAD + "I cannot help.", ABOUT).score == 0


def test_of_a_stream_the_opening_alone_is_judged_and_held_where_it_may_be_blocked() -> None:
    blocking = Refusal(RefusalOptions(outcome="block"))
    assert blocking.judge("I can't help with that.", About("output", at=0)).outcome == "block"
    assert blocking.judge("I can't help with that.", About("output", at=400)).outcome == "allow"
    assert [blocking.unsettled("x" * length) for length in (0, 100, HEAD - 1, HEAD)] == [0, 100, HEAD - 1, 0]
    assert GUARD.unsettled("I can't") == 0


def test_the_outcome_is_a_choice() -> None:
    assert Refusal(RefusalOptions(outcome="block")).judge("I can't help with that.", ABOUT).outcome == "block"


@given(st.one_of(st.text(max_size=400), st.text(max_size=20).map(lambda t: f"{t}I can't help with that \ud800")))
def test_never_raises_and_spans_are_in_bounds(text: str) -> None:
    assert all(0 <= span.start < span.end <= len(text) for span in GUARD.judge(text, ABOUT).spans)
