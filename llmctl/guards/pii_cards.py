"""Which groups of digits in a row may be the number of a card."""

import re
from collections.abc import Iterator

_GROUP = re.compile("[0-9]+")
SHORTEST, LONGEST = 12, 19


def card_windows(run: str) -> Iterator[tuple[int, int]]:
    """One group, or groups as they are printed (4-4-4-4, 4-6-5, …), or digits that stand singly or in pairs."""
    groups = [match.span() for match in _GROUP.finditer(run)]
    for first, (start, end) in enumerate(groups):
        if SHORTEST <= end - start <= LONGEST:
            yield start, end
            continue
        if end - start == 4:
            sizes = [to - begin for begin, to in groups[first : first + 5]]
            for count in range(5, 2, -1):
                inner, last = sizes[1 : count - 1], sizes[count - 1] if len(sizes) >= count else 0
                fours = all(size == 4 for size in inner) and 1 <= last <= 4
                if last and (fours or (inner == [6] and last in (4, 5))):
                    yield start, groups[first + count - 1][1]
    yield from _small(groups)


def _small(groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Stretches of groups of one digit, or of two, that have as many digits as a card."""
    first = 0
    while first < len(groups):
        size, last = groups[first][1] - groups[first][0], first
        while last + 1 < len(groups) and groups[last + 1][1] - groups[last + 1][0] == size:
            last += 1
        if size <= 2 and 13 <= size * (last + 1 - first) <= LONGEST:
            yield groups[first][0], groups[last][1]
        first = last + 1
