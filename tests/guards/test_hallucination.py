import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.base import About
from llmctl.guards.hallucination import Hallucination, HallucinationOptions

CONTEXT = (
    "Marie Curie was born in Warsaw in 1867. She won the Nobel Prize in Physics in 1903 with Pierre Curie.",
    "In 1911 she received the Nobel Prize in Chemistry for the discovery of radium and polonium.",
)
ABOUT = About("output", "assistant", CONTEXT, "Who was Marie Curie?")
GUARD = Hallucination(HallucinationOptions())


@pytest.mark.parametrize(
    "text",
    [
        "Marie Curie was born in Warsaw in 1867.",
        "She won the Nobel Prize in Physics in 1903 with Pierre Curie. In 1911 she received the prize in Chemistry.",
        "Based on the provided context, Marie Curie was born in Warsaw in 1867. I hope this helps!",
    ],
)
def test_a_supported_answer_is_allowed(text: str) -> None:
    verdict = GUARD.judge(text, ABOUT)
    assert verdict.outcome == "allow"
    assert verdict.spans == ()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("She won the Nobel Prize in Physics in 1905.", "numbers"),
        ("She later moved to Vienna and taught Sigmund Freud.", "names"),
        ("Her hobbies included gardening and long walks along beaches.", ""),
    ],
)
def test_an_unsupported_sentence_is_pointed_at(wrong: str, why: str) -> None:
    text = f"Marie Curie was born in Warsaw in 1867. {wrong}"
    verdict = GUARD.judge(text, ABOUT)
    assert (verdict.outcome, verdict.category) == ("warn", "unsupported")
    assert [text[span.start : span.end] for span in verdict.spans] == [wrong]
    assert verdict.reason.startswith("1 of 2 sentences unsupported")
    assert why in verdict.reason


def test_the_system_prompt_is_evidence_too() -> None:
    about = About("output", "assistant", CONTEXT[1:], system=CONTEXT[0])
    assert GUARD.judge("Marie Curie was born in Warsaw in 1867.", about).outcome == "allow"
    assert GUARD.judge("Marie Curie was born in Warsaw in 1867.", About("output", context=CONTEXT[1:])).spans
    assert not GUARD.judge("She was born in Warsaw.", About("output", system=CONTEXT[0])).reason.startswith("unscanned")


@pytest.mark.parametrize("context", [(), ("",), (" \n",)])
def test_without_context_it_is_unscanned_not_passed(context: tuple[str, ...]) -> None:
    verdict = GUARD.judge("Anything at all.", About("output", context=context))
    assert (verdict.outcome, verdict.score) == ("allow", 0.0)
    assert verdict.reason == "unscanned: no context supplied"


@pytest.mark.parametrize(
    "text", ["", "Yes.", "The context does not mention her children.", "Let me know if you need more."]
)
def test_what_claims_nothing_is_allowed(text: str) -> None:
    verdict = GUARD.judge(text, ABOUT)
    assert (verdict.outcome, verdict.reason) == ("allow", "nothing claimed")


def test_presets_differ_and_a_threshold_overrides_them() -> None:
    guards = [Hallucination(HallucinationOptions(preset=preset)) for preset in ("strict", "balanced", "lenient")]
    text = "Curie, from Warsaw, became famous for radium."
    flagged = [guard.judge(text, ABOUT).outcome != "allow" for guard in guards]
    assert flagged == sorted(flagged, reverse=True)
    assert Hallucination(HallucinationOptions(threshold=0.0)).judge(text, ABOUT).outcome == "allow"
    assert Hallucination(HallucinationOptions(threshold=1.0, outcome="block")).judge(text, ABOUT).outcome == "block"


@given(st.text(max_size=300), st.lists(st.text(max_size=100), max_size=3), st.text(max_size=50))
def test_it_never_raises_and_spans_are_in_bounds(text: str, context: list[str], question: str) -> None:
    verdict = GUARD.judge(text, About("output", "assistant", tuple(context), question))
    assert 0 <= verdict.score <= 1
    assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    assert (verdict.outcome == "allow") == (not verdict.spans)
