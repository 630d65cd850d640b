"""One method for each type of personal data but telephone numbers: text in; start, end and confidence out."""

from collections.abc import Callable, Iterator

import re2

from llmctl.guards import pii_patterns as patterns
from llmctl.guards import pii_validators as validators
from llmctl.guards.pii_validators import digits_of

Place = tuple[int, int, float]
Finder = Callable[[str], Iterator[Place]]
NEAR = 48
"""How far before a number a word about it may stand, in characters."""
_SEPARATORS = " .-"


class Finders:
    """The patterns, compiled, and what decides about each match."""

    def __init__(self) -> None:
        self._email = re2.compile(patterns.EMAIL).finditer
        self._credentials = re2.compile(patterns.URL_CREDENTIALS).finditer
        self._numbers = re2.compile(patterns.NUMBER_GROUPS).finditer
        self._iban = re2.compile(patterns.IBAN_START).finditer
        self._nine = re2.compile(patterns.NINE_DIGITS).finditer
        self._ip = re2.compile(patterns.IP).finditer
        self._mac = re2.compile(patterns.MAC).finditer
        self._crypto = re2.compile(patterns.CRYPTO).finditer
        self._birth = re2.compile(patterns.DATE_OF_BIRTH).finditer
        self._passport = re2.compile(patterns.PASSPORT).finditer
        self._licence = re2.compile(patterns.DRIVER_LICENSE).finditer
        self._ssn_words = re2.compile(patterns.SSN_WORDS).search
        self._itin_words = re2.compile(patterns.ITIN_WORDS).search
        self._card_words = re2.compile(patterns.CARD_WORDS).search
        self._crypto_words = re2.compile(patterns.CRYPTO_WORDS).search
        self._version_words = re2.compile(patterns.VERSION_WORDS).search

    def of(self, entity: str) -> Finder:
        """The finder of one type."""
        finders: dict[str, Finder] = {
            "EMAIL": self.emails,
            "URL_CREDENTIALS": self.credentials,
            "IBAN": self.ibans,
            "CARD": self.cards,
            "SSN": self.ssns,
            "ITIN": self.itins,
            "IP": self.ips,
            "MAC": self.macs,
            "CRYPTO": self.wallets,
            "DATE_OF_BIRTH": self.births,
            "PASSPORT": self.passports,
            "DRIVER_LICENSE": self.licences,
        }
        return finders[entity]

    def emails(self, text: str) -> Iterator[Place]:
        """Addresses, without what merely touches them."""
        for match in self._email(text):
            start, end = match.span()
            at = match.end(1)
            start += _foreign_head(text[start:at])
            end = at + 1 + len(text[at + 1 : end].partition("..")[0].rstrip(".-"))
            end -= _foreign_tail(text[at + 1 : end])
            local = text[start:at]
            if local[0] != '"':
                if "?" in local or "&" in local or "//" in local:
                    local = local[max(map(local.rfind, "?&=/")) + 1 :]  # a URL with an address in its query
                dots = local.rstrip(".").rfind("..")
                local = local[dots + 2 if dots >= 0 else 0 :].lstrip(".'`*=/-~|{&?")
                start = at - len(local)
            if local and _plausible(local, text[at + 1 : end]):
                yield start, end, 1.0

    def credentials(self, text: str) -> Iterator[Place]:
        """URLs that carry a user's name and password."""
        for match in self._credentials(text):
            yield match.start(), match.end(), 0.95

    def ibans(self, text: str) -> Iterator[Place]:
        """IBANs, also in groups. What follows one may look like more of it, so its country's length ends it."""
        for match in self._iban(text):
            start = match.start()
            length = validators.iban_length(match.group()[:2])
            end = _end_after(text, start, length) if length else -1
            if end < 0 or text[end : end + 1].isalnum():
                continue
            value = text[start:end]
            plain = "".join(filter(str.isalnum, value))
            if not (value.isupper() or value[2].isdigit()):
                continue  # "is 1234 5678 and so on"
            if len(digits_of(plain)) >= 8 and validators.is_iban(plain):
                yield start, end, 1.0

    def cards(self, text: str) -> Iterator[Place]:
        """Card numbers: a row of 12 to 19 digits, or groups as they are printed."""
        for match in self._numbers(text):
            if match.end() - match.start() < 12:
                continue
            for start, end in _card_windows(match.group()):
                place = (match.start() + start, match.start() + end)
                if not _in_a_word(text, *place):
                    digits = digits_of(match.group()[start:end])
                    named = self._near(self._card_words, text, place[0])
                    if validators.is_card(digits) and (len(digits) > 12 or named or place == (0, len(text))):
                        yield *place, 1.0 if named else 0.9
                        break

    def ssns(self, text: str) -> Iterator[Place]:
        """US social security numbers. Nine digits in a row need a word before them, or a text of their own."""
        for match in self._nine(text):
            start, end = match.span()
            if _in_a_word(text, start, end) or _in_a_row(text, start, end):
                continue
            if not validators.is_ssn(digits_of(match.group())):
                continue
            named = self._near(self._ssn_words, text, start)
            if named or end - start > 9:
                yield start, end, 1.0 if named else 0.85
            else:
                yield start, end, 0.6 if text.strip() == match.group() else 0.5

    def itins(self, text: str) -> Iterator[Place]:
        """US taxpayer numbers, where a word says so: they have no check digit, and other numbers have their form."""
        for match in self._nine(text):
            start, end = match.span()
            if self._near(self._itin_words, text, start) and validators.is_itin(digits_of(match.group())):
                yield start, end, 0.9

    def ips(self, text: str) -> Iterator[Place]:
        """IP addresses of either version, but not versions of software."""
        for match in self._ip(text):
            start, end = match.span()
            value = match.group()
            if ":" in value and value.endswith(":") and not value.endswith("::"):
                end -= 1
            value = text[start:end]
            if _in_a_word(text, start, end) or not validators.is_ip(value):
                continue
            if ":" in value and len(value) < 6:
                continue  # "a::b" is rather C++, and "1::2" a slice
            if not self._version_words(text[max(0, start - 12) : start]):
                yield start, end, 0.85

    def macs(self, text: str) -> Iterator[Place]:
        """Hardware addresses, but not the empty and the broadcast one."""
        for match in self._mac(text):
            if len(set(match.group().lower()) - set(":-.")) > 1:
                yield match.start(), match.end(), 0.9

    def wallets(self, text: str) -> Iterator[Place]:
        """Bitcoin addresses by checksum; Ethereum ones, whose checksum needs Keccak, by a word before them."""
        for match in self._crypto(text):
            if match.group()[:2] == "0x":
                if self._near(self._crypto_words, text, match.start()):
                    yield match.start(), match.end(), 0.8
            elif validators.is_bitcoin(match.group()):
                yield match.start(), match.end(), 1.0

    def births(self, text: str) -> Iterator[Place]:
        """Dates that the text calls a date of birth."""
        for match in self._birth(text):
            yield match.start(1), match.end(1), 0.85

    def passports(self, text: str) -> Iterator[Place]:
        """Numbers that the text calls a passport's."""
        for match in self._passport(text):
            yield match.start(1), match.end(1), 0.8

    def licences(self, text: str) -> Iterator[Place]:
        """Numbers that the text calls a driving licence's."""
        for match in self._licence(text):
            if len(digits_of(match.group(1))) >= 5:
                yield match.start(1), match.end(1), 0.8

    def _near(self, words: Callable[[str], object], text: str, start: int) -> bool:
        return words(text[max(0, start - NEAR) : start]) is not None


