"""An answer that recites the system prompt, or holds a canary token that only the prompt does."""

import base64
import codecs
import re
from functools import lru_cache
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Preset, Span, Verdict

# A word, or one character of a script written without blanks.
_WORD = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\\W_]+")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
_GRAM = 4  # words; shorter ones are shared by chance
_WORDS: dict[Preset, int] = {"strict": 8, "balanced": 12, "lenient": 20}
MAX_CANARY = 100  # characters; hex doubles it, and `lookbehind` has room for that


class Leakage:
    """Judges by the longest stretch of protected text that the answer repeats, and by canaries in any plain disguise.

    Protected are the texts in the options and, of the request's context, the first passage: the system prompt, where
    there is one. Passages retrieved for the answer are there to be quoted.
    """

    class Options(GuardOptions):
        """By default a stretch of 8 (strict), 12 or 20 (lenient) words is a leak; canaries always are."""

        canaries: tuple[str, ...] = Field((), description="Tokens that stand in the prompt and nowhere else.")
        protected: tuple[str, ...] = Field((), description="Texts that no answer may recite, beside the context's.")
        context: Literal["first", "all", "none"] = Field(
            "first", description="Which of the request's passages are protected: the first is the system prompt."
        )
        min_words: int | None = Field(None, ge=_GRAM, description="Repeated words in a row that are a leak.")
        action: Literal["warn", "redact", "block"] = Field("block", description="What a leak is worth.")

        @field_validator("canaries")
        @classmethod
        def _canaries_are_unlikely(cls, canaries: tuple[str, ...]) -> tuple[str, ...]:
            for position, canary in enumerate(canaries, 1):
                if len(_bare(canary)) < 8 or len(canary) > MAX_CANARY:
                    raise ValueError(
                        f"canary {position}: give 8 letters or digits or more, {MAX_CANARY} characters at most"
                    )
            return canaries

    directions: ClassVar[frozenset[Direction]] = frozenset({"output"})
    lookbehind: ClassVar[int | None] = 256
    cost_us: ClassVar[float] = 80.0

    def __init__(self, options: Options) -> None:
        self._min_words = options.min_words or _WORDS[options.preset]
        self._action: Outcome = options.action
        self._protected = options.protected
        self._passages = {"first": 1, "all": None, "none": 0}[options.context]
        self._disguises = [_disguises(canary) for canary in options.canaries]
        # A system prompt comes again with every exchange; its words are worth keeping.
        self._known = lru_cache(maxsize=64)(_known)

    def judge(self, text: str, about: About) -> Verdict:
        """Score is 0.5 at the preset's number of words, and 1 for a canary or twice as many."""
        canaries = self._canaries(text) if self._disguises else []
        passages = (*self._protected, *about.context[: self._passages])
        spans, longest, score = self._recited(text, passages) if passages else ([], 0, 0.0)
        if canaries:
            return Verdict(self._action, 1.0, "canary token", "canary", tuple(sorted(canaries + spans, key=_place)))
        if not spans:
            return Verdict("allow", score) if score else ALLOW
        reason = f"{longest} words of a protected text in a row"
        return Verdict(self._action, score, reason, "system_prompt", tuple(spans))

    def _recited(self, text: str, passages: tuple[str, ...]) -> tuple[list[Span], int, float]:
        """Stretches long enough to be leaks, the longest stretch in words, and the score."""
        grams, _ = _grams(text)
        stretches: list[tuple[int, int]] = []
        longest, score = 0, 0.0
        for passage in passages:
            known, length = self._known(passage)
            # Of a protected text shorter than the threshold, all of it is a leak.
            enough = min(self._min_words, max(length, _GRAM))
            start = None
            for position, gram in enumerate([*grams, ""]):
                if gram in known:
                    start = position if start is None else start
                elif start is not None:
                    count = position - start + _GRAM - 1
                    longest, score = max(longest, count), max(score, min(1.0, count / (2 * enough)))
                    if count >= enough:
                        stretches.append((start, position + _GRAM - 2))
                    start = None
        if not stretches:
            return [], longest, round(score, 4)
        places = [match.span() for match in _WORD.finditer(text)]
        spans = [_removed(places[first][0], places[last][1], "system_prompt") for first, last in sorted(stretches)]
        return spans, longest, round(score, 4)

    def _canaries(self, text: str) -> list[Span]:
        """Where canaries are: in place where written plainly, else the whole text, whose parts spell one."""
        folded, squeezed = text.casefold(), _bare(text)
        spans = []
        for plain, bare in self._disguises:
            at = folded.find(plain)
            if at >= 0 and len(folded) == len(text):
                while at >= 0:
                    spans.append(_removed(at, at + len(plain), "canary"))
                    at = folded.find(plain, at + len(plain))
            elif at >= 0 or any(form in squeezed for form in bare):
                spans.append(_removed(0, len(text), "canary"))
        return spans


def _place(span: Span) -> tuple[int, int]:
    return span.start, span.end


def _removed(start: int, end: int, category: str) -> Span:
    return Span(start, end, category, "[REMOVED]")


def _known(passage: str) -> tuple[frozenset[str], int]:
    """Every run of `_GRAM` words in a passage, and how many words it has."""
    grams, count = _grams(passage)
    return frozenset(grams), count


def _grams(text: str) -> tuple[list[str], int]:
    """Runs of `_GRAM` words, as strings: so many tuples would set off the garbage collector; and how many words."""
    words = [word.casefold() for word in _WORD.findall(text)]
    runs = zip(words, words[1:], words[2:], words[3:], strict=False)
    return [f"{one} {two} {three} {four}" for one, two, three, four in runs], len(words)


def _bare(text: str) -> str:
    """Letters and digits alone: what spacing and punctuation cannot change."""
    return "".join(_ALPHANUMERIC.findall(text)).casefold()


def _disguises(canary: str) -> tuple[str, tuple[str, ...]]:
    """A canary as it is, and as letters and digits: plain, reversed, rot13, hex, base64 at each of three offsets."""
    raw, bare = canary.encode("utf-8", "replace"), _bare(canary)
    forms = [bare, bare[::-1], codecs.encode(bare, "rot13"), raw.hex()]
    for offset in range(3):
        # The first and last characters of the code depend on what stands around the canary.
        code = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        forms.append(_bare(code[(0, 2, 3)[offset] : len(code) - (1 if (len(raw) + offset) % 3 else 0)]))
    return canary.casefold(), tuple(forms)
