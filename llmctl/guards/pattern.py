"""The operator's own RE2 patterns. RE2 takes linear time whatever the pattern."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, model_validator

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Source, Span, Verdict
from llmctl.guards.pattern_begun import NotUnderstood, begun

_SCORES: dict[Outcome, float] = {"warn": 0.4, "redact": 0.7, "block": 1.0}
_CONTINUATION = bytes(range(0x80, 0xC0))
LONGEST_HOLD = 8_192
"""Characters of a stream that are held back at most. A longer match may be delivered in part."""
_TOGETHER = 16  # rules whose beginnings are looked for at once
MAX_MEMORY = 8 * 2**20  # bytes that RE2 may use for one pattern; one that needs more is refused


class Rule(BaseModel):
    """One pattern and what it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="Its name in verdicts, records and errors.")
    regex: str = Field(min_length=1, max_length=10_000, description="RE2 syntax; matches anywhere in the text.")
    category: str = Field("", description="What it finds. Default: its name.")
    action: Literal["warn", "redact", "block"] = Field("block", description="What a match is worth.")
    replacement: str | None = Field(None, description="What redaction leaves. Default: the category in brackets.")
    ignore_case: bool = Field(False, description="Match capitals and small letters alike.")
    sources: frozenset[Source] | None = Field(None, description="Apply it to texts from these only. Default: all.")


class Pattern:
    """Judges by the operator's patterns; the strictest action among those that match is the outcome."""

    class Options(GuardOptions):
        """The patterns; the preset changes nothing here."""

        patterns: tuple[Rule, ...] = Field(min_length=1, max_length=1_000, description="The patterns, in any order.")

        @model_validator(mode="after")
        def _names_differ(self) -> "Pattern.Options":
            names = [rule.name for rule in self.patterns]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two patterns are named {name}; give each its own name")
            return self

    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 256
    cost_us: ClassVar[float] = 25.0  # with ten patterns

    def __init__(self, options: Options) -> None:
        """Raises ValueError naming the pattern that RE2 does not take."""
        self._rules = [(rule, compiled(rule)) for rule in options.patterns]
        self._begun, self._whole = _beginnings(options.patterns)

    def judge(self, text: str, about: About) -> Verdict:
        """Spans are the matches of every pattern, leftmost first."""
        raw = text.encode("utf-8", "replace")  # a lone surrogate becomes one character, so positions stay
        hits: list[tuple[Rule, int, int]] = []
        for rule, regex in self._rules:
            if rule.sources is None or about.source in rule.sources:
                hits += [(rule, start, end) for start, end in _matches(regex, raw)]
        if not hits:
            return ALLOW
        worst = max((rule for rule, _, _ in hits), key=lambda rule: _SCORES[rule.action])
        names = ", ".join(dict.fromkeys(rule.name for rule, _, _ in hits))
        at = _positions(text, raw, hits)
        spans = [Span(at(start), at(end), rule.category or rule.name, _left(rule)) for rule, start, end in hits]
        spans.sort(key=lambda span: (span.start, span.end))
        category = worst.category or worst.name
        return Verdict(worst.action, _SCORES[worst.action], f"pattern {names}", category, tuple(spans))

    def unsettled(self, text: str) -> int:
        """From where a match may have begun. Of a pattern that cannot be taken apart, `lookbehind` characters."""
        held = 0 if self._whole else min(len(text), self.lookbehind or 0)
        raw = text.encode("utf-8", "replace")
        for regex in self._begun:
            match = regex.search(raw)
            if match is not None and match.start() < len(raw):
                held = max(held, len(raw[match.start() :].translate(None, _CONTINUATION)))
        return min(held, LONGEST_HOLD)


def _beginnings(rules: tuple[Rule, ...]) -> tuple[list[Any], bool]:
    """Patterns of what, up to the end of a text, may become a match, and whether none of the rules is missing."""
    found: list[str] = []
    for rule in rules:
        with suppress(NotUnderstood):
            found.append(f"(?i:{begun(rule.regex)})" if rule.ignore_case else begun(rule.regex))
    made: list[Any] = []
    whole = len(found) == len(rules)
    for at in range(0, len(found), _TOGETHER):
        some = found[at : at + _TOGETHER]
        try:
            made.append(_compiled_end("|".join(some), len(some)))
        except ValueError:
            for one in some:
                try:
                    made.append(_compiled_end(one, 1))
                except ValueError:
                    whole = False
    return made, whole


def _compiled_end(regex: str, count: int) -> Any:
    rule = Rule.model_construct(name="beginnings", regex=rf"(?:{regex})\z", ignore_case=False)
    return compiled(rule, memory=count * MAX_MEMORY, empty=True)


def compiled(rule: Rule, *, memory: int = MAX_MEMORY, empty: bool = False) -> Any:
    """The compiled pattern, over UTF-8 bytes; one that matches the empty text only if `empty`. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    options.case_sensitive = not rule.ignore_case
    try:
        regex = re2.compile(rule.regex.encode(), options)
    except UnicodeEncodeError:
        raise ValueError(f"pattern {rule.name}: is not valid Unicode") from None
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"pattern {rule.name}: {said} (RE2 syntax: no backreferences, no look-around)") from None
    if not empty and regex.search(b"") is not None:
        raise ValueError(f"pattern {rule.name}: matches the empty text, so it would match everywhere")
    return regex


def _matches(regex: Any, raw: bytes) -> Iterator[tuple[int, int]]:
    for match in regex.finditer(raw):
        start, end = match.span()
        if end > start:
            yield start, end


def _left(rule: Rule) -> str:
    return f"[{(rule.category or rule.name).upper()}]" if rule.replacement is None else rule.replacement


def _positions(text: str, raw: bytes, hits: list[tuple[Rule, int, int]]) -> Callable[[int], int]:
    """Byte positions to characters, in one pass over the text."""
    if len(text) == len(raw):
        return int
    wanted = sorted({position for _, start, end in hits for position in (start, end)})
    found, last, characters = {}, 0, 0
    for position in wanted:
        characters += len(raw[last:position].translate(None, _CONTINUATION))
        found[position], last = characters, position
    return found.__getitem__
