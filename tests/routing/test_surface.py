import pytest

from llmctl.routing.surface import NAMES, PATTERNS, SEEN, surface


def named(text: str) -> dict[str, float]:
    return dict(zip(NAMES, surface(text), strict=True))


@pytest.mark.parametrize(
    ("feature", "text", "other"),
    [
        ("code", "def f(x):\n    return x", "define a function"),
        ("code", "```\nls\n```", "the shell"),
        ("question form", "Why is the sky blue?", "Tell me of the sky"),
        ("multi-step verbs", "Prove that it converges", "I see that it converges"),
        ("lookup verbs", "Translate this into French", "French, please"),
        ("options", "Which?\nA. one\nB. two\nC. three", "Which? A or B"),
        ("negation", "Which of these is NOT a fruit?", "Which of these is a fruit?"),
        ("statements", "Statement 1 | All of the above", "I say"),
        ("digits", "12 and 30", "some and more"),
        ("math symbols", "x^2 = y + 1", "x squared is y"),
        ("code marks", "f(a)[0];", "f of a"),
        ("questions", "What? Who?", "What. Who."),
        ("other scripts", "Что это", "What is it"),
        ("lines", "a\nb\nc", "a b c"),
        ("length", "a much longer text than the other", "short"),
        ("word length", "incomprehensibilities", "a b c d"),
    ],
)
def test_a_feature_is_higher_where_it_should_be(feature: str, text: str, other: str) -> None:
    assert named(text)[feature] > named(other)[feature]


def test_each_pattern_stands_in_its_own_place() -> None:
    assert list(NAMES[-len(PATTERNS) :]) == list(PATTERNS)


def test_patterns_see_both_ends_of_a_long_text() -> None:
    filler = "words and more words. " * 2000
    assert named(filler + "Prove it.")["multi-step verbs"] == 1.0
    assert named("Prove it. " + filler)["multi-step verbs"] == 1.0
    assert named(filler[:SEEN] + " Prove it. " + filler)["multi-step verbs"] == 0.0


@pytest.mark.parametrize("text", ["", "\ud800", "\x00" * 10, "é" * 5000])
def test_no_text_is_an_error(text: str) -> None:
    assert all(value == value and abs(value) < 1e3 for value in surface(text))
