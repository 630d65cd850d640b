"""The severity lexicon and where its terms occur in a text, also spelt in leetspeak, stretched or spaced out."""

import re
from functools import cache
from importlib import resources
from typing import Any

import re2
from msgspec import Struct

from llmctl.guards.toxicity_fold import PLAIN, bare, refold
from llmctl.guards.toxicity_fold import fold as fold

LEXICON = "weights/lexicon.txt"
MAX_ODD = 400  # tokens spelt oddly that are looked at one by one
CONTRACTIONS = {
    "dont": "don't",
    "youre": "you're",
    "ill": "i'll",
    "im": "i'm",
    "someones": "someone's",
}

# What the plain scan would miss; linear, and on ordinary text it does not match.
_ODD = re2.compile(
    r"(?i)[a-z][@$!|*013457#]+[a-z]|[@$][@$a-z]*[a-z]|[a-z]\$|"
    + "|".join(letter * 3 for letter in "abcdefghijklmnopqrstuvyz")
    + r"|(?:^|[^a-z])(?:[a-z][ .\-_*]){3,}[a-z](?:$|[^a-z])"
    + "|[\\x{200b}-\\x{200f}\\x{2060}\\x{feff}\\x{ad}]"
)
_LETTERS = range(ord("a"), ord("z") + 1)
_CLASSES = bytes(
    ord("a")
    if code | 32 in _LETTERS
    else code
    if code == ord("$")
    else ord("1")
    if code in b"@!|*013457#"
    else ord(" ")
    for code in range(256)
)
_AROUND = ".,;:?()\"'-"
_TOKEN = re.compile(r"\S+")
_CODED = re.compile(  # hexadecimal and the like, not leetspeak
    r"(?<![^\W_])(?=[a-z]*\d)(?:[\da-f]{4,}|[\da-z]{25,})(?![^\W_])", re.IGNORECASE
)
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W\d_][ .\-_*]){3,}[^\W\d_](?![^\W_])")
_STRETCHED = re.compile(r"(.)\1{2,}")
_SPELT = re.compile(r"(?<![^\W_])(?:[^\W\d_][ .\-_*])+[^\W\d_]?$")  # may become `_SPACED`
_ENDED = re.compile(r"(?:[.!?…][)\"'\]*\u201d]{0,2}\s|[。！？।؟\n])\s*$")  # noqa: RUF001 (other scripts' full stops)
_NOT_A_WORD = re.compile(r"[\W_]+")


class Hit(Struct, frozen=True, gc=False):
    """A term found, in characters of the text; `severity` 1 to 3."""

    start: int
    end: int
    category: str
    severity: int


def respelt(text: str) -> bool:
    """Whether letters and the marks that stand for letters touch in a way that `_ODD` might match; quick."""
    try:
        classes = text.encode().translate(_CLASSES)
    except UnicodeEncodeError:
        return True
    return b"1a" in classes or b"$" in classes


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
        self._words = max(key.count(" ") for key in terms)
        self._spaceless = max((len(key) for key in terms if key[0] != " "), default=0)

    def find(self, text: str, folded: str, odd: bool = True) -> list[Hit]:
        """The terms in `text`, whose `fold` is given, in order; the longest of those that start at one place.

        `odd` is whether a word is stretched, spaced out or holds invisible characters, as the heads tell.
        """
        best = self._plain(folded)
        stripped = folded if folded.isascii() else bare(folded)
        if stripped is not folded and stripped != folded:
            _merge(best, self._plain(stripped))
        if (odd or respelt(text)) and _ODD.search(text.encode("utf-8", "replace")) is not None:
            _merge(best, self._odd(text, stripped))  # RE2 cannot read a lone surrogate
        return [best[start] for start in sorted(best)] if best else []

    def unsettled(self, text: str, most: int) -> int:
        """How many of the last characters, at most `most`, may become part of a term within the same sentence."""
        tail = text[-most:]
        if not tail or _ENDED.search(tail) is not None:
            return 0
        folded = fold(tail)
        held = max(self._begun(variant) for variant in {folded, bare(folded), refold(tail.translate(PLAIN))})
        if (spelt := _SPELT.search(tail)) is not None:
            held = max(held, len(tail) - spelt.start())
        last = tail.split()[-1] if not tail[-1].isspace() else ""
        return max(held, min(len(last), self._spaceless) if last[-1:] > "\u2e80" else len(last))

    def _begun(self, folded: str) -> int:
        """How long the longest end of a folded text is with which a term begins."""
        starts = [found.start() for found in _TOKEN.finditer(folded)]
        for start in starts[-self._words :]:
            if self._automaton.match(f" {folded[start:]}"):
                return len(folded) - start
        return 0

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
            if core.isalpha() and _STRETCHED.search(core) is None:
                continue
            looked += 1
            if looked > MAX_ODD:
                break
            word = _CODED.sub(lambda code: " " * len(code.group()), word)
            plain = word.translate(PLAIN)
            pieces[token.start() : token.end()] = refold(plain)
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


def _merge(best: dict[int, Hit], more: dict[int, Hit]) -> None:
    for start, hit in more.items():
        if start not in best or best[start].severity < hit.severity:
            best[start] = hit


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
