"""Text as the lexicon and the heads read it: folded, stripped of accents and look-alikes, and cut into words.

Most text fits into one byte a character, where a table of 256 does all at once; what does not is lowered as a whole and
looked at a character at a time only where it holds rarer marks.
"""

# ruff: noqa: RUF001 (letters of many languages are meant)

import re
import unicodedata

import re2

LEET = str.maketrans("@$!|013457+", "asiioieastt")
ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_LOOKALIKES = dict(
    zip("авеікмнорстухьѕјαεικνορτυχ", "aeeikmhopctyxbsjaeikvoptux", strict=False), ı="i", ł="l", ø="o", ß="s"
)
_COMMON = "“”„–—…，。、"  # replaced unseen: to look for a mark costs more
_MARKS = 8  # kinds of other marks that are replaced one by one


class _Fold(dict[int, str]):
    """For str.translate: lower case, everything that is no part of a word becomes a space; lengths stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        lower = char.lower()
        if char == "\u2019":
            folded = "'"
        elif char.isalnum() or char == "'" or unicodedata.category(char)[0] == "M" or char in ZERO_WIDTH:
            folded = lower if len(lower) == 1 else char
        else:
            folded = " "
        if len(self) < 20_000:
            self[code] = folded
        return folded


class _Plain(dict[int, str]):
    """For str.translate: accents and look-alikes as plain small letters, leetspeak too if wanted; lengths stay."""

    def __init__(self, leet: dict[int, int]) -> None:
        self._leet = leet

    def __missing__(self, code: int) -> str:
        lower = chr(code).lower()[0]
        plain = _LOOKALIKES.get(lower) or unicodedata.normalize("NFKD", lower)[0].translate(self._leet)
        if len(self) < 20_000:
            self[code] = plain
        return plain


def _single(alphabet: str) -> bytes:
    """The table of `_Plain` without leetspeak for an alphabet of one byte a letter."""
    chars = bytes(range(256)).decode(alphabet)
    return "".join(plain if (plain := _BARE[ord(char)]) in chars else char for char in chars).encode(alphabet)


_FOLD = _Fold()
PLAIN = _Plain(LEET)
_BARE = _Plain({})
_LATIN_FOLD = "".join(_FOLD[code] for code in range(256)).encode("latin-1")
_LATIN_BARE = _single("latin-1")
_TABLES = [(alphabet, _single(alphabet)) for alphabet in ("iso8859_2", "iso8859_9")]
_WORDS = bytes(ord("0") if 48 <= code < 58 else code for code in range(256))  # all numbers of a length are one word
_LATIN_WORDS = _LATIN_FOLD.translate(_WORDS)
_DIGITS = {ord(digit): "0" for digit in "123456789"}
_ASCII_FOLD = bytes(code if code > 127 else _LATIN_FOLD[code] for code in range(256))
_RARE = re2.compile(r"[^\pL\pN\pM '\x{ad}\x{200b}-\x{200f}\x{2060}\x{feff}]")
_MIXED = re2.compile(r"[a-z][^\x00-\x7f]|[^\x00-\x7f][a-z]|[\x{ff41}-\x{ff5a}\x{1d400}-\x{1d7ff}]")
_LOOSE = re.compile(r"(?<![^ ])'++|(?<!')'++(?= |$)")


def read(text: str) -> tuple[str, list[str]]:
    """A text folded, and the `words` of that: which apostrophes are left in does not matter for them."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        folded = fold(text)
        return folded, words(folded)
    folded = raw.translate(_LATIN_FOLD).decode("latin-1")
    return _loosened(folded) if "'" in folded else folded, raw.translate(_LATIN_WORDS, b"'").decode("latin-1").split()


def fold(text: str) -> str:
    """Lower case, punctuation as spaces, apostrophes only within words; as long as `text`."""
    try:
        folded = text.encode("latin-1").translate(_LATIN_FOLD).decode("latin-1")
    except UnicodeEncodeError:
        folded = _wide(text)
    return _loosened(folded) if "'" in folded else folded


def _loosened(folded: str) -> str:
    if " '" in folded or "' " in folded or folded[0] == "'" or folded[-1] == "'":
        return _LOOSE.sub(lambda found: " " * len(found.group()), folded)
    return folded


def _wide(text: str) -> str:
    lower = text.lower()
    if len(lower) != len(text):
        return text.translate(_FOLD)
    lower = lower.replace("\u2019", "'")
    for mark in _COMMON:
        lower = lower.replace(mark, " ")
    try:
        raw = lower.encode("utf-8").translate(_ASCII_FOLD)
    except UnicodeEncodeError:  # lone surrogates
        return text.translate(_FOLD)
    at = 0
    for _ in range(_MARKS):
        rare = _RARE.search(raw, at)
        if rare is None:
            return raw.decode("utf-8")
        at = rare.start()
        raw = raw.replace(rare.group(), b" ")
    return text.translate(_FOLD)


def refold(text: str) -> str:
    """`fold` of what another table made of a text, apostrophes and all."""
    return text.translate(_FOLD)


def bare(folded: str) -> str:
    """Without accents and look-alikes; the same text if it has none beside plain letters. As long as `folded`."""
    if folded.isascii():
        return folded
    try:
        return folded.encode("latin-1").translate(_LATIN_BARE).decode("latin-1")
    except UnicodeEncodeError:
        if _MIXED.search(folded.encode("utf-8", "replace")) is None:
            return folded
    for alphabet, table in _TABLES:
        try:
            return folded.encode(alphabet).translate(table).decode(alphabet)
        except UnicodeEncodeError:
            continue
    return folded.translate(_BARE)


def words(folded: str) -> list[str]:
    """The words of a folded text, without apostrophes, digits all 0."""
    try:
        return folded.encode("latin-1").translate(_WORDS, b"'").decode("latin-1").split()
    except UnicodeEncodeError:
        return folded.replace("'", "").split()


def plain_word(word: str) -> str:
    """One of `words` in plain letters, as the heads read it."""
    return word.translate(_DIGITS) if word.isascii() else word.translate(_BARE).translate(_DIGITS)
