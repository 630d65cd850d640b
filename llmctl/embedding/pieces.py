"""Text to token ids: the byte-pair encoding of the vocabulary that the static weights were trained with.

As SentencePiece does it (Kudo and Richardson 2018, arXiv 1808.06226): of all neighbours whose concatenation is in the
vocabulary, the one that comes first there is merged, until there is none. In this vocabulary no token mixes letters,
digits and marks, none holds two digits and none spans words, so a text may be cut there first and each part remembered.
Any run of white space counts as one space; that is the one intended difference.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

MAX_MEMO = 1 << 16
MAX_NUMBER = 4  # with the space before it; longer ones are not remembered
MAX_RUN = 24  # longer runs of one kind are encoded in parts, so that the cost stays linear
BYTES_FROM = 3  # tokens 3 to 258 are single bytes, for characters that are not in the vocabulary
SPACE = "\u2581"
NONE = 1 << 30

_LETTERS = r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u0963\u0966-\u0dff]+[^\W\d_]*)*"
PARTS = re.compile(rf"\s?(?:{_LETTERS}|\d+|[^\w\s]+|_+)")
ASCII_PARTS = re.compile(
    r"[\s\x1c-\x1f]?(?:[A-Za-z]+|[0-9]+|[^\w\s\x1c-\x1f]+|_+)", re.ASCII
)  # the same for ASCII, a third faster


class Pieces(dict[str, bytes]):
    """From a part of a text to the ids of its tokens, two bytes each; short words and marks are remembered.

    Bounded: at MAX_MEMO parts (about 5 MB) it forgets them all. Long parts and long numbers are not
    kept: they seldom come again, and may be secrets.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def __missing__(self, part: str) -> bytes:
        piece = SPACE + part[1:] if part[0].isspace() else part
        found = self.vocabulary.get(piece)
        if found is not None:
            encoded = found.to_bytes(2, "little")
        else:
            ids = (one for at in range(0, len(piece), MAX_RUN) for one in self._merged(piece[at : at + MAX_RUN]))
            encoded = b"".join([one.to_bytes(2, "little") for one in ids])
        if len(part) <= (MAX_NUMBER if part[-1].isdigit() else MAX_RUN):
            if len(self) >= MAX_MEMO:
                self.clear()
            self[part] = encoded
        return encoded

    def encode(self, text: str) -> bytes:
        """The ids of the tokens of `text`, two bytes each, least significant first. Empty for white space alone."""
        return b"".join(map(self.__getitem__, self.parts(text)))

    def parts(self, text: str) -> list[str]:
        """The words, numbers and runs of marks of a text, each with the white space before it, if any."""
        found: list[str] = (ASCII_PARTS if text.isascii() else PARTS).findall(" " + text)
        return found

    def _merged(self, piece: str) -> list[int]:
        tokens = list(piece)
        if piece[-1].isdigit():
            return self._ids(tokens)
        rank = self.vocabulary.get
        ranks = [rank(one + two, NONE) for one, two in pairwise(tokens)]
        while ranks and (best := min(ranks)) != NONE:
            at = ranks.index(best)
            tokens[at : at + 2] = [tokens[at] + tokens[at + 1]]
            del ranks[at]
            if at:
                ranks[at - 1] = rank(tokens[at - 1] + tokens[at], NONE)
            if at < len(ranks):
                ranks[at] = rank(tokens[at] + tokens[at + 1], NONE)
        return self._ids(tokens)

    def _ids(self, tokens: list[str]) -> list[int]:
        ids: list[int] = []
        for token in tokens:
            found = self.vocabulary.get(token)
            ids += [found] if found is not None else [BYTES_FROM + b for b in token.encode("utf-8", "replace")]
        return ids
