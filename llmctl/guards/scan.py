"""One look at a text for many patterns."""

from collections.abc import Callable
from functools import cache

import re2

MEMORY = 16 << 20  # bytes at most for the automaton, which grows as texts come: ordinary ones need a few MB


@cache  # guards of several policies look for the same
def any_of(patterns: tuple[str, ...]) -> Callable[[bytes], list[int] | None]:
    """Tells the numbers of the patterns that are found anywhere in a text, in no order; None for none of them."""
    if not patterns:
        return _nothing
    options = re2.Options()
    options.max_mem = MEMORY
    found = re2.Set.SearchSet(options)
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    match: Callable[[bytes], list[int] | None] = found.Match
    return match


def _nothing(text: bytes) -> None:
    return None
