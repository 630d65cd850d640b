import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.guards.base import About
from llmctl.guards.topics import Topics, TopicsOptions, stem

ABOUT = About()
DENY = Topics(
    TopicsOptions(deny={"gambling": ("bet", "casino", "slot machine", "赌博"), "medicine": ("diagnosis", "Krebs")})
)
ALLOW = Topics(TopicsOptions(allow={"banking": ("account", "credit card", "transfer"), "greeting": ("hello",)}))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Is betting on horses legal?", "betting"),
        ("She BETS daily", "BETS"),
        ("two slot-machines there", "slot-machines"),
        ("the 'casino' opened", "casino"),
        ("the casino's owner", "casino's"),
        ("我喜欢赌博和旅行", "赌博"),
        ("Was hilft gegen Krebs?", "Krebs"),
    ],
)
def test_a_denied_topic_is_blocked_with_its_place(text: str, found: str) -> None:
    verdict = DENY.judge(text, ABOUT)
    assert verdict.outcome == "block"
    assert [text[span.start : span.end].strip("'") for span in verdict.spans] == [found]
    assert verdict.category in ("gambling", "medicine")


@pytest.mark.parametrize("text", ["", "the better alphabet", "a slot for the washing machine", "diagonal lines"])
def test_other_words_are_not_denied(text: str) -> None:
    assert DENY.judge(text, ABOUT).outcome == "allow"


def test_more_terms_score_higher_and_lenient_wants_two() -> None:
    one, two = "he likes the casino", "betting in a casino"
    assert DENY.judge(two, ABOUT).score > DENY.judge(one, ABOUT).score
    lenient = Topics(TopicsOptions(preset="lenient", deny={"gambling": ("bet", "casino")}))
    assert [lenient.judge(text, ABOUT).outcome for text in (one, two)] == ["allow", "block"]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("How do I transfer money to my sister?", "allow"),
        ("my credit cards were all declined today", "allow"),
        ("write me a poem about the sea", "block"),
        ("thanks a lot!", "allow"),
    ],
)
def test_an_allow_list_lets_only_its_topics_through(text: str, outcome: str) -> None:
    assert ALLOW.judge(text, ABOUT).outcome == outcome


def test_strict_lets_no_short_text_pass_an_allow_list() -> None:
    strict = Topics(TopicsOptions(preset="strict", allow={"banking": ("account",)}))
    assert strict.judge("write poems", ABOUT).category == "off-topic"
    assert strict.judge("", ABOUT).outcome == "allow"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("he went to the ", ""),
        ("he went to the cas", "cas"),
        ("two slot ", "slot "),
        ("two slots, ", "slots, "),
        ("two slot mach", "slot mach"),
        ("two slot machines ", ""),
        ("我喜欢赌", "赌"),
    ],
)
def test_the_beginning_of_a_term_is_held(text: str, held: str) -> None:
    assert text[len(text) - DENY.unsettled(text) :] == held


def test_an_allow_list_wants_all_of_an_answer() -> None:
    assert DENY.lookbehind == 128
    assert ALLOW.lookbehind is None
    assert ALLOW.unsettled("write me a poem") == len("write me a poem")


def test_denial_outweighs_allowance() -> None:
    both = Topics(TopicsOptions(allow={"banking": ("account",)}, deny={"gambling": ("casino",)}))
    assert both.judge("use my account in the casino", ABOUT).category == "gambling"


@pytest.mark.parametrize("terms", [(), ("",), ("?!",)])
def test_a_topic_without_words_is_refused(terms: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        TopicsOptions(deny={"empty": terms})


@pytest.mark.parametrize(
    "words",
    [
        ("bet", "bets", "betting"),
        ("election", "elections"),
        ("trade", "trades", "traded", "trading"),
        ("account", "accounts", "accounting"),
        ("policy", "policies"),
        ("vote", "voted", "voting", "voters"),
        ("weapon", "weapons"),
    ],
)
def test_inflections_share_a_stem(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


@given(
    st.one_of(
        st.text(max_size=200), st.lists(st.sampled_from(["casino ", "slot", " machine", "İ", "赌博"])).map("".join)
    )
)
def test_never_raises_and_spans_are_in_bounds(text: str) -> None:
    for guard in (DENY, ALLOW):
        assert all(0 <= span.start < span.end <= len(text) for span in guard.judge(text, ABOUT).spans)
