from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import ConfigError
from llmctl.guards.base import About
from llmctl.guards.factuality import Factuality, FactualityOptions

FACTS = (
    "The warranty lasts 24 months from the date of purchase.",
    "Returns are accepted within 30 days.",
    "The headquarters are in Lisbon.",
)
GUARD = Factuality(FactualityOptions(facts=FACTS))


def test_a_known_claim_is_allowed() -> None:
    assert (
        GUARD.judge("The warranty lasts 24 months. Returns are accepted within 30 days.", About("output")).outcome
        == "allow"
    )


@pytest.mark.parametrize(
    "claim", ["The warranty lasts 36 months from purchase.", "Returns are accepted within 24 days."]
)
def test_another_number_is_a_candidate_for_contradiction(claim: str) -> None:
    verdict = GUARD.judge(claim, About("output"))
    assert (verdict.outcome, verdict.category) == ("warn", "mismatch")
    assert (
        Factuality(FactualityOptions(facts=FACTS, on_mismatch="block")).judge(claim, About("output")).outcome == "block"
    )


def test_what_the_facts_do_not_know_is_unsupported_not_false() -> None:
    text = "Returns are accepted within 30 days. Our founder enjoys sailing."
    verdict = GUARD.judge(text, About("output"))
    assert (verdict.outcome, verdict.category) == ("warn", "unsupported")
    assert [text[span.start : span.end] for span in verdict.spans] == ["Our founder enjoys sailing."]
    assert verdict.reason == "of 2 claims 0 differ from a fact, 1 are unknown"


def test_facts_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "facts.txt"
    path.write_text("# ours\n\n" + "\n".join(FACTS), encoding="utf-8")
    guard = Factuality(FactualityOptions(path=str(path)))
    assert guard.judge("The headquarters are in Lisbon.", About("output")).outcome == "allow"
    assert guard.judge("The headquarters moved to Oslo.", About("output")).outcome == "warn"


def test_an_unreadable_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.txt"):
        Factuality(FactualityOptions(path=str(tmp_path / "missing.txt")))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="binary"):
        Factuality(FactualityOptions(path=str(tmp_path / "binary")))


def test_without_facts_the_context_stands_in_and_without_both_it_is_unscanned() -> None:
    guard = Factuality(FactualityOptions())
    assert guard.judge("The headquarters are in Lisbon.", About("output", context=FACTS)).outcome == "allow"
    assert guard.judge("The headquarters are in Lisbon.", About("output", system=FACTS[2])).outcome == "allow"
    assert guard.judge("It lasts.", About("output")).reason == "unscanned: no facts supplied"
    assert GUARD.judge("Yes.", About("output")).reason == "nothing claimed"


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=3).map(tuple))
def test_it_never_raises_and_spans_are_in_bounds(text: str, facts: tuple[str, ...]) -> None:
    for guard in (GUARD, Factuality(FactualityOptions(facts=facts))):
        verdict = guard.judge(text, About("output", context=facts))
        assert 0 <= verdict.score <= 1
        assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
        assert (verdict.outcome == "allow") == (not verdict.spans)