def _plausible(local: str, domain: str) -> bool:
    """Whether mail could go there. The local part of a found address may be any: better one too many."""
    return validators.is_domain(domain) and len(local) <= 128


def _foreign_head(local: str) -> int:
    """How many characters before an ASCII local part belong to the sentence: Chinese or Thai writes no space there."""
    if not local[-1].isascii() or local.isascii() or local[0] == '"':
        return 0
    return max((n + 1 for n, char in enumerate(local) if ord(char) >= 0x2E80 or 0xE00 <= ord(char) < 0xF00), default=0)


def _foreign_tail(domain: str) -> int:
    """How many characters after an ASCII domain belong to the sentence."""
    last = domain.rpartition(".")[2]
    plain = len(last) - len(last.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"))
    return len(last) - plain if plain >= 2 else 0


def _in_a_word(text: str, start: int, end: int) -> bool:
    """Whether the span is only part of a longer word or number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (before[-1].isalnum() or before[-1] in "_+" or (before[-1] in ".-" and before[0].isalnum())):
        return True
    if not after:
        return False
    return after[0].isalnum() or after[0] == "_" or (after[0] in ".-" and after[1:].isdigit())


def _in_a_row(text: str, start: int, end: int) -> bool:
    """Whether more digits stand beside the span, as in a telephone number in groups."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:] == "+" or (before[-1:] == " " and before[:1].isdigit()):
        return True
    return after[:1] == " " and after[1:].isdigit()


def _end_after(text: str, start: int, length: int) -> int:
    """Where `length` letters and digits, with at most one separator between two, end; -1 if they do not."""
    at, seen = start, 0
    while seen < length:
        if at >= len(text):
            return -1
        if text[at].isascii() and text[at].isalnum():
            seen += 1
        elif text[at] not in _SEPARATORS or text[at - 1] in _SEPARATORS:
            return -1
        at += 1
    return at


def _card_windows(run: str) -> Iterator[tuple[int, int]]:
    """The parts of digit groups that may be a card: one group, or groups as printed (4-4-4-4, 4-6-5, …)."""
    groups: list[tuple[int, int]] = []
    at = 0
    for group in run.replace("-", " ").split(" "):
        groups.append((at, at + len(group)))
        at += len(group) + 1
    for first, (start, end) in enumerate(groups):
        if 12 <= end - start <= 19:
            yield start, end
            continue
        if end - start != 4:
            continue
        sizes = [to - begin for begin, to in groups[first : first + 5]]
        for count in range(5, 2, -1):
            inner, last = sizes[1 : count - 1], sizes[count - 1] if len(sizes) >= count else 0
            fours = all(size == 4 for size in inner) and 1 <= last <= 4
            if last and (fours or (inner == [6] and last in (4, 5))):
                yield start, groups[first + count - 1][1]
