from dataclasses import FrozenInstanceError

import pytest

from llmctl.model.exchange import Principal
from llmctl.model.usage import NO_USAGE, UNPRICED
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange


def test_microseconds_count_from_the_start() -> None:
    clock = ManualClock()
    new = exchange(clock)
    clock.advance(1.5)
    assert new.us(new.started) == 0
    assert new.us(clock.monotonic()) == 1_500_000


def test_a_new_exchange_knows_nothing_yet_and_shares_nothing() -> None:
    clock = ManualClock()
    one, other = exchange(clock), exchange(clock)
    assert (one.state, one.committed, one.whole, one.chunks) == (None, False, None, None)
    assert one.usage is NO_USAGE
    assert one.cost is UNPRICED
    assert one.attempts is not other.attempts
    assert one.stages is not other.stages
    assert one.guards is not other.guards


def test_a_typo_in_a_field_is_an_error() -> None:
    with pytest.raises(AttributeError):
        exchange(ManualClock()).reqested_model = "m"  # type: ignore[attr-defined]


def test_a_principal_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Principal("k", "t").admin = True  # type: ignore[misc]
