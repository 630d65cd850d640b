"""The severity lexicon and where its terms occur in a text, also spelt in leetspeak, stretched or spaced out."""

# ruff: noqa: RUF001 (letters of many languages are meant)

import re
import unicodedata
from functools import cache
from importlib import resources
from typing import Any

import re2
from msgspec import Struct

LEXICON = "weights/lexicon.txt"
MAX_ODD = 400  # tokens spelt oddly that are looked at one by one
CONTRACTIONS = {
    "dont": "don't",
    "youre": "you're",
    "ill": "i'll",
    "im": "i'm",
    "someones": "someone's",
}

LEET = str.maketrans("@$!|013457+", "asiioieastt")
_ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_LOOKALIKES = dict(
    zip("авеікмнорстухьѕјαεικνορτυχ", "aeeikmhopctyxbsjaeikvoptux", strict=False), ı="i", ł="l", ø="o", ß="s"
)
_LOOKALIKES |= {"а": "a", "в": "b", "е": "e", "і": "i"}

# What the plain scan would miss; linear, and on ordinary English it does not match.
_ODD = re2.compile(
    r"(?i)[a-z][@$!|*013457#]+[a-z]|[@$][@$a-z]*[a-z]|[a-z]\$|"
    + "|".join(letter * 3 for letter in "abcdefghijklmnopqrstuvyz")
    + r"|(?:^|[^a-z])(?:[a-z][ .\-_*]){3,}[a-z](?:$|[^a-z])"
    + "|[a-z][^\\x00-\\x7f]|[^\\x00-\\x7f][a-z]|[\\x{200b}-\\x{200f}\\x{2060}\\x{feff}\\x{ad}]"
)
_AROUND = ".,;:?()\"'-"
_TOKEN = re.compile(r"\S+")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W\d_][ .\-_*]){3,}[^\W\d_](?![^\W_])")
_STRETCHED = re.compile(r"(.)\1{2,}")
_NOT_A_WORD = re.compile(r"[\W_]+")


class Hit(Struct, frozen=True, gc=False):
    """A term found, in characters of the text; `severity` 1 to 3."""

    start: int
    end: int
    category: str
    severity: int


class _Fold(dict[int, str]):
    """For str.translate: lower case, everything that is no part of a word becomes a space; lengths stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        lower = char.lower()
        if char == "\u2019":
            folded = "'"
        elif char.isalnum() or char == "'" or unicodedata.category(char)[0] == "M" or char in _ZERO_WIDTH:
            folded = lower if len(lower) == 1 else char
        else:
            folded = " "
        if len(self) < 20_000:
            self[code] = folded
        return folded


class _Plain(dict[int, str]):
    """For str.translate: leetspeak, accents and look-alikes as plain small letters; lengths stay."""

    def __missing__(self, code: int) -> str:
        lower = chr(code).lower()[0]
        plain = _LOOKALIKES.get(lower) or unicodedata.normalize("NFKD", lower)[0].translate(LEET)
        if len(self) < 20_000:
            self[code] = plain
        return plain


_FOLD = _Fold()
_PLAIN = _Plain()


def fold(text: str) -> str:
    """Lower case, punctuation as spaces; as long as `text`."""
    return text.translate(_FOLD)


class Lexicon:
    """An Aho-Corasick automaton of the terms of a lexicon file. Raises ValueError at a line it cannot read."""

    def __init__(self, source: str) -> None:
        import ahocorasick  # type: ignore[import-not-found, unused-ignore]

        terms: dict[str, list[tuple[int, str, int, bool]]] = {}
        for line in source.splitlines():
            if line and not line.startswith("#"):
                for key, entry in _entries(line):
                    terms.setdefault(key, []).append(entry)
        self._automaton: Any = ahocorasick.Automaton()
        for key, entries in terms.items():
            self._automaton.add_word(key, tuple(entries))
        self._automaton.make_automaton()

    def find(self, text: str, folded: str) -> list[Hit]:
        """The terms in `text`, whose `fold` is given, in order; the longest of those that start at one place."""
        best = self._plain(folded)
        if _ODD.search(text.encode("utf-8", "replace")) is not None:  # RE2 cannot read a lone surrogate
            for start, hit in self._odd(text, folded).items():
                if start not in best or best[start].severity < hit.severity:
                    best[start] = hit
        return [best[start] for start in sorted(best)] if best else []

    def _plain(self, folded: str) -> dict[int, Hit]:
        best: dict[int, Hit] = {}
        padded = f" {folded} "
        for at, entries in self._automaton.iter(padded):
            after = padded[at + 1] if at + 1 < len(padded) else " "
            for length, category, severity, prefix in entries:
                if not prefix and (after.isalnum() or after == "'"):
                    continue
                start = at - length
                end = min(at, len(folded))
                known = best.get(start)
                if known is None or (severity, end) > (known.severity, known.end):
                    best[start] = Hit(start, end, category, severity)
        return best

    def _odd(self, text: str, folded: str) -> dict[int, Hit]:
        found: dict[int, Hit] = {}
        pieces = list(folded)
        looked = 0
        for token in _TOKEN.finditer(text):
            word = token.group()
            core = word.strip(_AROUND)
            respelt = not core.isalpha() or _STRETCHED.search(core) is not None
            if not respelt and core.isascii():
                continue
            looked += 1
            if looked > MAX_ODD:
                break
            plain = word.translate(_PLAIN)
            pieces[token.start() : token.end()] = plain.translate(_FOLD)
            if not respelt:
                continue
            bare = _NOT_A_WORD.sub("", plain)
            for variant in {bare, _STRETCHED.sub(r"\1", bare), _NOT_A_WORD.sub("", word.lower())}:
                self._whole(variant, token.start(), token.end(), found)
        for spaced in _SPACED.finditer(text):
            self._whole(_NOT_A_WORD.sub("", spaced.group()).lower(), spaced.start(), spaced.end(), found)
        if looked:
            found |= self._plain("".join(pieces))
        return found

    def _whole(self, word: str, start: int, end: int, found: dict[int, Hit]) -> None:
        """Look one respelt token up; what is found in it spans all of it."""
        for hit in self._plain(word).values():
            if start not in found or found[start].severity < hit.severity:
                found[start] = Hit(start, end, hit.category, hit.severity)


def _entries(line: str) -> list[tuple[str, tuple[int, str, int, bool]]]:
    head, colon, terms = line.partition(":")
    category, _, severity = head.rpartition(" ")
    if not colon or severity not in ("1", "2", "3"):
        raise ValueError(f"lexicon: not `category severity: terms`: {line[:40]}")
    entries = []
    for term in terms.split(","):
        stem = term.strip()
        spaceless = not stem.isascii() and any("\u3040" <= char <= "\ud7af" for char in stem)
        prefix = stem.endswith("*") or spaceless
        stem = stem.rstrip("*")
        words = stem.split()
        contracted = " ".join(CONTRACTIONS.get(word, word) for word in words)
        for spelling in {stem, contracted}:
            key = spelling if spaceless else f" {spelling}"
            entries.append((key, (len(spelling), category, int(severity), prefix)))
    return entries


@cache
def lexicon() -> Lexicon:
    """The shipped lexicon, read once."""
    return Lexicon(resources.files("llmctl.guards").joinpath(LEXICON).read_text(encoding="utf-8"))
