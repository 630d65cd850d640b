"""An answer that recites the system prompt, or holds a canary token that only the prompt does."""

import base64
import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator

from llmctl.guards import leakage_encoded as encoded
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Preset, Signs, Span, Verdict
from llmctl.guards.leakage_disguise import WORD, Disguised, letters_of, unleet
from llmctl.guards.leakage_encoded import signs_of

_ALPHANUMERIC = re.compile(r"[^\W_]+")
_ASCII_OTHERS = bytes(code for code in range(128) if not chr(code).isalnum())
_ASCII_BLANKED = bytes(code if chr(code).isalnum() else 32 for code in range(128)).ljust(256)
_GRAM = 4  # words; shorter ones are shared by chance
_WORDS: dict[Preset, int] = {"strict": 8, "balanced": 12, "lenient": 20}
_REMEMBERED = 128  # windows of streams
_SPELLED, _FEW = 11, 6  # letters: one fewer than are looked for in a row, and fewer than three words have
_TAIL = 192  # characters; what is being recited is first looked for there
_PROMPTS = 32  # whose words are kept
MAX_CANARY = 100  # characters; hex doubles it, and `lookbehind` has room for that


class _Passages(NamedTuple):
    """What is protected in an exchange: the runs of words of each text and how many in a row are a leak; all runs."""

    each: tuple[tuple[frozenset[str], int], ...]
    grams: frozenset[str]
    step: int
    disguised: Disguised


