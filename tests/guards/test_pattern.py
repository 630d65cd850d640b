import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.guards.base import ALLOW, About, Span
from llmctl.guards.pattern import Pattern
from llmctl.guards.pattern_begun import NotUnderstood, begun


def guard(*patterns: dict[str, Any]) -> Pattern:
    return Pattern(Pattern.Options(patterns=patterns))


TICKET = {"name": "ticket", "regex": r"TCK-\d+", "action": "redact"}
CODENAME = {"name": "codename", "category": "internal", "regex": "bluebird", "ignore_case": True}


def test_matches_are_spans_and_the_strictest_action_decides() -> None:
    both = guard(CODENAME, TICKET)
    verdict = both.judge("See TCK-12 and TCK-345.", About())
    assert (verdict.outcome, verdict.category, verdict.reason) == ("redact", "ticket", "pattern ticket")
    assert verdict.spans == (Span(4, 10, "ticket", "[TICKET]"), Span(15, 22, "ticket", "[TICKET]"))
    verdict = both.judge("TCK-1 is about BlueBird", About())
    assert (verdict.outcome, verdict.category, verdict.score) == ("block", "internal", 1.0)
    assert [span.category for span in verdict.spans] == ["ticket", "internal"]
    assert both.judge("nothing here", About()) == ALLOW


@given(st.text(), st.text())
def test_places_are_characters_whatever_stands_before(before: str, after: str) -> None:
    text = f"{before} TCK-7 {after}"
    places = [(span.start, span.end) for span in guard(TICKET).judge(text, About()).spans]
    assert (len(before) + 1, len(before) + 6) in places
    assert all(text[start:end].startswith("TCK-") for start, end in places)


def test_a_lone_surrogate_moves_nothing() -> None:
    assert guard(TICKET).judge("\ud800é TCK-1", About()).spans == (Span(3, 8, "ticket", "[TICKET]"),)


def test_replacement_and_sources() -> None:
    quiet = guard({**TICKET, "replacement": "", "sources": ["tool"]})
    assert quiet.judge("TCK-1", About()) == ALLOW
    assert quiet.judge("TCK-1", About(source="tool")).spans[0].replacement == ""


@pytest.mark.parametrize(
    ("regex", "says"),
    [
        ("(a", "missing \\)"),
        ("(?=a)b", "perl operator"),
        (r"(a)\1", "escape sequence"),
        ("a*", "empty text"),
        ("^", "empty text"),
        ("((a{100}){100}){100}", "repetition size"),
    ],
)
def test_a_pattern_that_cannot_be_is_named(regex: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"pattern odd one: .*{says}"):
        guard(TICKET, {"name": "odd one", "regex": regex})


WHOLE = [
    "(?:a||c)b",
    "TCK-[0-9]+",
    "ab?c*d+e{2}f{1,3}g{0,2}h{2,}",
    "(?i)project (?:blue|green|gray)bird",
    "(?P<one>a|bc)(d|)e",
    "[]a-c][^]x]y",
    r"\$[[:digit:]]{2}\.[0-9]?",
    r"(a(b(c)*)+){2}",
    r"x.*?y",
    r"caf\x{e9}|na\x{ef}ve",
    r"\pL{2}\p{Nd}",
    "a{,3}b",
]


@pytest.mark.parametrize("regex", WHOLE)
@given(st.data())
def test_every_beginning_of_a_match_is_known(regex: str, data: st.DataObject) -> None:
    known = {
        "[[:digit:]]": "[0-9]",
        r"\pL": "[a-zé]",
        r"\p{Nd}": "[0-9]",
        r"\x{e9}": "é",
        r"\x{ef}": "ï",
        "{,3}": r"\{,3\}",
    }
    spelled = regex
    for theirs, ours in known.items():
        spelled = spelled.replace(theirs, ours)
    match = data.draw(st.from_regex(re.compile(spelled, re.ASCII), fullmatch=True))
    judged = guard({"name": "any", "regex": regex})
    for end in range(1, len(match) + 1):
        assert judged.unsettled(match[:end]) == end


@pytest.mark.parametrize("regex", [r"\Qa\E", "a(?i)b", r"\101", r"\C", "(?i:a)(?-i)b"])
def test_what_cannot_be_taken_apart_is_said_to_be(regex: str) -> None:
    with pytest.raises(NotUnderstood):
        begun(regex)


def test_names_differ_and_there_is_one_at_least() -> None:
    with pytest.raises(ValidationError, match="two patterns are named ticket"):
        guard(TICKET, TICKET)
    with pytest.raises(ValidationError, match="at least 1"):
        guard()


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|aa)+b", "(.*)*x", "([a-z]+)*!", "(x+x+)+y", "a*a*a*a*a*b"])
def test_what_explodes_elsewhere_takes_linear_time(regex: str) -> None:
    text = ("a" * 99 + "-") * 5_000
    judged = guard({"name": "evil", "regex": regex})
    started = time.thread_time()
    judged.judge(text, About())
    assert time.thread_time() - started < 5.0
