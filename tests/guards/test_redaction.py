import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.base import Span
from llmctl.guards.redaction import Covered, Redaction, Restorer, encodable, merged, numbered, replaced

SPANS = st.lists(
    st.builds(
        lambda start, length, category: Span(start, start + length, category),
        st.integers(0, 30),
        st.integers(0, 10),
        st.sampled_from(["EMAIL", "PHONE"]),
    ),
    max_size=6,
)
TEXTS = st.text(st.sampled_from("ab[]_1EMAIL "), min_size=40, max_size=60)


def test_overlapping_spans_become_one() -> None:
    spans = [Span(4, 9, "PHONE"), Span(0, 3, "EMAIL"), Span(2, 5, "CARD"), Span(12, 12, "IP"), Span(9, 10, "IP")]
    assert merged(spans) == (Span(0, 9, "PHONE"), Span(9, 10, "IP"))


def test_one_number_for_one_value_throughout_an_exchange() -> None:
    redaction = Redaction()
    assert redaction.apply("to a@b.co", [Span(3, 9, "EMAIL")]) == "to [EMAIL_1]"
    assert redaction.apply("c@d.co, a@b.co", [Span(0, 6, "EMAIL"), Span(8, 14, "EMAIL")]) == "[EMAIL_2], [EMAIL_1]"
    assert redaction.restore("[EMAIL_1] wrote to [EMAIL_2], not [EMAIL_3]") == "a@b.co wrote to c@d.co, not [EMAIL_3]"
    assert len(redaction) == 2


def test_a_placeholder_in_the_text_is_never_given_out() -> None:
    text = "[EMAIL_1] is a@b.co"
    assert [span.replacement for span in numbered(text, [Span(13, 19, "EMAIL")])] == ["[EMAIL_2]"]
    redaction = Redaction()
    assert redaction.restore(redaction.apply(text, [Span(13, 19, "EMAIL")])) == text


@given(TEXTS, SPANS)
def test_restoring_undoes_applying(text: str, spans: list[Span]) -> None:
    redaction = Redaction()
    assert redaction.restore(redaction.apply(text, spans)) == text


@given(st.data())
def test_streams_restore_to_the_same_for_every_chunking(data: st.DataObject) -> None:
    redaction = Redaction()
    first = redaction.apply("a@b.co", [Span(0, 6, "EMAIL")])
    text = data.draw(st.lists(st.sampled_from([first, "[", "]", "[EM", "x", "[EMAIL_9]"]), max_size=10).map("".join))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    restorer = redaction.restorer()
    assert "".join([*map(restorer.feed, chunks), restorer.finish()]) == redaction.restore(text)


def test_only_a_possible_beginning_is_held_back() -> None:
    redaction = Redaction()
    redaction.apply("a@b.co", [Span(0, 6, "EMAIL")])
    restorer = Restorer(redaction)
    assert restorer.feed("see [EMAIL") == "see "
    assert restorer.feed("_1] and [a very long remark") == "a@b.co and [a very long remark"
    assert restorer.feed("[") == ""
    assert restorer.finish() == "["


def test_covered_characters() -> None:
    covered = Covered("0123456789")
    covered.add(2, 5)
    assert covered.touches(4, 8)
    assert not covered.touches(5, 8)
    assert covered.contains(2, 5)
    assert not covered.contains(2, 6)


def test_surrogates_are_replaced_one_for_one() -> None:
    assert encodable("a\ud800b") == "a\ufffdb"
    assert encodable("aé") == "aé"


def test_a_value_is_restored_if_one_that_may_be_covers_all_of_it() -> None:
    names = Redaction()
    mail, part, phone = Span(0, 6, "EMAIL"), Span(2, 6, "URL"), Span(7, 9, "PHONE")
    assert replaced("a@b.co 12", [mail, part, phone, Span(8, 9, "IP")], names, {mail, Span(8, 9, "IP")}) == (
        "[EMAIL_1] [PHONE_1]"
    )
    assert names.restore("[EMAIL_1] [PHONE_1]") == "a@b.co [PHONE_1]"


def test_many_values_are_replaced_in_linear_time() -> None:
    spans = [Span(at, at + 2, "N") for at in range(0, 60_000, 3)]
    start = time.process_time()
    text = replaced("12 " * 20_000, spans, Redaction(), set(spans))
    assert text.startswith("[N_1] [N_1] ")
    assert time.process_time() - start < 1.0  # it took twenty seconds


@pytest.mark.parametrize("category", ["ticket", "TICKET", "my-ticket", "4u", "é"])
def test_what_a_guard_puts_in_its_own_words_is_restored_where_that_is_wanted(category: str) -> None:
    span, names = Span(4, 9, category, "[TICKET]"), Redaction()
    assert replaced("see TCK-1", [span], names, ()) == "see [TICKET]"
    text = replaced("see TCK-1", [span], names, {span})
    assert "TCK" not in text
    assert names.restore(text) == "see TCK-1"
    hidden = Span(3, 4, "zero_width", "")
    assert replaced("see TCK-1", [hidden], names, {hidden}) == "seeTCK-1"