class Leakage:
    """Judges by the longest stretch of protected text that the answer repeats, and by canaries in any plain disguise.

    A stretch counts too where its words are spelled, numbered, turned round, in rot13, with digits for letters, or in
    a code that needs no key. Told in other words or in another language it passes.
    Protected are the texts in the options and the system prompt. Passages retrieved for the answer are there to be
    quoted. The score of what is no leak is a lower bound: shorter stretches may be passed over.
    """

    class Options(GuardOptions):
        """By default a stretch of 8 (strict), 12 or 20 (lenient) words is a leak; canaries always are."""

        canaries: tuple[str, ...] = Field((), description="Tokens that stand in the prompt and nowhere else.")
        protected: tuple[str, ...] = Field((), description="Texts that no answer may recite, beside the request's.")
        protect: Literal["system", "all", "none"] = Field(
            "system", description="What of the request is protected: the system prompt, also its passages, or nothing."
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
    cost_us: ClassVar[float] = 20.0

    def __init__(self, options: Options) -> None:
        self._min_words = options.min_words or _WORDS[options.preset]
        self._action: Outcome = options.action
        self._protected = options.protected
        self._protect = options.protect
        self.needs_context = options.protect == "all"
        self._disguises = [_disguises(canary) for canary in options.canaries]
        forms = {_bare(form) for plain, bare in self._disguises for form in (plain, *bare)}
        self._openings = {form[:count] for form in forms for count in range(1, len(form) + 1)}
        self._longest = max(map(len, self._openings), default=0)
        nothing_else = not options.canaries and not options.protected and options.protect != "all"
        self.signs = Signs((), unless_told=True) if nothing_else else None
        # A system prompt comes again with every exchange; its words are worth keeping.
        self._known = lru_cache(maxsize=_PROMPTS)(self._passages)
        self._recent: dict[tuple[int, int], tuple[_Passages, ...]] = {}

    def judge(self, text: str, about: About) -> Verdict:
        """Score is 0.5 at the preset's number of words, and 1 for a canary or twice as many."""
        canaries = self._canaries(text) if self._disguises else []
        passages = self._protected
        if self._protect != "none":
            passages = (*passages, about.system, *(about.context if self._protect == "all" else ()))
        known = self._known(passages)
        self._remember(text, known)
        letters = letters_of(text) if known.grams else ""
        touched = bool(known.grams) and known.disguised.touched(letters)
        look = touched or (bool(known.grams) and not known.disguised.covers)
        spans, longest, score = self._recited(text, known) if look else ([], 0, 0.0)
        hidden = False
        if known.grams and not spans:
            spans, count, sure = self._disguised(text, letters if touched else "", known.disguised)
            hidden = bool(spans)
            longest, score = (count, sure) if hidden else (longest, score)
        if canaries:
            return Verdict(self._action, 1.0, "canary token", "canary", tuple(sorted(canaries + spans, key=_place)))
        if not spans:
            return Verdict("allow", score) if score else ALLOW
        reason = f"{longest} words of a protected text in a row" + (", disguised" if hidden else "")
        return Verdict(self._action, score, reason, "system_prompt", tuple(spans))

    def unsettled(self, text: str) -> int:
        """From the first word of what is being recited at the end, and what may become a canary.

        Which texts are protected `judge` knows: for a text that it has just judged that is exact, for others it is as
        many words as are no leak yet.
        """
        held = self._canary_begun(text) if self._disguises else 0
        judged_by = self._recent.get(_seen(text))
        if judged_by is not None:
            return min(encoded.LONGEST, max(held, *(self._recited_at_end(text, known) for known in judged_by)))
        words = self._min_words if self._protected or self._protect != "none" else 0
        return min(encoded.LONGEST, max(held, _from_word(text, words), encoded.begun(text))) if words else held

    def _passages(self, texts: tuple[str, ...]) -> _Passages:
        each, protected = [], []
        for text in texts:
            grams, length = _known(text)
            if grams:  # of a protected text shorter than the threshold, all of it is a leak
                each.append((grams, min(self._min_words, max(length, _GRAM))))
                protected.append((text, each[-1][1]))
        step = min((enough - _GRAM + 1 for _, enough in each), default=1)
        return _Passages(tuple(each), frozenset().union(*(grams for grams, _ in each)), step, Disguised(protected))

    def _recited(self, text: str, known: _Passages) -> tuple[list[Span], int, float]:
        """Stretches long enough to be leaks, the longest stretch in words, and the score."""
        words = _words(text)
        # So many words in a row have one of their runs at a multiple of `step`.
        for at in range(0, len(words) - _GRAM + 1, known.step):
            if " ".join(words[at : at + _GRAM]) in known.grams:
                return self._stretches(text, words, known)
        return [], 0, 0.0

    def _disguised(self, text: str, plain: str, known: Disguised) -> tuple[list[Span], int, float]:
        """The same of what is no repetition word by word: spelled, in another order, with other letters, in a code."""
        spans: list[Span] = []
        longest, score = 0, 0.0
        for letters, start, end in _readings(text, plain):
            if not known.touched(letters):
                continue
            places = [at for at, char in enumerate(text) if char.isalpha()] if letters is plain else []
            for match in known.matches(letters):
                in_place = len(places) == len(letters)
                first, last = (places[match.start], places[match.end - 1] + 1) if in_place else (start, end)
                spans.append(_removed(first, last, "system_prompt"))
                longest, score = max(longest, match.words), max(score, min(1.0, match.words / (2 * match.enough)))
        return sorted(set(spans), key=_place), longest, round(score, 4)

    def _stretches(self, text: str, words: list[str], known: _Passages) -> tuple[list[Span], int, float]:
        grams = _grams(words)
        stretches: list[tuple[int, int]] = []
        longest, score = 0, 0.0
        for passage, enough in known.each:
            start = None
            for position, gram in enumerate([*grams, ""]):
                if gram in passage:
                    start = position if start is None else start
                elif start is not None:
                    count = position - start + _GRAM - 1
                    longest, score = max(longest, count), max(score, min(1.0, count / (2 * enough)))
                    if count >= enough:
                        stretches.append((start, position + _GRAM - 2))
                    start = None
        if not stretches:
            return [], longest, round(score, 4)
        places = [match.span() for match in WORD.finditer(text)]
        spans = [_removed(places[first][0], places[last][1], "system_prompt") for first, last in sorted(stretches)]
        return spans, longest, round(score, 4)

    def _remember(self, text: str, known: _Passages) -> None:
        """Which texts it was judged by, for `unsettled`."""
        if len(self._recent) >= _REMEMBERED:
            self._recent.clear()
        key = _seen(text)
        before = self._recent.get(key, ())  # of another exchange with the same text
        if known not in before:
            self._recent[key] = (*before, known)

    def _recited_at_end(self, text: str, known: _Passages) -> int:
        """How many characters at the end are, or may be the first of, a recited stretch."""
        if not known.grams:
            return 0
        for near in (text[-_TAIL:], text):
            words = _words(near)
            first = len(words) - (1 if text[-1:].isalnum() else 0)  # the last one may be unfinished
            while first >= _GRAM and " ".join(words[first - _GRAM : first]) in known.grams:
                first -= 1
            if first > _GRAM:
                break
        held = _from_word(text, len(words) - max(0, first - _GRAM + 1))
        for near in (text[-_TAIL:], text):
            letters = letters_of(near)
            count = known.disguised.begun(letters)
            if count + 1 < len(letters):
                break
        held = max(held, _from_letter(text, count))
        if signs_of(text[-_TAIL:])[1]:
            held = max(held, _from_letter(text, known.disguised.begun(unleet(text)), leet=True))
        return max(held, encoded.begun(text))

    def _canary_begun(self, text: str) -> int:
        tail = text[-(self.lookbehind or 0) :]
        squeezed = _bare(tail)
        for count in range(min(self._longest, len(squeezed)), 0, -1):
            if squeezed[-count:] in self._openings:
                at = len(tail)
                while count and at:
                    at -= 1
                    count -= tail[at].isalnum()
                return len(tail) - at
        return 0

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


def _seen(text: str) -> tuple[int, int]:
    """A text by its hash, which this process alone knows: no answer is kept."""
    return len(text), hash(text)


def _from_word(text: str, words: int) -> int:
    """How many characters so many words at the end take, or where they are spelled the first letters of one."""
    size = 32 * words
    while words:
        found = [match for match in WORD.finditer(text, max(0, len(text) - size)) if not match.group().isdigit()]
        places = [match.start() for match in found]  # numbers may be no more than those of the words
        if len(places) > words or size >= len(text):
            start = places[-words:][0] if places else len(text)
            letters = sum(map(str.isalpha, text[start:]))
            return max(len(text) - start, _from_letter(text, _SPELLED)) if letters <= _FEW else len(text) - start
        size *= 4
    return 0


def _from_letter(text: str, count: int, *, leet: bool = False) -> int:
    """How many characters so many letters at the end take."""
    at = len(text)
    while count > 0 and at:
        at -= 1
        count -= text[at].isalpha() or (leet and text[at] in "0134578@$!|")
    return len(text) - at


def _readings(text: str, plain: str) -> Iterator[tuple[str, int, int]]:
    """The letters of all that a text may say, and where it says so."""
    if plain:
        yield plain, 0, len(text)
    code, leet = signs_of(text)
    if leet:
        yield unleet(text), 0, len(text)
    if code:
        for one in encoded.decoded(text):
            yield letters_of(one.text), one.start, one.end


def _place(span: Span) -> tuple[int, int]:
    return span.start, span.end


def _removed(start: int, end: int, category: str) -> Span:
    return Span(start, end, category, "[REMOVED]")


def _known(passage: str) -> tuple[frozenset[str], int]:
    """Every run of `_GRAM` words in a passage, and how many words it has."""
    words = _words(passage)
    return frozenset(_grams(words)), len(words)


def _words(text: str) -> list[str]:
    if text.isascii():
        return text.lower().encode().translate(_ASCII_BLANKED).decode().split()
    return [word.casefold() for word in WORD.findall(text)]


def _grams(words: list[str]) -> list[str]:
    """Runs of `_GRAM` words, as strings: so many tuples would set off the garbage collector."""
    runs = zip(words, words[1:], words[2:], words[3:], strict=False)
    return [f"{one} {two} {three} {four}" for one, two, three, four in runs]


def _bare(text: str) -> str:
    """Letters and digits alone: what spacing and punctuation cannot change."""
    if text.isascii():
        return text.lower().encode().translate(None, _ASCII_OTHERS).decode()
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
