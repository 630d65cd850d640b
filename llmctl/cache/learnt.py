"""What a policy has learnt, kept among the answers of its tenant as one more entry: the same bytes, sums and secret."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from random import Random
from typing import Any

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.entry import Entry
from llmctl.cache.policies import Report

OPERATION = "policy"
TTL = 30 * 86400.0


def kept_as(policy: BoundedPolicy, tenant: str, route: str, settings: Mapping[str, Any], now: float) -> Entry:
    """The entry that holds its state. `settings` are what the state is good for; `now` seconds since the epoch."""
    text = json.dumps(settings, sort_keys=True)
    key = blake2b(json.dumps([tenant, route]).encode(), digest_size=16, person=b"llmctl policy").digest()
    return Entry(key, b"", tenant, policy.state(), "", now, TTL, operation=OPERATION, text=text, route=route)


def restored(policy: BoundedPolicy, entry: Entry, settings: Mapping[str, Any]) -> bool:
    """Whether the policy goes on from what the entry holds: it must have been learnt with the same settings."""
    if entry.text != json.dumps(settings, sort_keys=True):
        return False
    try:
        policy.restore(entry.raw)
    except ValueError:
        return False
    return True


def report(entry: Entry) -> Report | None:
    """The figures of a policy that was kept; None where it cannot be read."""
    try:
        given = json.loads(entry.text)
        policy = BoundedPolicy(
            given["max_error"], random=Random(0), audit=given["audit"], confidence=given["confidence"],
            guarantee=given["guarantee"],
        )  # fmt: skip
        policy.restore(entry.raw)
    except (ValueError, KeyError, TypeError):
        return None
    return policy.report()
