"""Numbers and addresses with unseen characters in them, or in other digits, made plain for the patterns."""

import re
from typing import NamedTuple

_CHARACTERS = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_UNSEEN = re.compile(f"[{_CHARACTERS}]")
_SEEN = re.compile(f"[^{_CHARACTERS}]+")
_WIDE = {code: code - 0xFEE0 for code in (0xFF0B, 0xFF0D, 0xFF0E, *range(0xFF10, 0xFF1A), *range(0xFF20, 0xFF3B))}
_WIDE |= {code: code - 0xFEE0 for code in range(0xFF41, 0xFF5B)}
_WIDE |= {first + n: 0x30 + n for first in (0x660, 0x6F0, 0x966) for n in range(10)}  # Arabic, Persian, Devanagari


class Plain(NamedTuple):
    """A text made plain, and where its characters stood; `places` is None where none has moved."""

    text: str
    places: list[int] | None

    def place(self, start: int, end: int) -> tuple[int, int]:
        """A part of the plain text, as it stands in the original."""
        return (start, end) if self.places is None else (self.places[start], self.places[end - 1] + 1)


def plain(text: str) -> Plain:
    """`text` without unseen characters, with ordinary letters and digits for those of full width or other scripts."""
    text = text.translate(_WIDE)
    if not _UNSEEN.search(text):
        return Plain(text, None)
    pieces: list[str] = []
    places: list[int] = []
    for seen in _SEEN.finditer(text):
        pieces.append(seen.group())
        places.extend(range(*seen.span()))
    return Plain("".join(pieces), places)
