"""What outlives a reload, and what does not."""

import gc

from llmctl.gateway.kept import Kept


class Thing:
    """Something to keep."""


def test_equal_keys_are_one_thing() -> None:
    kept = Kept()
    first = kept.of(("a", 1), Thing)
    assert kept.of(("a", 1), Thing) is first
    assert kept.of(("a", 2), Thing) is not first


def test_what_no_gateway_has_any_more_is_forgotten() -> None:
    kept = Kept()
    kept.of("a", Thing)
    gc.collect()
    assert len(kept._things) == 0
