"""One method for each type of personal data but telephone numbers: text in; start, end and confidence out."""

import re
from collections.abc import Callable, Iterator

import re2

from llmctl.guards import pii_patterns as patterns
from llmctl.guards import pii_validators as validators
from llmctl.guards import pii_words as words
from llmctl.guards.pii_cards import card_windows
from llmctl.guards.pii_validators import digits_of

Place = tuple[int, int, float]
Finder = Callable[[str], Iterator[Place]]
NEAR = 48
"""How far before a number a word about it may stand, in characters."""
_SEPARATORS = " .-"
_UNUSUAL = re.compile("[:,/]|(?:^|[^0-9])[0-9]{1,2}[^0-9]+[0-9]{1,2}(?:[^0-9]|$)")
"""Times, lists and dates are written so, and cards seldom."""


class Finders:
    """The patterns, compiled, and what decides about each match."""

    def __init__(self) -> None:
        self._email = re2.compile(patterns.EMAIL).finditer
        self._spelled = re2.compile(patterns.SPELLED_EMAIL).finditer
        self._spelled_dot = re2.compile(patterns.SPELLED_DOT)
        self._credentials = re2.compile(patterns.URL_CREDENTIALS).finditer
        self._numbers = re2.compile(patterns.NUMBER_GROUPS).finditer
        self._iban = re2.compile(patterns.IBAN_START).finditer
        self._nine = re2.compile(patterns.NINE_DIGITS).finditer
        self._ip = re2.compile(patterns.IP).finditer
        self._mac = re2.compile(patterns.MAC).finditer
        self._crypto = re2.compile(patterns.CRYPTO).finditer
        self._birth = re2.compile(patterns.DATE_OF_BIRTH).finditer
        self._born_after = re2.compile(words.BORN_AFTER).finditer
        self._passport = re2.compile(patterns.PASSPORT).finditer
        self._licence = re2.compile(patterns.DRIVER_LICENSE).finditer
        self._national = re2.compile(patterns.NATIONAL_ID).finditer
        self._ssn_words = re2.compile(patterns.SSN_WORDS).search
        self._itin_words = re2.compile(patterns.ITIN_WORDS).search
        self._card_words = re2.compile(patterns.CARD_WORDS).search
        self._crypto_words = re2.compile(patterns.CRYPTO_WORDS).search
        self._version_words = re2.compile(patterns.VERSION_WORDS).search

    def of(self, entity: str) -> Finder:
        """The finder of one type."""
        finders: dict[str, Finder] = {
            "EMAIL": self.emails,
            "SPELLED": self.spelled_emails,
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
            "NATIONAL_ID": self.national_ids,
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
            local = _own(text[start:at])
            start = at - len(local)
            end -= _next_sentence(text[at + 1 : end])
            if local[:1] == "_" and text[end : end + 1] == "_":
                start, local = start + 1, local[1:]
            if local and _plausible(local, text[at + 1 : end]):
                yield start, end, 1.0

    def spelled_emails(self, text: str) -> Iterator[Place]:
        """Addresses written for people: jane (at) example (dot) com."""
        for match in self._spelled(text):
            if _plausible(match.group(1), self._spelled_dot.sub(".", match.group(2))):
                yield match.start(), match.end(), 0.9

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
            if end < 0 or joins(text[end : end + 1] or " "):
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
            done = 0
            for start, end in card_windows(match.group()):
                if start < done:
                    continue
                place = (match.start() + start, match.start() + end)
                decimal = re.search(r"(?:^|[\s(\[,-])\.$", text[max(0, place[0] - 2) : place[0]])  # .4691156744957
                if not decimal and not _in_a_word(text, *place):
                    digits = digits_of(match.group()[start:end])
                    named = self._near(self._card_words, text, place[0])
                    sure = named or place == (0, len(text))
                    usual = len(digits) > 12 and not _UNUSUAL.search(match.group()[start:end])
                    if validators.is_card(digits) and (usual or sure):
                        yield *place, 1.0 if named else 0.9
                        done = end

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
            longer = "." in match.group() and _in_a_word(text, *match.span())
            if not longer and len(set(match.group().lower()) - set(":-.")) > 1:
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
        for match in self._born_after(text):
            yield match.start(1), match.end(1), 0.85

    def passports(self, text: str) -> Iterator[Place]:
        """Numbers that the text calls a passport's."""
        for match in self._passport(text):
            if len(digits_of(match.group(1))) < 4:
                continue
            yield match.start(1), match.end(1), 0.8

    def licences(self, text: str) -> Iterator[Place]:
        """Numbers that the text calls a driving licence's."""
        for match in self._licence(text):
            if len(digits_of(match.group(1))) >= 5:
                yield match.start(1), match.end(1), 0.8

    def national_ids(self, text: str) -> Iterator[Place]:
        """Numbers that the text calls those of an identity card, of a person's taxes or insurance."""
        for match in self._national(text):
            if len(digits_of(match.group(1))) >= 6:
                yield match.start(1), match.end(1), 0.8

    def _near(self, words: Callable[[str], object], text: str, start: int) -> bool:
        return words(text[max(0, start - NEAR) : start]) is not None


def _plausible(local: str, domain: str) -> bool:
    """Whether mail could go there. The local part of a found address may be any: better one too many."""
    return validators.is_domain(domain) and len(local) <= 128


def _own(local: str) -> str:
    """A local part without the key, path or markup that touches it."""
    if local[0] == '"':
        return local
    if "?" in local or "&" in local or "//" in local:
        local = local[max(map(local.rfind, "?&=/")) + 1 :]  # a URL with an address in its query
    sign = local.rfind("=")
    if sign >= 0 and "+" not in local[:sign]:  # bounces carry another address: bounce+jo=example.org
        local = local[sign + 1 :]
    slash = local.rfind("/")
    if slash >= 0 and ("." in local[:slash] or "/" in local[:slash]):
        local = local[slash + 1 :]
    local = local[local.rfind("|") + 1 :]
    dots = local.rstrip(".").rfind("..")
    return local[dots + 2 if dots >= 0 else 0 :].lstrip(".'`*=/-~|{&?#")


def _next_sentence(domain: str) -> int:
    """How many characters after a domain begin a sentence, where the blank between was forgotten."""
    first, _, last = domain.rpartition(".")
    return len(last) + 1 if "." in first and first.islower() and last.istitle() else 0


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


def joins(char: str) -> bool:
    """Whether a character beside a number makes one word of both: not in scripts that write no blanks, or particles."""
    return char.isalnum() and not (ord(char) >= 0x2E80 or 0xE00 <= ord(char) < 0xF00)


def _in_a_word(text: str, start: int, end: int) -> bool:
    """Whether the span is only part of a longer word or number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (joins(before[-1]) or before[-1] in "_+" or (before[-1] in ".-" and joins(before[0]))):
        return True
    if not after:
        return False
    return joins(after[0]) or after[0] == "_" or (after[0] in ".-" and after[1:].isdigit())


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
