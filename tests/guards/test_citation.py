import json
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.base import About
from llmctl.guards.citation import Citation, CitationOptions
from llmctl.guards.citation_marks import markers, quotations, quoted_in, urls

DEV = Path(__file__).resolve().parents[3] / "shared" / "data" / "grounding" / "citation_dev.jsonl"
TOWER = "The Eiffel Tower in Paris was completed in 1889 and is 330 metres tall."
COMPANY = "Gustave Eiffel's company \u201cdesigned and built the tower\u201d for the fair. See https://example.org/tower_(Paris)."
ABOUT = About("output", "assistant", (TOWER, COMPANY))
GUARD = Citation(CitationOptions())


def found(text: str, about: About = ABOUT, guard: Citation = GUARD) -> list[tuple[str, str]]:
    return [(span.category, text[span.start : span.end]) for span in guard.judge(text, about).spans]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a [1] b [2, 3]", [("1",), ("2", "3")]),
        ("a [1-3][7]", [("1", "2", "3"), ("7",)]),
        ("a [^note] b (doc-2) c [Source 4]", [("note",), ("doc-2",), ("Source 4",)]),
        ("a \u30103\u2020source\u3011 b.\u00b2", [("3",), ("2",)]),
        ("12 m\u00b2, [sic], (see below), (page layout), [text], [9]", [("9",)]),
        ("(doc-1; doc-2)", [("doc-1", "doc-2")]),
    ],
)
def test_markers(text: str, keys: list[tuple[str, ...]]) -> None:
    assert sorted(marker.keys for marker in markers(text)) == sorted(keys)


def test_addresses_and_quotations_end_where_they_should() -> None:
    assert [url for *_, url in urls("(https://A.org/x_(y)). http://b.org/?")] == ["a.org/x_(y)", "b.org"]
    assert [quote.words for quote in quotations('a "b c" \u201cd\u201d \u00abe\u00bb 27" and 32" it\'s')] == [
        "b c",
        "d",
        "e",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The tower was completed in 1889 [1].",
        "The tower was completed in 1889. [1] It is 330 metres tall.\u00b9",
        'Eiffel\'s company "designed and built the tower" [2].',
        "His company 'designed' it: \u201cDesigned and  built ... tower\u201d (doc-2).",
        "See https://example.org/tower_(Paris), Eiffel's company [2].",
        "Use `rows[9]` for the tower [1].",
        "The \"so-called\" tower stands; the dogs' tower isn't one of the cats' own.",
    ],
)
def test_what_holds_is_allowed(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "category", "at"),
    [
        ("The tower was completed in 1889 [3].", "missing_source", "[3]"),
        ("The tower is tall [0].", "missing_source", "[0]"),
        ("The tower is tall [1-3].", "missing_source", "[1-3]"),
        ("The tower is tall (doc-9).", "missing_source", "(doc-9)"),
        ("The tower is tall.\u2077", "missing_source", "\u2077"),
        ("The tower is tall \u30105\u2020x\u3011.", "missing_source", "\u30105\u2020x\u3011"),
        ("The tower: https://example.org/other", "missing_source", "https://example.org/other"),
        ('It "designed and sold the tower" [2].', "altered_quote", '"designed and sold the tower"'),
        ('It says "is 33 metres tall" without a source.', "altered_quote", '"is 33 metres tall"'),
        ("It 'designed and sold the tower' [2].", "altered_quote", "'designed and sold the tower'"),
        ('It "designed and\nsold the tower" [2].', "altered_quote", '"designed and\nsold the tower"'),
        ("It \u201edesigned and sold it\u201c [2].", "altered_quote", "\u201edesigned and sold it\u201c"),
        ("It \u2018didn\u2019t build the tower\u2019 [2].", "altered_quote", "\u2018didn\u2019t build the tower\u2019"),
        ('It "built the" [1] tower.', "misattributed_quote", '"built the"'),
        ("The tower was completed in 1890 [1].", "missing_number", "The tower was completed in 1890 [1]."),
        ("Bananas ripen quickly [1].", "unsupported", "Bananas ripen quickly [1]."),
    ],
)
def test_what_does_not_hold_is_pointed_at(text: str, category: str, at: str) -> None:
    assert (category, at) in found(text)
    assert GUARD.judge(text, ABOUT).outcome == ("block" if category in ("missing_source", "altered_quote") else "warn")


def test_ids_name_the_passages() -> None:
    guard = Citation(CitationOptions(ids=("eiffel.md", "kb-17")))
    assert found("The tower is 330 metres tall [eiffel.md]. Eiffel's company built it (KB-17) [1].", ABOUT, guard) == []
    assert found("The tower is tall [doc-2].", ABOUT, guard) == [("missing_source", "[doc-2]")]


def test_a_passage_may_carry_its_own_labels() -> None:
    about = About("output", context=("Answer from the sources.", f"[4] {TOWER}\n[5] {COMPANY}", "doc-x1: Rome is old."))
    assert found("The tower is 330 metres tall [4]. Rome is old (doc-x1).", about) == []
    assert found("The tower is 330 metres tall [1].", about) == [("missing_source", "[1]")]
    assert found("The tower is 330 metres tall [5].", about) == [
        ("missing_number", "The tower is 330 metres tall [5].")
    ]


