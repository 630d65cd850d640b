"""Whole units, in their order, within the budget; what must be kept is kept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.compress.extract import MARK, Compressed, compress, estimate
from llmctl.compress.rank import Ranker
from llmctl.compress.units import KEPT, blocks, sentences
from tests.compress.test_units import DOCUMENTS

QUERIES = st.sampled_from(["Who won the film award in 1999?", "Mr. Smith", "", "summarize", "日本語"]) | st.text(
    max_size=20
)
BUDGETS = st.floats(0.05, 1.0) | st.integers(1, 60)

PASSAGES = "\n".join(
    f"Document [{number}](Title: {title}) {text}"
    for number, (title, text) in enumerate(
        [
            ("Winnie the Pooh", "The bear lives in the forest. His friends are Piglet and Eeyore. They eat honey."),
            ("49th Academy Awards", "Rocky won the Oscar for best picture in 1976. It cost one million dollars."),
            ("Senate", "The senate has one hundred members. Each state elects two. Terms last six years."),
            ("Glass", "Glass is made from sand. It is melted in a furnace. It is then blown or pressed."),
            ("Tea", "Tea is grown in Assam. It was brought there in the nineteenth century. It is black."),
            ("Hearts", "The heart pumps blood. It has four chambers. It beats a hundred thousand times a day."),
        ],
        1,
    )
)


def words_in(text: str) -> int:
    return len(text.split())


def units(document: str) -> set[tuple[int, int]]:
    """All that may be kept as a whole: blocks, and the sentences of those that may be divided."""
    whole = blocks(document)
    return {(unit.start, unit.end) for block in whole for unit in [block, *sentences(document, block)]}


def is_ordered(found: Compressed, document: str, mark: str) -> bool:
    """Whether the text is the kept units in order, with marks and white space between."""
    pattern = rf"(?:{re.escape(mark)})?\s*".join(re.escape(document[start:end]) for _, start, end in found.kept)
    return re.fullmatch(rf"(?:{re.escape(mark)})?\s*{pattern}(?:{re.escape(mark)})?\s*", found.text) is not None


@given(DOCUMENTS, QUERIES, BUDGETS, st.sampled_from([MARK, "", "..."]), st.sampled_from([estimate, words_in, len]))
def test_whole_units_in_order_within_the_budget(document, query, budget, mark, count) -> None:  # type: ignore[no-untyped-def]
    found = compress(document, query, budget, count=count, mark=mark)
    assert (found.before, found.after) == (count(document), count(found.text))
    assert {(start, end) for _, start, end in found.kept} <= units(document)
    assert list(found.kept) == sorted(found.kept, key=lambda unit: unit.start)
    if found.text == document:
        return
    assert is_ordered(found, document, mark)
    must = [unit for unit in found.kept if unit.kind in KEPT]
    if found.after > found.budget:
        assert must or len(found.kept) == 1
        assert [unit for unit in found.kept if unit.kind not in KEPT] == [] or len(found.kept) == 1
    assert compress(document, query, budget, count=count, mark=mark) == found


@given(DOCUMENTS, QUERIES, BUDGETS)
def test_code_json_and_tags_are_kept_as_they_are(document: str, query: str, budget: int | float) -> None:
    found = compress(document, query, budget)
    kept = {(start, end) for _, start, end in found.kept}
    for unit in blocks(document):
        if unit.kind in KEPT:
            assert (unit.start, unit.end) in kept
            assert document[unit.start : unit.end] in found.text


@given(DOCUMENTS, BUDGETS)
def test_what_is_protected_is_kept(document: str, budget: int | float) -> None:
    pattern = re.compile(r"19\d\d|hello")
    found = compress(document, "anything", budget, protect=[pattern])
    assert pattern.findall(found.text) == pattern.findall(document)


def test_what_the_question_is_about_is_kept() -> None:
    found = compress(PASSAGES, "Which film won the Oscar for best picture?", 40)
    assert "Rocky won the Oscar" in found.text
    assert "Piglet" not in found.text
    assert found.after <= found.budget == 40 < found.before


def test_a_sentence_keeps_the_label_of_its_passage() -> None:
    found = compress(PASSAGES, "Which film won the Oscar for best picture?", 28)
    assert "Document [2](Title: 49th Academy Awards) Rocky won the Oscar for best picture in 1976. […]" in found.text
    assert "one million" not in found.text


def test_a_paragraph_keeps_its_heading() -> None:
    document = "".join(
        f"# About {name}\n\nThis is a paragraph on {name}. It is so.\n\n" for name in ("tea", "glass", "sand")
    )
    found = compress(document, "glass?", 20)
    assert found.text == "[…]\n\n# About glass\n\nThis is a paragraph on glass. It is so.\n\n[…]\n\n"


def test_turns_near_each_other_are_kept_together() -> None:
    small = "".join(f"{name}: Nothing much.\n" for name in ("Ann", "Bob") * 30)
    talk = "Ann: What about the battery?\nBob: Too expensive.\nAnn: Then a solar cell.\n"
    found = compress(small + talk + small, "What was said about the battery?", 0.2)
    assert talk in found.text
    assert found.text.count(MARK) == 2


def test_numbers_names_and_negations_rank_higher() -> None:
    document = " ".join(
        f"The weather in town was {word} that day." for word in ("fine", "grey", "mild", "1976", "calm")
    )
    assert "1976" in compress(document, "what year had weather in town", 24).text


def test_what_fits_comes_back_as_it_is() -> None:
    for document in ("", "  \n", "One sentence.", PASSAGES):
        assert compress(document, "any", 10_000).text == document
        assert compress(document, "any", 1.0).text == document


def test_the_best_unit_alone_may_exceed_the_budget() -> None:
    found = compress("The heart pumps blood through it. The senate has one hundred members.", "senate members", 2)
    assert found.text == "[…] The senate has one hundred members."
    assert (found.budget, len(found.kept)) == (2, 1)
    assert found.after > found.budget


def test_a_query_that_names_nothing_keeps_the_beginning() -> None:
    ranker = Ranker(embedding=False)
    document = " ".join(f"Sentence number {word} here." for word in ("one", "two", "three", "four", "five", "six"))
    assert compress(document, "Summarize this.", 20, ranker=ranker).text.startswith(
        "Sentence number one here. Sentence"
    )


@pytest.mark.parametrize("budget", [0, -1, 0.0])
def test_a_budget_is_positive(budget: int | float) -> None:
    with pytest.raises(ValueError, match="budget"):
        compress("text", "query", budget)


def test_estimate_counts_four_bytes_a_token() -> None:
    assert [estimate(text) for text in ("", "a", "abcd", "abcde", "éé", "\ud800")] == [0, 1, 1, 2, 1, 1]
