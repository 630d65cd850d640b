"""Passwords and other values that the text calls secret, in assignments, files, command lines and sentences.

Code and prose call things so too: what is found must look made up, and be no placeholder and no expression.
"""

import math
from collections import Counter
from collections.abc import Iterator

import re2

from llmctl.guards import secrets_words as words

Place = tuple[int, int, float]
_NEAR = 240
"""How far before a value something may stand that makes it one."""
_CLOSING = {"“": "”“", "„": "“”", "‘": "’", "«": "»", "‹": "›", "「": "」", "『": "』"}  # noqa: RUF001

_OPENING = ('"', "'", "`", *_CLOSING)


class Passwords:
    """The patterns, compiled, and what decides about each match."""

    def __init__(self) -> None:
        self._assigned = re2.compile(words.ASSIGNMENT).finditer
        self._spoken = re2.compile(words.SPOKEN).finditer
        self._placed = [(word, re2.compile(pattern).finditer) for word, pattern in words.PLACED]
        self._pairs = re2.compile(words.PAIR).finditer
        self._phrases = re2.compile(words.PHRASE).finditer
        self._placeholder = re2.compile(words.PLACEHOLDER).fullmatch
        self._about = re2.compile(words.ABOUT_ONE).search
        self._passwords = re2.compile(words.CALLED_PASSWORD).match
        self._next_field = re2.compile(words.NEXT_FIELD)
        self._named = re2.compile(words.TRIGGER).search
        self._quote_begun = re2.compile(words.BEGUN).search
        self._phrase_begun = re2.compile(words.PHRASE_BEGUN).search

    def find(self, text: str) -> Iterator[Place]:
        """Start, end and confidence of each value."""
        yield from self._values(text)
        for match in self._spoken(text):
            start, end = match.span(2)
            yield from self._made_up(text, start, end, certain=bool((match.group(1) or "").strip()))
        lowered = text.lower()
        for word, placed in self._placed:
            if word in lowered:
                for match in placed(text):
                    yield from self._made_up(text, *match.span(1), certain=True)
        for match in self._pairs(text):
            yield from self._made_up(text, *match.span(1), certain=True)
        for match in self._phrases(text):
            yield *match.span(1), 0.9

    def begun(self, text: str) -> int:
        """Characters at the end that may become a value with blanks in it: one in quotes, or a phrase."""
        line = text[text.rfind("\n") + 1 :]
        held = self._quote_begun(line) if any(quote in line for quote in _OPENING) else None
        before = text[-len(line) - _NEAR :] if held else text[-_NEAR:]
        if self._named(before) is None:
            return 0
        phrase = self._phrase_begun(before)
        return max(len(line) - held.start() if held else 0, len(before) - phrase.start() if phrase else 0)

    def _values(self, text: str) -> Iterator[Place]:
        for match in self._assigned(text):
            if text[max(0, match.start() - 5) : match.start()].lower() == "page_":
                continue  # a cursor
            name = match.group(1)
            verb = name.lower() == "pass" and match.group(2).strip()[:1].isalpha() and match.group(2).split()[0] != "is"
            if verb or self._about(name) is not None:
                continue
            start, end, quoted = self._bounds(text, *match.span(3))
            value = text[start:end]
            if len(value) < 4 or self._placeholder(value) is not None:
                continue
            password = self._passwords(name) is not None
            prose = match.group(2).strip(" *_:")[:1].isalpha()
            score = guessability(value, password=password, quoted=quoted, prose=prose)
            if score:
                yield start, end, score

    def _bounds(self, text: str, start: int, end: int) -> tuple[int, int, bool]:
        """A value without its quotes; one without quotes without what belongs to the sentence or the query."""
        if text[start] in "\"'`" or text[start] in _CLOSING:
            return start + 1, end - 1, True
        if text[start] == "\\":
            return start + 2, end - 2, True
        value = text[start:end]
        field = self._next_field.search(value)
        if field is not None:
            value = value[: field.start()]
        return start, start + len(bare(value)), False

    def _made_up(self, text: str, start: int, end: int, *, certain: bool) -> Iterator[Place]:
        """A value with no sign that it is given to a name, or none but its place: it must be hard to guess."""
        start, end, quoted = self._bounds(text, start, end)
        value = text[start:end]
        if len(value) < 6 or self._placeholder(value) is not None:
            return
        score = guessability(value, password=True, quoted=quoted, prose=not certain)
        if score >= 0.7 and (certain or _mixed(value)):
            yield start, end, score


def bare(value: str) -> str:
    """`value` without marks at its end that belong to the sentence. An exclamation mark is rather the password's."""
    value = value.rstrip(".?:*|\\")
    while value and value[-1] in ")]}" and value.count(value[-1]) > value.count("([{"[")]}".index(value[-1])]):
        value = value[:-1].rstrip(".?:*|\\")
    return value


def _mixed(value: str) -> bool:
    """Whether somebody was made to choose it: eight characters, with a digit and a sign or letters of both cases."""
    signs = any(not char.isalnum() and char not in "/-_.:+" for char in value) and "=" not in value
    cases = any(map(str.islower, value)) and any(map(str.isupper, value)) and value.isalnum()
    return len(value) >= 8 and any(map(str.isdigit, value)) and (signs or cases)


def guessability(value: str, *, password: bool, quoted: bool, prose: bool) -> float:
    """How likely a value is a secret rather than a word or a name: by length, kinds of characters and entropy."""
    kinds = sum((any(map(str.islower, value)), any(map(str.isupper, value)), any(map(str.isdigit, value))))
    symbols = any(not char.isalnum() and char not in "_.- " for char in value)
    if not password:
        varied = any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and " " not in value
        if len(value) >= 16 and varied and entropy(value) >= 3.0:
            return 0.85
        return 0.5 if len(value) >= 12 and varied and entropy(value) >= 2.8 else 0.0
    if value.count(" ") > 3 or len(value) < 6:
        return 0.0
    if any(map(str.isdigit, value)) and kinds + symbols >= 2:
        return 0.8
    if symbols and kinds >= 1 and not value.endswith((":", "(")) and (quoted or not prose):
        return 0.7 if not any(char in value for char in "()[]") else 0.5
    if value.isdigit():
        return 0.7
    if _is_words(value):
        return 0.65
    return 0.5 if quoted and value.isalnum() else 0.0


def _is_words(value: str) -> bool:
    """Four words or more joined to one, as diceware makes them; what speaks of passwords is a name for something."""
    parts = value.split("-")
    if len(parts) >= 4 and all(2 < len(part) < 12 and part.isalpha() for part in parts):
        return len({part.istitle() for part in parts}) == 1 and not words.FORM_WORDS & {*map(str.lower, parts)}
    return False


def entropy(value: str) -> float:
    """Bits a character, by how often each occurs in `value` (Shannon)."""
    length = len(value)
    return -sum(count / length * math.log2(count / length) for count in Counter(value).values()) if length else 0.0
