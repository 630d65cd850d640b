"""One look for many patterns: it must not give up on any text, for then it would say that nothing is there."""

from random import Random

import pytest

from llmctl.guards import TABLE
from llmctl.guards.base import Signs
from llmctl.guards.scan import any_of


def test_the_numbers_of_all_that_is_found_are_told() -> None:
    look = any_of(("cat", "dog", r"\d{3}"))
    assert sorted(look(b"a dog and a cat") or ()) == [0, 1]
    assert look(b"tel 123") == [2]
    assert not look(b"nothing")


def test_without_patterns_nothing_is_found() -> None:
    assert any_of(())(b"anything") is None


@pytest.mark.parametrize("seed", range(3))
def test_a_text_that_fills_its_memory_is_searched_to_the_end(seed: int) -> None:
    guards = [TABLE[kind](TABLE[kind].Options()) for kind in ("pii", "secrets", "validation", "leakage", "refusal")]
    signs = [signs for guard in guards if isinstance(signs := getattr(guard, "signs", None), Signs)]
    look = any_of(tuple(pattern for one in signs for pattern in one.patterns))
    random = Random(seed)
    noise = "".join(
        chr(random.choice((random.randrange(32, 127), random.randrange(0xA1, 0x2000)))) for _ in range(200_000)
    )
    card = set(look(b"4111 1111 1111 1111") or ())
    assert card
    assert card <= set(look(f"{noise} 4111 1111 1111 1111 ".encode()) or ())
