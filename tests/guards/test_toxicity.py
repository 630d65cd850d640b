import sys
from subprocess import run

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.guards.base import About
from llmctl.guards.toxicity import Toxicity, ToxicityOptions
from llmctl.guards.toxicity_lexicon import Lexicon, fold, lexicon
from llmctl.guards.toxicity_model import BITS, GROUPS, WINDOW, heads, squash, windows
from llmctl.guards.toxicity_scan import scanner

ABOUT = About()
GUARD = Toxicity(ToxicityOptions())
NEIGHBOURS = ["gay", "muslim", "jewish", "black", "transgender", "disabled", "mexican", "christian", "white"]


def score(text: str) -> float:
    return GUARD.judge(text, ABOUT).score


@pytest.mark.parametrize(
    "text",
    [
        "you are a fucking idiot",
        "f*ck you, asshole",
        "FUUUUCK this shit",
        "go kill yourself, nobody likes you",
        "all faggots should be gassed",
        "you are a stupid b1tch",
        "you fu\u200bcking moron",
        "you \uff46\uff55\uff43\uff4b\uff49\uff4e\uff47 moron",
        "you are f u c k i n g pathetic, moron",
        "eres una puta mierda, gilipollas",
    ],
)
def test_toxic_texts_are_blocked(text: str) -> None:
    verdict = GUARD.judge(text, ABOUT)
    assert verdict.outcome == "block"
    assert verdict.spans


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I am a gay man",
        "I am a proud black woman and a lesbian",
        'What does the word "faggot" mean?',
        "Is 'retard' an offensive word?",
        "He called me a 'fucking idiot'. How should I report it?",
        "he is not an idiot",
        "How do I kill a process in Linux?",
        "The assassin class in Scunthorpe grapes analysis",
        "Please review my pull request, thank you",
        "Dick Cheney and the cockpit of a shuttlecock factory",
    ],
)
def test_texts_that_only_look_toxic_pass(text: str) -> None:
    assert GUARD.judge(text, ABOUT).outcome == "allow"


@pytest.mark.parametrize("template", ["I am a {} person", "my {} neighbours invited us to dinner", "{} history month"])
def test_identity_terms_are_interchangeable_and_harmless(template: str) -> None:
    scores = {score(template.format(people)) for people in NEIGHBOURS}
    assert len(scores) == 1
    assert scores.pop() < 0.5
    assert all(people.encode() in GROUPS for people in NEIGHBOURS)


def test_use_weighs_more_than_mention_and_negation() -> None:
    assert score("you are an idiot") > score("you are not an idiot") > 0
    assert score("faggot") > score('what does "faggot" mean?')


def test_presets_and_threshold_order() -> None:
    text = "that meeting was a shit show"
    outcomes = [Toxicity(ToxicityOptions(preset=p)).judge(text, ABOUT).outcome for p in ("strict", "lenient")]
    assert outcomes == ["block", "allow"]
    assert Toxicity(ToxicityOptions(threshold=1.0)).judge("you idiot", ABOUT).outcome == "allow"


def test_profanity_alone_may_be_let_through() -> None:
    mild = Toxicity(ToxicityOptions(profanity=False))
    assert mild.judge("this fucking printer is shit", ABOUT).outcome == "allow"
    assert mild.judge("fuck you, you fucking bitch", ABOUT).outcome == "block"


def test_toxic_words_in_a_long_text_are_not_diluted() -> None:
    padding = "The quarterly report was reviewed by the whole team yesterday. " * 40
    assert GUARD.judge(f"{padding} you are a fucking idiot {padding}", ABOUT).outcome == "block"


def test_reason_never_quotes() -> None:
    assert "moron" not in GUARD.judge("you are a fucking moron", ABOUT).reason


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        ToxicityOptions.model_validate({"treshold": 0.5})


def test_a_bad_lexicon_is_refused() -> None:
    with pytest.raises(ValueError, match="lexicon"):
        Lexicon("insult 7: nobody")


def test_longest_term_at_a_place_wins() -> None:
    text = "Kill, Yourself? kill yourself"
    hits = lexicon().find(text, fold(text))
    assert [text[hit.start : hit.end] for hit in hits if hit.severity == 3] == ["kill yourself"]


def test_weights_are_small_and_fit() -> None:
    shipped = heads()
    assert shipped.names[0] == "toxic"
    assert shipped._weights.shape == (1 << BITS, len(shipped.names))
    assert shipped._weights.dtype == np.int8
    assert shipped._weights.nbytes <= 300_000


def test_windows_cover_the_text() -> None:
    assert windows(0) == [0]
    assert windows(WINDOW + 1) == [0]
    assert windows(3 * WINDOW) == [0, WINDOW, 2 * WINDOW]


def test_nothing_heavy_is_imported_with_the_module() -> None:
    code = (
        "import sys, llmctl.guards.toxicity, llmctl.guards.content; "
        "print({'numpy', 'ahocorasick', 'sklearn'} & set(sys.modules))"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_scanner_remembers_only_the_same_text() -> None:
    both = scanner()
    first = both.scan("you idiot")
    assert both.scan("you idiot") is first
    assert both.scan("hello") is not first


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_squash_is_a_probability(logit: float) -> None:
    assert 0 <= squash(logit) <= 1


PIECES = st.sampled_from(
    ["you ", "f*ck", "shit", '"', "'", "k i l l ", "kill yourself", "\u200b", "İ", "ﬁ", "@ss", "не "]
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=30).map("".join))


@given(TEXTS)
def test_never_raises_and_spans_are_in_bounds(text: str) -> None:
    verdict = GUARD.judge(text, ABOUT)
    assert 0 <= verdict.score <= 1
    assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    assert len(fold(text)) == len(text)


@given(st.text(alphabet=st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=5))
def test_lone_surrogates_are_survived(text: str) -> None:
    GUARD.judge(f"you {text} idiot", ABOUT)
