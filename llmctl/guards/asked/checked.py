"""Whether what somebody else's guard returned is a verdict at all."""

import math
from typing import get_args

from llmctl.guards.base import Outcome, Span, Verdict

MAX_REASON = 2_000  # characters: a reason names a rule, it is no place for texts
MAX_SPANS = 10_000

_OUTCOMES = get_args(Outcome)


def checked(verdict: object, text: str) -> Verdict:
    """`verdict`, its spans in order, if it says something that can be acted on about `text`.

    Raises ValueError naming what is wrong. Nothing of the text, nor of the verdict's own words, is quoted.
    """
    if not isinstance(verdict, Verdict):
        raise ValueError(f"a guard returned {type(verdict).__name__}; it must return llmctl.guards.base.Verdict")
    if not isinstance(verdict.outcome, str) or verdict.outcome not in _OUTCOMES:
        raise ValueError(f"a verdict's outcome must be one of {', '.join(_OUTCOMES)}")
    score = verdict.score
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score) or not 0 <= score <= 1:
        raise ValueError("a verdict's score must be a number from 0 to 1")
    if not isinstance(verdict.reason, str) or len(verdict.reason) > MAX_REASON:
        raise ValueError(f"a verdict's reason must be a string of at most {MAX_REASON:,} characters")
    if not isinstance(verdict.category, str) or len(verdict.category) > MAX_REASON:
        raise ValueError(f"a verdict's category must be a string of at most {MAX_REASON:,} characters")
    spans = verdict.spans
    if not isinstance(spans, tuple) or len(spans) > MAX_SPANS:
        raise ValueError(f"a verdict's spans must be a tuple of at most {MAX_SPANS:,} Span")
    for span in spans:
        _check(span, len(text))
    if verdict.outcome == "redact" and not spans:
        raise ValueError("a verdict that redacts must name the spans to redact")
    ordered = tuple(sorted(spans, key=lambda span: (span.start, span.end)))
    return Verdict(verdict.outcome, float(score), verdict.reason, verdict.category, ordered)


def _check(span: object, length: int) -> None:
    if not isinstance(span, Span):
        raise ValueError(f"a verdict's spans hold {type(span).__name__}; they must be llmctl.guards.base.Span")
    for position in (span.start, span.end):
        if isinstance(position, bool) or not isinstance(position, int):
            raise ValueError("a span's start and end must be whole numbers: positions in characters")
    if not 0 <= span.start < span.end <= length:
        raise ValueError(f"a span from {span.start} to {span.end} is not within a text of {length} characters")
    if not isinstance(span.category, str) or not span.category:
        raise ValueError("a span's category must be a string that is not empty")
    if span.replacement is not None and not isinstance(span.replacement, str):
        raise ValueError("a span's replacement must be a string or None")
