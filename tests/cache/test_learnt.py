"""What a policy has learnt goes on after a restart, or is left alone."""

from random import Random

import pytest
from msgspec import structs

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.learnt import kept_as, report, restored

SETTINGS = {"max_error": 0.02, "audit": 0.05, "confidence": 0.99, "guarantee": "modelled"}


def policy(requests: int = 0) -> BoundedPolicy:
    made = BoundedPolicy(0.02, random=Random(0))
    for _ in range(requests):
        made.exact()
    return made


def test_it_goes_on_where_it_was() -> None:
    before, after = policy(7), policy()
    entry = kept_as(before, "acme", "m", SETTINGS, 5.0)
    assert (entry.tenant, entry.route, entry.created, entry.operation) == ("acme", "m", 5.0, "policy")
    assert restored(after, entry, SETTINGS)
    assert after.report() == before.report() == report(entry)


def test_each_tenant_and_route_has_its_own() -> None:
    places = [("a", "b"), ("a", "c"), ("b", "b"), ("ab", ""), ("", "ab"), ('a", "b', "")]
    assert len({kept_as(policy(), tenant, route, SETTINGS, 0.0).key for tenant, route in places}) == len(places)


@pytest.mark.parametrize("field", SETTINGS)
def test_other_settings_begin_anew(field: str) -> None:
    entry = kept_as(policy(7), "acme", "m", SETTINGS, 0.0)
    after = policy()
    assert not restored(after, entry, {**SETTINGS, field: 0.5})
    assert after.report().requests == 0


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x80", b"nonsense" * 9])
def test_what_cannot_be_read_is_left(raw: bytes) -> None:
    entry = structs.replace(kept_as(policy(7), "acme", "m", SETTINGS, 0.0), raw=raw)
    assert not restored(policy(), entry, SETTINGS)
    assert report(entry) is None
    assert report(structs.replace(entry, text="[]")) is None
    assert report(structs.replace(entry, text="{")) is None
