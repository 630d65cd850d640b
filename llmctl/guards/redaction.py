"""Taking found values out of texts and putting them back: `[EMAIL_1]` stands for one address throughout an exchange.

The number says only that two places held the same value. What was taken out lives in memory for one exchange; nothing
here writes it anywhere.
"""

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

import re2

from llmctl.guards.base import Span
from llmctl.model.json import encode

_PLACEHOLDER = r"\[[A-Z][A-Z0-9_]*_[0-9]+\]"

_NO_NAME = re.compile(r"[^A-Z0-9_]")


@cache
def _placeholders() -> Any:
    return re2.compile(_PLACEHOLDER)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same characters as spans that do not overlap, in order; each has the category of its longest part."""
    kept: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.end <= span.start:
            continue
        length = span.end - span.start
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
            longest = length
            continue
        last = kept[-1]
        better = span if length > longest else last
        longest = max(longest, length)
        kept[-1] = Span(last.start, max(last.end, span.end), better.category, better.replacement)
    return tuple(kept)


def stand_in(span: Span, value: str, names: "Redaction", *, keep: bool) -> str:
    """What is put in a span's place: a text of the guard's own choice, or the exchange's placeholder for the value.

    A value that is to `keep` needs a placeholder of its own, or nobody could tell which one to put back.
    """
    given = span.replacement
    if keep and given:
        name = _NO_NAME.sub("_", span.category.upper())
        return names.placeholder(name if name[:1].isalpha() else f"V_{name}", value)
    if given is not None and not (
        given.startswith(f"[{span.category}_") and given[len(span.category) + 2 : -1].isdigit()
    ):
        return given
    return names.placeholder(span.category, value, keep=keep)


def replaced(text: str, spans: Iterable[Span], names: "Redaction", restored: Collection[Span]) -> str:
    """`text` with what stands for every span; the values of `restored` ones are kept in `names`."""
    pieces: list[str] = []
    done = 0
    whole = {(span.start, span.end) for span in restored}  # a merged span is as long as the longest of its parts
    for span in merged(spans):
        value = text[span.start : span.end]
        keep = (span.start, span.end) in whole
        pieces += text[done : span.start], stand_in(span, value, names, keep=keep)
        done = span.end
    return "".join([*pieces, text[done:]])


def numbered(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """`spans` merged, each with its replacement: the same value has the same number within `text`."""
    names = Redaction()
    names.avoid(text)
    return tuple(
        Span(span.start, span.end, span.category, names.placeholder(span.category, text[span.start : span.end]))
        for span in merged(spans)
    )


class Covered:
    """Which characters of a text are in a span already."""

    def __init__(self, text: str) -> None:
        self._marks = bytearray(len(text))

    def add(self, start: int, end: int) -> None:
        """Mark a span."""
        self._marks[start:end] = b"\1" * (end - start)

    def touches(self, start: int, end: int) -> bool:
        """Whether any of its characters is marked."""
        return self._marks.find(1, start, end) >= 0

    def contains(self, start: int, end: int) -> bool:
        """Whether all of its characters are marked."""
        return self._marks.find(0, start, end) < 0


class Redaction:
    """The values taken out of the texts of one exchange. Placeholders that a text already holds are never given out."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str, bool], str] = {}
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._taken: set[str] = set()
        self._find = _placeholders().finditer

    def __len__(self) -> int:
        return len(self._values)

    def avoid(self, text: str) -> None:
        """Never give out a placeholder that stands in `text` of itself."""
        if "[" in text:
            self._taken.update(match.group() for match in self._find(encodable(text)))

    def placeholder(self, category: str, value: str, *, keep: bool = True) -> str:
        """What stands for `value` from now on. One that is not to be kept is never restored."""
        key = (category, value, keep)
        if key not in self._names:
            name = self._next(category)
            self._names[key] = name
            if keep:
                self._values[name] = value
        return self._names[key]

    def apply(self, text: str, spans: Iterable[Span]) -> str:
        """`text` with every span taken out so that it can be put back."""
        self.avoid(text)
        whole = merged(spans)
        return replaced(text, whole, self, whole)

    def restore(self, text: str, *, within_json: bool = False) -> str:
        """`text` with the values back in the place of their placeholders; others are left as they are.

        Where `text` is JSON, the values are written as parts of JSON strings.
        """
        if not self._values or "[" not in text:
            return text
        pieces: list[str] = []
        kept = 0
        for match in self._find(encodable(text)):
            value = self._values.get(match.group())
            if value is not None:
                written = encode(value)[1:-1].decode() if within_json else value
                pieces += text[kept : match.start()], written
                kept = match.end()
        return "".join([*pieces, text[kept:]])

    def restorer(self, *, within_json: bool = False) -> "Restorer":
        """`restore` of one text that comes in pieces."""
        return Restorer(self, within_json=within_json)

    def longest(self) -> int:
        """The length of the longest placeholder given out."""
        return max(map(len, self._values), default=0)

    def _next(self, category: str) -> str:
        while True:
            self._counts[category] = self._counts.get(category, 0) + 1
            name = f"[{category}_{self._counts[category]}]"
            if name not in self._taken:
                return name


class Restorer:
    """Restores one streamed text. Holds back what may be the beginning of a placeholder, and no more than that."""

    def __init__(self, redaction: Redaction, *, within_json: bool = False) -> None:
        self._redaction = redaction
        self._within_json = within_json
        self._held = ""

    def feed(self, chunk: str) -> str:
        """What can be released after `chunk`."""
        text = self._held + chunk
        start = text.rfind("[")
        open_ended = start >= 0 and "]" not in text[start:] and len(text) - start < self._redaction.longest()
        cut = start if open_ended else len(text)
        self._held = text[cut:]
        return self._redaction.restore(text[:cut], within_json=self._within_json)

    def finish(self) -> str:
        """What was held back when the stream ended."""
        held, self._held = self._held, ""
        return self._redaction.restore(held, within_json=self._within_json)


def encodable(text: str) -> str:
    """`text`, as long as it was, without lone surrogates, which RE2 cannot read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text
