"""One text of a stream on its way through guards: where it is cut, what a guard sees, what may be released.

Cuts depend on the text alone, never on how it was split into chunks, so what is delivered does not either. Text is
released once no guard can change its mind about it; a redacted value is released only as what stands for it.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from llmctl.guards.base import Span
from llmctl.guards.redaction import merged

_SENTENCE_END = re.compile(r"""[.!?;:][)"'\]*]{0,2}\s|[。！？।؟；：\n]""")  # noqa: RUF001 (other scripts' full stops)
_BLANK = re.compile(r"\s")
LONG = 4096  # characters that are kept without a thought
ALIGN = 64  # characters in which a window's beginning is moved to the beginning of a word

Name = Callable[[Span, str], str]
"""What stands for a span of a text, whose value is given."""


class Edit(NamedTuple):
    """A part of the text, in characters of the whole, and what is delivered in its place."""

    start: int
    end: int
    replacement: str


class Channel:
    """One text as it arrives. Positions are characters from its beginning; text before `settled` will not change."""

    def __init__(self, segment: int) -> None:
        """Cuts are at least `segment` characters apart: 0 cuts at every word."""
        self._segment = segment
        self._text = ""
        self._base = 0
        self._judged = 0
        self._edits: list[Edit] = []
        self.end = 0
        self.settled = 0

    def feed(self, piece: str) -> tuple[int, int]:
        """Take what has arrived; says where it stands."""
        start = self.end
        self._text += piece
        self.end = start + len(piece)
        return start, self.end

    def cut(self) -> int | None:
        """Where the text that has arrived can be judged next, if anywhere."""
        begin = self._judged + self._segment - self._base
        if self.end - self._judged <= self._segment:
            return None
        late = begin + max(self._segment, 1)
        hard = late + 2 * self._segment + ALIGN  # text without blanks is cut in any case
        # No search may look further than the next one begins: more text must not lead to an earlier cut.
        found = _SENTENCE_END.search(self._text, begin, late) or _BLANK.search(self._text, late, hard)
        if found is not None:
            return self._base + found.end()
        return self._base + hard if len(self._text) >= hard else None

    def everything(self) -> str:
        """The whole text so far; only where nothing of it was forgotten."""
        assert self._base == 0
        return self._text

    def window(self, lookbehind: int, upto: int) -> tuple[int, str]:
        """What a guard judges at a cut, and where that begins."""
        start = max(0, self.settled - lookbehind)
        if start:
            aligned = _BLANK.search(self._text, start - self._base, min(start + ALIGN, self.settled) - self._base)
            start = aligned.end() + self._base if aligned else start
        return start, self._text[start - self._base : upto - self._base]

    def settle(self, upto: int, spans: Iterable[Span], hold: int, name: Name, *, final: bool = False) -> None:
        """Judged up to a cut: text is settled but for the last `hold` characters and spans that reach into them."""
        found = [span for span in merged(spans) if span.end > self.settled]
        limit = max(self.settled, upto - hold)
        if not final:
            limit = min([limit, *(span.start for span in found if span.start < limit < span.end)])
            limit = max(limit, self.settled)
        for span in found:
            start = max(span.start, self.settled)
            if start < limit:
                value = self._text[start - self._base : span.end - self._base]
                self._edits.append(Edit(start, span.end, name(span, value)))
        self._judged = upto
        self.settled = limit

    def delivered(self, start: int, end: int) -> str | None:
        """What becomes of a settled part, parts being asked for in order; None where it is delivered as it is.

        What stands for a span is delivered with the part in which the span begins.
        """
        edits = self._edits
        while edits and edits[0].end <= start:
            edits.pop(0)
        if not edits or edits[0].start >= end:
            return None
        pieces: list[str] = []
        at = start
        for edit in edits:
            if edit.start >= end:
                break
            if edit.start >= at:
                pieces += self._text[at - self._base : edit.start - self._base], edit.replacement
            at = min(edit.end, end)
        return "".join([*pieces, self._text[at - self._base : end - self._base]])

    @property
    def long(self) -> bool:
        """Whether there may be something worth forgetting."""
        return self.end - self._base > LONG

    def forget(self, delivered: int, lookbehind: int) -> None:
        """Drop text that has been delivered and that no window will reach."""
        keep = min(delivered, self.settled - lookbehind - ALIGN)
        if keep - self._base > 1024:
            self._text = self._text[keep - self._base :]
            self._base = keep
