"""Telephone numbers in text: candidates by shape, judged by the numbering plans (`phonenumbers`) and the words around.

Any seven to ten digits are a valid number somewhere, so a national number needs a shape, a word or a text of its own.
"""

from collections.abc import Iterator
from functools import cache
from types import ModuleType

import re2

from llmctl.guards import pii_patterns as patterns
from llmctl.guards.pii_finders import joins
from llmctl.guards.pii_validators import digits_of
from llmctl.guards.redaction import Covered

FEWEST, MOST = 7, 15
"""Digits of a number, without an extension; E.164 allows no more."""
SHORT_PLANS = frozenset(
    ("AC", "AD", "CK", "FK", "FO", "GL", "KI", "NC", "NF", "PM", "SB", "SH", "SR", "TO", "TV", "VU", "WF", "WS")
)
"""Countries where numbers of five or six digits are ordinary: looked for only where one is configured."""
CANDIDATES, INTERNATIONAL = 64, 256
"""In a text with more, the rest are judged by shape alone: each costs up to 20 µs a region. Numbers with a country code
have one region, and by shape more of them pass, so their limit is far."""
_COUNTED = "円元원块塊万萬만億亿억年년月월日個个개人명件건本枚回"
"""What after a number says that something was counted, not dialled."""
BEFORE, AFTER = 48, 12
"""How far from a number a word about it may stand, in characters."""


class PhoneFinder:
    """Finds telephone numbers. `regions` are the countries (ISO 3166) whose national numbers are known."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions
        for region in regions:
            _is_valid("2125550142", region)  # loads the plans, 100 ms, before the first request needs them
        self._fewest = 5 if SHORT_PLANS & set(regions) else FEWEST
        self._candidates = re2.compile(patterns.PHONE).finditer
        self._before = re2.compile(patterns.PHONE_BEFORE).search
        self._after = re2.compile(patterns.PHONE_AFTER).search
        self._never = re2.compile(patterns.PHONE_NEVER).search
        self._nanp = re2.compile(patterns.NANP)
        self._never_phone = re2.compile(patterns.NEVER_A_PHONE).fullmatch
        self._seldom = re2.compile(patterns.SELDOM_A_PHONE).fullmatch
        self._extension = re2.compile(r"(?i) ?(?:x|ext\.?|extension) ?[0-9]{1,6}$").search

    def find(self, text: str, covered: Covered) -> Iterator[tuple[int, int, float]]:
        """Start, end and confidence of each number that touches no covered span."""
        for count, match in enumerate(self._candidates(text)):
            start, end = match.span()
            if covered.touches(start, end):
                yield from (one for one in self._inside(text, start, end) if not covered.touches(*one[:2]))
                continue
            if not _stands_alone(text, start, end):
                continue
            score = self._score(text, start, end, count)
            if score:
                yield start, end, score
            else:
                yield from self._inside(text, start, end)

    def _inside(self, text: str, start: int, end: int) -> Iterator[tuple[int, int, float]]:
        """Numbers of North American shape within a longer row of digits, such as two numbers one after the other."""
        for match in self._nanp.finditer(text[start:end]):
            at, to = start + match.start(), start + match.end()
            if (at, to) != (start, end) and text[at - 1 : at] in ("", " ", "/") and text[to : to + 1] in ("", " ", "/"):
                yield at, to, 0.6

    def _score(self, text: str, start: int, end: int, count: int) -> float:
        number = text[start:end]
        if extension := self._extension(number):
            number = number[: extension.start()]
        digits = digits_of(number)
        if not self._fewest <= len(digits) <= MOST + 2:  # two more for an international prefix of zeros
            return 0.0
        before = text[max(0, start - BEFORE) : start]
        named = bool(self._before(before) or self._after(text[end : end + AFTER]))
        if number[0] == "+" or number[:4].lower() == "tel:" or digits.startswith("00"):
            return self._international(number, digits, named=named, plans=count < INTERNATIONAL)
        if len(digits) > MOST or (self._never(before) and not self._nanp.fullmatch(number)):
            return 0.0
        alone = len(text) - (end - start) <= 2 and text.strip(" \n.") == text[start:end]
        return self._national(number, digits, named=named, alone=alone, plans=count < CANDIDATES)

    def _international(self, number: str, digits: str, *, named: bool, plans: bool) -> float:
        """With a country code, the numbering plan decides; only a spaced number with a word beside it may break it."""
        if digits.startswith("00"):
            digits = digits[2:]
        if not plans:
            return 0.6 if len(digits) <= MOST else 0.0
        plain = f"+{digits}" if number[0] != "+" else number
        if number[:4].lower() == "tel:":
            plain = number[4:]
        if any(_is_valid(plain, region) for region in (self._regions if plain[0] != "+" else ("ZZ",))):
            return 0.95
        compact = number.lstrip("+").isdigit()
        return 0.6 if named and not compact and 8 <= len(digits) <= MOST else 0.0

    def _national(self, number: str, digits: str, *, named: bool, alone: bool, plans: bool) -> float:
        american = self._nanp.fullmatch(number) is not None
        spaced = not number.isdigit()
        if self._never_phone(number) or number.strip("(") in ("1234567890", "0123456789"):
            return 0.0
        if not named:
            if self._seldom(number) and not (alone and len(self._regions) == 1):
                return 0.0
            shaped = spaced and (american or number[0] in "0(") and len(digits) >= 9
            if not shaped and not (alone and len(digits) <= 11):
                return 0.0
        if len(digits) < FEWEST:
            return (
                0.7 if plans and any(_is_valid(number, region) for region in SHORT_PLANS & set(self._regions)) else 0.0
            )
        if plans and any(_is_valid(number, region) for region in self._regions):
            return 0.9 if named else 0.75
        if american:
            return 0.7 if named else 0.6
        return 0.65 if named and len(digits) <= 13 and (spaced or len(digits) >= 9) else 0.0


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no letter, digit or sign of another kind of number touches the span."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (joins(before[-1]) or before[-1] in "_$€£¥#@%=&" or (before[-1] in ".-/:" and joins(before[0]))):
        return len(before) == 2 and before[-1] == ":" and not before[0].isdigit()
    if not after:
        return True
    if joins(after[0]) or after[0] in "_%@=" or after[0] in _COUNTED:
        return False
    return not (after[0] in ".,:" and after[1:].isdigit())


@cache
def _plans() -> ModuleType:
    """The numbering plans, loaded with the first guard that needs them."""
    import phonenumbers

    return phonenumbers


def _is_valid(number: str, region: str) -> bool:
    plans = _plans()
    try:
        return bool(plans.is_valid_number(plans.parse(number, region)))
    except plans.NumberParseException:
        return False
