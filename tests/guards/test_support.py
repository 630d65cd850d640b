import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.support import FEATURES, Grounds, load
from llmctl.guards.support_text import is_aside, number, sentences, stem, tokens

BEGIN = Path(__file__).resolve().parents[3] / "shared" / "data" / "grounding" / "begin_v1_test.jsonl.gz"
PROSE = st.text(alphabet="abcXYZ 0129.,!?'\"%\n()éß日本-not", max_size=200) | st.text(max_size=80)


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It rained. It poured!  Why?", ["It rained.", "It poured!", "Why?"]),
        ("Dr. Smith met J. R. Doe in the U.S. army.", ["Dr. Smith met J. R. Doe in the U.S. army."]),
        ("Version 2.5 is out.\n- one\n- two", ["Version 2.5 is out.", "- one", "- two"]),
        ("1. First of all. Second.", ["1. First of all.", "Second."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("東京は首都です。人口は多い。", ["東京は首都です。", "人口は多い。"]),
        (" \n ", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize(
    "forms",
    [
        ("connect", "connected", "connecting", "connects"),
        ("party", "parties"),
        ("create", "created", "creation"),
        ("run", "running", "runs"),
        ("quick", "quickly"),
        ("translate", "translated", "translation"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["is", "as", "class", "sing", "bed", "news", "virus"])
def test_short_stems_stay_words(word: str) -> None:
    assert len(stem(word)) >= min(len(word), 3)


def test_numbers_have_one_spelling() -> None:
    assert number("1,000.50") == number("1000.5") == "1000.5"
    assert number("007") == "7"
    assert number("0") == number("00") == "0"
    assert number("3,5") == "3.5"
    assert [token.number for token in tokens("Seven of 7")] == ["7", None, "7"]


@pytest.mark.parametrize(
    ("sentence", "aside"),
    [
        ("I hope this helps!", True),
        ("The passage does not mention her age.", True),
        ("The passage does not mention her age, but she was born in Rome.", False),
        ("I'm sorry, it was founded in 1920.", False),
        ("Sure!", True),
        ("Paris is the capital.", False),
    ],
)
def test_asides_claim_nothing(sentence: str, aside: bool) -> None:
    assert is_aside(sentence) is aside


CONTEXT = ("The bridge opened in 1932. It is 503 metres long and was designed by John Bradfield.",)


def support(sentence: str) -> float:
    claim = Grounds(CONTEXT).claim(sentence, load())
    assert claim is not None
    return claim.support


def test_what_is_missing_is_named() -> None:
    claim = Grounds(CONTEXT).claim("The bridge, opened by Mary Lang in 1935, is 503 miles long.", load())
    assert claim is not None
    assert claim.missing_numbers == ("1935", "503 mile")
    assert claim.missing_names == ("Mary", "Lang")


@pytest.mark.parametrize(
    "worse",
    [
        "The bridge opened in 1935 and is 503 metres long.",
        "The bridge opened in 1932 and is not 503 metres long.",
        "The bridge opened in 1932 and is 503 miles long.",
        "The bridge opened in 1932 in Melbourne and is 503 metres long.",
    ],
)
def test_a_changed_fact_has_less_support(worse: str) -> None:
    assert support(worse) < support("The bridge opened in 1932 and is 503 metres long.")


def test_the_best_evidence_is_one_passage() -> None:
    grounds = Grounds(("Cats sleep a lot.", "Dogs bark at night.", "Birds sing in spring."))
    claim = grounds.claim("Dogs often bark at night loudly.", load())
    assert claim is not None
    assert claim.passage == 1


def test_the_weights_are_within_their_bounds() -> None:
    model = load()
    for (_, low, high), coefficient in zip(FEATURES, model.coefficients, strict=True):
        assert low is None or coefficient >= low
        assert high is None or coefficient <= high
    for thresholds in (model.thresholds, model.citation_thresholds):
        assert thresholds["strict"] >= thresholds["balanced"] >= thresholds["lenient"]


@given(PROSE)
def test_sentences_are_in_bounds_in_order_and_leave_out_only_blanks(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert at <= start < end <= len(text)
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()


@given(PROSE, st.lists(PROSE, max_size=3), PROSE)
def test_adding_the_sentence_itself_never_lowers_its_support(text: str, context: list[str], question: str) -> None:
    model = load()
    for before in Grounds(context).claims(text, model, question):
        sentence = text[before.start : before.end]
        after = Grounds([*context, sentence]).claim(sentence, model)
        assert after is not None
        assert after.support >= before.support
        assert 0.0 <= before.support <= 1.0
        assert 0.0 <= before.coverage <= 1.0 + 1e-9


@pytest.mark.parametrize(
    "text", ["." * 100_000, "a" * 100_000, "not " * 30_000, "1,1" * 30_000, "A. " * 30_000, '"' * 90_000]
)
def test_cost_is_linear(text: str) -> None:
    started = time.perf_counter()
    list(Grounds([text]).claims(text[:10_000], load()))
    assert time.perf_counter() - started < 5


@pytest.mark.skipif(not BEGIN.is_file(), reason="../shared/data/grounding is not here")
def test_begin_v1_test_balanced_accuracy() -> None:
    model = load()
    right: dict[bool, list[bool]] = {True: [], False: []}
    for line in gzip.decompress(BEGIN.read_bytes()).decode().splitlines():
        row = json.loads(line)
        claims = Grounds((row["evidence"],)).claims(row["response"], model, row["previous turn"])
        supported = min((claim.support for claim in claims), default=1.0) >= model.thresholds["balanced"]
        attributable = row["gold label"] == "entailment"
        right[attributable].append(supported is attributable)
    assert sum(sum(found) / len(found) for found in right.values()) / 2 >= 0.80
