"""How much of a stream must wait: what at its end may still become personal data, or be judged otherwise."""

from collections.abc import Iterable
from typing import Any

import re2

from llmctl.guards import pii_patterns as patterns
from llmctl.guards.pii_disguise import plain
from llmctl.guards.redaction import encodable

LONGEST = 8_192
"""Characters that are held back at most, whatever they may become."""


class Unsettled:
    """The patterns of beginnings, for the types of personal data that are looked for."""

    def __init__(self, entities: Iterable[str]) -> None:
        entities = tuple(entities)
        self._any = re2.compile(patterns.unsettled(entities)).search if entities else None
        self._number = re2.compile(patterns.NUMBER_BEFORE).search
        words = [patterns.AFTER_A_WORD[entity] for entity in entities if entity in patterns.AFTER_A_WORD]
        self._word = re2.compile(f"(?i)(?:{'|'.join(word for word, _ in words)})").search if words else None
        self._worded: list[Any] = [re2.compile(begun).search for _, begun in words]

    def length(self, text: str) -> int:
        """Characters at the end of `text` that may be part of a value. Linear, and only in the last `LONGEST`."""
        if self._any is None:
            return 0
        tail = text[-LONGEST:]
        places = None
        shown = tail
        if not tail.isascii():
            shown, places = plain(encodable(tail))
        at = len(shown)
        held = self._any(shown)
        if held is not None:
            at = held.start()
        near = shown[-patterns.FAR :]
        if self._word is not None and self._word(near) is not None:
            for begun in self._worded:
                held = begun(near)
                if held is not None:
                    at = min(at, len(shown) - len(near) + held.start())
        if at == len(shown):
            return 0
        before = self._number(shown[:at]) if at and (shown[at - 1].isdigit() or shown[at - 1] in " ().-/") else None
        if before is not None:
            at = before.start()
        return len(tail) - (at if places is None else places[at])
