"""The operator's own RE2 patterns. RE2 takes linear time whatever the pattern."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, model_validator

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Source, Span, Verdict

_SCORES: dict[Outcome, float] = {"warn": 0.4, "redact": 0.7, "block": 1.0}
_CONTINUATION = bytes(range(0x80, 0xC0))
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
    lookbehind: ClassVar[int | None] = 256  # a longer match in a stream may be delivered in part before it is seen
    cost_us: ClassVar[float] = 25.0  # with ten patterns

    def __init__(self, options: Options) -> None:
        """Raises ValueError naming the pattern that RE2 does not take."""
        self._rules = [(rule, compiled(rule)) for rule in options.patterns]

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


def compiled(rule: Rule) -> Any:
    """The compiled pattern, over UTF-8 bytes. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    options.case_sensitive = not rule.ignore_case
    try:
        regex = re2.compile(rule.regex.encode(), options)
    except UnicodeEncodeError:
        raise ValueError(f"pattern {rule.name}: is not valid Unicode") from None
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"pattern {rule.name}: {said} (RE2 syntax: no backreferences, no look-around)") from None
    if regex.search(b"") is not None:
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
