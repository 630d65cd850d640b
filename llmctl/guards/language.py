"""Which language a text is in: by script where that settles it, else by common words and telling letters.

Reads at most the first 320 characters. Short texts, code and mixtures are uncertain, and uncertain is allowed unless
the preset is strict.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import ClassVar

from msgspec import Struct
from pydantic import Field, field_validator

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Verdict

PROFILES = "weights/languages.txt"
READ = 320  # characters that are read
SAMPLE = 48  # letters whose script is looked at
WORDS = 50  # words that are looked up
THRESHOLDS: dict[Preset, float] = {"strict": 0.35, "balanced": 0.55, "lenient": 0.8}
ENOUGH = 64  # characters of a stream in which a language shows; half as many where the letters are not Latin alone
SURE = 2.0  # words of evidence below which letter groups are asked too

# First and last code point; a script that one language uses here is named by the language.
_SCRIPTS = (
    *((0x41, 0x24F, "latin"), (0x1E00, 0x1EFF, "latin"), (0x370, 0x3FF, "el"), (0x1F00, 0x1FFF, "el")),
    *((0x400, 0x52F, "cyrillic"), (0x530, 0x58F, "hy"), (0x590, 0x5FF, "he"), (0x600, 0x77F, "arabic")),
    *((0xFB50, 0xFDFF, "arabic"), (0xFE70, 0xFEFF, "arabic"), (0x900, 0x97F, "devanagari"), (0x980, 0x9FF, "bn")),
    *((0xA00, 0xA7F, "pa"), (0xA80, 0xAFF, "gu"), (0xB80, 0xBFF, "ta"), (0xC00, 0xC7F, "te"), (0xC80, 0xCFF, "kn")),
    *((0xD00, 0xD7F, "ml"), (0xD80, 0xDFF, "si"), (0xE00, 0xE7F, "th"), (0xE80, 0xEFF, "lo"), (0x1000, 0x109F, "my")),
    *((0x10A0, 0x10FF, "ka"), (0x1100, 0x11FF, "ko"), (0x1200, 0x137F, "am"), (0x1780, 0x17FF, "km")),
    *((0x3040, 0x30FF, "ja"), (0x3400, 0x9FFF, "han"), (0xAC00, 0xD7AF, "ko"), (0xF900, 0xFAFF, "han")),
)
_WRITTEN = {
    "cyrillic": frozenset({"ru", "uk", "bg", "sr"}),
    "arabic": frozenset({"ar", "fa", "ur"}),
    "devanagari": frozenset({"hi", "mr", "ne"}),
}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_MARKED_WORD = re.compile(r"[^\s\d.,;:!?।\"'()]+")  # \w leaves out Indic vowel signs
_CODE = re.compile(r"[A-Za-z][a-z]{1,2}(?:-[A-Za-z0-9]+)*")


class Guess(Struct, frozen=True, gc=False):
    """A language (ISO 639-1, Filipino as `tl`, Norwegian as `no`; empty: none) and how sure, between 0 and 1."""

    language: str
    certainty: float


class _Scripts(dict[str, str]):
    """Scripts by character, remembered."""

    def __missing__(self, char: str) -> str:
        code = ord(char)
        script = next((name for first, last, name in _SCRIPTS if first <= code <= last), "")
        if script == "latin" and not char.isalpha():
            script = ""
        if len(self) < 20_000:
            self[char] = script
        return script


class Profiles:
    """What speaks for each language: word → languages, letter → languages, letter group → languages."""

    def __init__(self, source: str) -> None:
        self.words: dict[str, tuple[str, ...]] = {}
        self.letters: dict[str, tuple[str, ...]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.scripts = _Scripts()
        self.codes = {name for *_, name in _SCRIPTS if len(name) == 2} | {"zh"}
        for line in source.splitlines():
            if not line or line.startswith("#"):
                continue
            code, words, letters, groups = (part.strip() for part in line.split("|"))
            self.codes.add(code)
            self._add(self.words, set(words.split()), code)
            self._add(self.letters, set(letters), code)
            self._add(self.groups, {group for group in groups.split() if len(group) > 1}, code)

    @staticmethod
    def _add(known: dict[str, tuple[str, ...]], keys: Iterable[str], code: str) -> None:
        for key in keys:
            known[key] = (*known.get(key, ()), code)

    def script(self, text: str) -> str:
        """The script of most of a sample of the letters; Han letters among kana are Japanese."""
        if text.isascii():
            return "latin"
        sample = text[:: max(1, len(text) // SAMPLE)]
        counts = Counter(map(self.scripts.__getitem__, sample))
        counts.pop("", None)
        if not counts:
            return ""
        if "ja" in counts and counts["ja"] * 8 >= counts.get("han", 0):
            counts["ja"] += counts.pop("han", 0)
        best = max(counts, key=lambda name: counts[name])
        return best if counts[best] * 2 >= sum(counts.values()) else ""

    def guess(self, text: str, rivals: frozenset[str] = frozenset()) -> Guess:
        """The likeliest language of the beginning of a text, and how sure that it is none of the rivals (of any)."""
        text = text[:READ]
        script = self.script(text)
        if not script:
            return Guess("", 0.0)
        if script == "han":
            return Guess("zh", 0.95)
        if len(script) == 2:
            return Guess(script, 0.98)
        lower = text.lower()
        words = (_MARKED_WORD if script == "devanagari" else _WORD).findall(lower)[:WORDS]
        if not words:
            return Guess("", 0.0)
        return self._of(script, lower, words, rivals)

    def _of(self, script: str, lower: str, words: list[str], rivals: frozenset[str]) -> Guess:
        scores: dict[str, float] = {}
        known = self.words
        for word in words:
            if word in known:
                codes = known[word]
                weight = 1.0 / len(codes)
                for code in codes:
                    scores[code] = scores.get(code, 0.0) + weight
        if not lower.isascii():
            for letter in self.letters.keys() & set(lower):
                codes = self.letters[letter]
                for code in codes:
                    scores[code] = scores.get(code, 0.0) + 1.5 / len(codes)
        within = _WRITTEN.get(script)
        ranked = self._ranked(scores, within)
        if not ranked or ranked[0][0] < SURE:
            for group, codes in self.groups.items():
                if group in lower:
                    for code in codes:
                        scores[code] = scores.get(code, 0.0) + 0.15 / len(codes)
            ranked = self._ranked(scores, within)
        if not ranked:
            return Guess("", 0.0)
        best, code = ranked[0]
        second = next((score for score, other in ranked[1:] if not rivals or other in rivals), 0.0)
        margin = (best - second) / best
        enough = best / (best + SURE / 2) * min(1.0, 0.4 + 4 * best / len(words))
        return Guess(code, enough * min(1.0, 0.35 + 1.5 * margin))

    @staticmethod
    def _ranked(scores: dict[str, float], within: frozenset[str] | None) -> list[tuple[float, str]]:
        kept = scores.items()
        if within is None:
            others = frozenset().union(*_WRITTEN.values())
            return sorted(((score, code) for code, score in kept if code not in others), reverse=True)
        return sorted(((score, code) for code, score in kept if code in within), reverse=True)


@cache
def profiles() -> Profiles:
    """The shipped profiles, read once."""
    return Profiles(resources.files("llmctl.guards").joinpath(PROFILES).read_text(encoding="utf-8"))


class LanguageOptions(GuardOptions):
    """Options of `language`."""

    allow: tuple[str, ...] = Field(min_length=1, description="ISO 639-1 codes of the languages let through.")
    min_letters: int = Field(12, ge=1, description="Texts with fewer letters in the Latin script are let through.")

    @field_validator("allow")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        kept = []
        for code in codes:
            base = code.lower().split("-")[0]
            base = {"fil": "tl", "nb": "no", "nn": "no", "iw": "he", "in": "id"}.get(base, base)
            if not _CODE.fullmatch(code) or base not in profiles().codes:
                raise ValueError(f"{code!r} is not known; known are {', '.join(sorted(profiles().codes))}")
            kept.append(base)
        return tuple(kept)


class Language:
    """Blocks texts in a language that is not allowed."""

    Options: ClassVar[type[GuardOptions]] = LanguageOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = READ
    cost_us: ClassVar[float] = 20.0

    def __init__(self, options: LanguageOptions) -> None:
        self._profiles = profiles()
        self._allowed = frozenset(options.allow)
        self._min_letters = options.min_letters
        self._threshold = THRESHOLDS[options.preset]

    def judge(self, text: str, about: About) -> Verdict:
        """`score` is how sure it is that it is none of the allowed. Of a stream too it reads the beginning."""
        if about.at or (text.isascii() and len(text) < self._min_letters):
            return ALLOW
        guess = self._profiles.guess(text, self._allowed)
        if not guess.language or guess.language in self._allowed:
            return ALLOW
        outcome = guess.certainty >= self._threshold
        return Verdict(
            "block" if outcome else "allow",
            guess.certainty,
            f"language {guess.language} is not allowed",
            guess.language,
        )

    def unsettled(self, text: str) -> int:
        """All of a text that is too short for its language to be told; nothing of a longer one."""
        return len(text) if len(text) < (ENOUGH if text.isascii() else ENOUGH // 2) else 0