def test_the_system_prompt_is_no_source() -> None:
    about = About("output", context=(TOWER,), system="Answer from the sources. Say which: [1], [2].")
    assert found("The tower is 330 metres tall [1].", about) == []
    assert found("The tower is 330 metres tall [2].", about) == [("missing_source", "[2]")]


def test_nothing_to_check_is_unscanned_not_passed() -> None:
    assert GUARD.judge("The tower [1].", About("output")).reason == "unscanned: no context supplied"
    verdict = GUARD.judge("The tower is tall.", ABOUT)
    assert (verdict.outcome, verdict.reason) == ("allow", "unscanned: no citations")
    required = Citation(CitationOptions(require=True)).judge("The tower is tall.", ABOUT)
    assert (required.outcome, required.category) == ("warn", "uncited")


VOCABULARY = ["river", "stone", "1912", "Anna", "walked", "green", "4.5", "bridge", "under", "slowly", "home"]
WORDS = st.lists(st.sampled_from(VOCABULARY), min_size=4)


@given(WORDS, st.integers(0, 10**6), st.sampled_from(["drop", "swap", "insert", "digit"]))
def test_every_altered_quotation_is_found(words: list[str], seed: int, how: str) -> None:
    draw = random.Random(seed)
    at = draw.randrange(1, len(words) - 1)
    altered = list(words)
    if how == "drop":
        del altered[at]
    elif how == "insert":
        altered.insert(at, "never")
    else:
        altered[at] = "Zebra" if how == "swap" else "1913"
    text = f'The source says "{" ".join(altered)}" [1].'
    about = About("output", context=(" ".join(words),))
    untouched = " ".join(altered) in " ".join(words)
    assert ("altered_quote" in dict(found(text, about))) is not untouched
    assert "altered_quote" not in dict(found(f'The source says "{" ".join(words)}" [1].', about))


@given(
    st.integers(1, 8), st.integers(0, 9999), st.sampled_from(["[{}]", "(doc-{})", "[^{}]", "\u3010{}\u3011", "[1, {}]"])
)
def test_every_missing_id_is_found_and_no_other(count: int, number: int, form: str) -> None:
    about = About("output", context=tuple(f"Stone bridge {index}" for index in range(count)))
    categories = dict(found(f"A stone bridge {form.format(number)}.", about))
    assert ("missing_source" in categories) is not (1 <= number <= count)


@given(
    st.text(max_size=300) | st.text("[]()123-doc \"'.\n\u201c\u201d\u3010\u3011\u00b9`^https://", max_size=200),
    st.lists(st.text(max_size=80), max_size=3),
)
def test_it_never_raises_and_spans_are_in_bounds(text: str, context: list[str]) -> None:
    verdict = GUARD.judge(text, About("output", context=tuple(context)))
    assert 0 <= verdict.score <= 1
    assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    assert (verdict.outcome == "allow") == (not verdict.spans)


def test_quotations_match_whole_words_and_numbers() -> None:
    assert quoted_in("rain fell", "heavy rain fell.")
    assert not quoted_in("rain", "a train")
    assert not quoted_in("grew 5", "it grew 5.2 percent")
    assert quoted_in("It [the rain] fell", "it rarely fell")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        '"' * 50_000,
        "[1," * 20_000,
        "(doc-" * 20_000,
        "`" * 50_000,
        "\u201c" * 50_000,
        "\u2018a " * 20_000,
        "'a " * 20_000,
        "\n" * 50_000,
        "http://" * 9_000,
    ],
)
def test_cost_is_linear(text: str) -> None:
    started = time.perf_counter()
    GUARD.judge(text, About("output", context=(text[:20_000],)))
    assert time.perf_counter() - started < 5


def rows() -> list[dict[str, object]]:
    if not DEV.is_file():
        pytest.skip("../shared/data/grounding is not here")
    return [json.loads(line) for line in DEV.read_text().splitlines()]


def test_citation_dev_other_article_auc() -> None:
    scores: dict[str, list[float]] = {}
    for row in rows():
        cited = row["cited"]
        assert isinstance(cited, list)
        numbers = ", ".join(str(index + 1) for index in range(len(cited)))
        text = str(row["claim"]).replace("[", "(").replace("]", ")").replace('"', "'")
        verdict = GUARD.judge(f"{text} [{numbers}]", About("output", context=tuple(cited)))
        scores.setdefault(str(row["label"]), []).append(verdict.score)
    good, bad = scores["supported"], scores["wrong_source_other_article"]
    auc = sum((b > g) + (b == g) / 2 for g in good for b in bad) / (len(good) * len(bad))
    assert auc >= 0.90


def test_altered_quotes_of_real_sources_are_all_found() -> None:
    draw = random.Random(5)
    missed, wrongly = 0, 0
    for row in rows():
        cited = row["cited"]
        assert isinstance(cited, list)
        words = re.sub(r"[\"\u201c\u201d\[\]]", "", cited[0]).split()[:12]
        if len(words) < 6:
            continue
        about = About("output", context=(re.sub(r"[\"\u201c\u201d\[\]]", "", cited[0]),))
        altered = list(words)
        altered[draw.randrange(1, 5)] = "quite"
        missed += "altered_quote" not in dict(found(f'It says "{" ".join(altered)}" [1].', about))
        wrongly += "altered_quote" in dict(found(f'It says "{" ".join(words)}" [1].', about))
    assert (missed, wrongly) == (0, 0)
