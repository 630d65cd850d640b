import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.compress.rank import Ranker, bm25, facts, forms, smooth, spellings, standard, stem, terms, words

UNITS = [
    "The film Rocky won the award for best picture.",
    "Winnie the Pooh lives in the forest with his friends.",
    "The senate has one hundred members.",
]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("films", "film"), ("cities", "city"), ("walking", "walk"), ("walked", "walk"), ("walk", "walk"),
     ("glass", "glass"),
     ("bus", "bus"), ("analysis", "analysis"), ("is", "is"), ("houses", "hous"), ("house", "hous"), ("red", "red")],
)  # fmt: skip
def test_stem(word: str, expected: str) -> None:
    assert stem(word) == expected


@given(st.from_regex(r"[a-z]{1,12}(?:|s|es|ed|ing|ies|e|ings)", fullmatch=True))
def test_forms_are_all_that_have_the_stem(word: str) -> None:
    assert word in forms(stem(word)) or stem(stem(word)) != stem(word)
    assert all(stem(form) == stem(word) for form in forms(stem(word)))


def test_terms_are_what_is_asked_about() -> None:
    assert terms("Who won the awards for best pictures?") == ["won", "award", "best", "pictur"]
    assert terms("Please summarize this document.") == []
    assert words("映画 Rocky") == ["映", "画", "rocky"]


def test_bm25_puts_what_matches_first() -> None:
    scores = bm25(UNITS, spellings("which films won awards"))
    assert scores[0] > 0
    assert list(scores[1:]) == [0, 0]
    assert not bm25(UNITS, {}).any()
    assert len(bm25([], spellings("film"))) == 0


def test_a_rare_word_counts_more_than_a_frequent_one() -> None:
    units = ["alpha common", "common other", "common thing", "beta word"]
    scores = bm25(units, spellings("beta common"))
    assert int(scores.argmax()) == 3


@given(st.lists(st.floats(0, 10), min_size=1, max_size=150))
def test_smoothing_is_the_sum_of_what_fades(values: list[float]) -> None:
    scores = np.asarray(values)
    places = np.arange(len(scores))
    expected = np.exp(-np.abs(places[:, None] - places) / 15.0) @ scores
    assert np.allclose(smooth(scores[:, None])[:, 0], expected, atol=1e-9)


def test_standard_is_zero_without_spread() -> None:
    assert list(standard(np.asarray([3.0, 3.0]))) == [0, 0]
    assert standard(np.asarray([])).size == 0
    assert np.allclose(standard(np.asarray([1.0, 3.0])), [-1, 1])


def test_the_embedding_finds_what_shares_no_word() -> None:
    ranker = Ranker()
    scores = ranker.passages(UNITS, ranker.query("movie that got an Oscar"))
    assert int(scores.argmax()) == 0
    plain = Ranker(embedding=False)
    assert not plain.passages(UNITS, plain.query("movie that got an Oscar")).any()


def test_units_without_a_word_score_nothing_special() -> None:
    ranker = Ranker()
    scores = ranker.passages(["…", *UNITS], ranker.query("the best film"))
    assert np.isfinite(scores).all()
    assert np.isfinite(ranker.turns(["", "…"], ranker.query(""))).all()


def test_a_turn_is_judged_with_its_neighbours() -> None:
    ranker = Ranker(embedding=False)
    turns = ["Yeah.", "The battery is expensive.", "Yeah.", *["Nothing at all."] * 60, "Yeah."]
    scores = ranker.turns(turns, ranker.query("What about the battery?"))
    assert scores[0] > scores[-1]
    assert scores[2] > scores[-1]


def test_facts_are_put_higher_most_of_all_what_is_asked_for() -> None:
    units = ["It was so.", "It was 1976.", "It was in Paris.", "It was not so."]
    plain, number, name, negated = facts(units, "tell me")
    assert plain == 0 < min(number, name, negated)
    assert facts(units, "when was it")[1] > number
    assert facts(units, "where was it")[2] > name
