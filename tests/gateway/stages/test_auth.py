from collections.abc import Mapping

import pytest

from llmctl.config.keys import new_key, split, verify
from llmctl.errors import Unauthorized
from llmctl.gateway.stages.auth import ANYONE, Auth, Key, Keyring
from llmctl.model.exchange import Principal
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, exchange

KEY, ENTRY = new_key()
OTHER, OTHER_ENTRY = new_key()
CLOCK = ManualClock(wall=1000.0)


def ring(entries: Mapping[str, str], expires: float | None = None, clock: ManualClock = CLOCK) -> Keyring:
    keys = {ident: Key(Principal(ident, "acme", expires=expires), salted) for ident, salted in entries.items()}
    return Keyring(keys, clock, split, verify)


RING = ring({ENTRY["id"]: ENTRY["hash"], OTHER_ENTRY["id"]: OTHER_ENTRY["hash"]})


def test_a_key_is_its_owners() -> None:
    assert RING.principal(KEY).key == ENTRY["id"]
    assert RING.principal(OTHER).key == OTHER_ENTRY["id"]


@pytest.mark.parametrize(
    "credential",
    [None, "", "sk-1", KEY[:-1], KEY + "x", KEY.upper(), f" {KEY}", KEY.replace(ENTRY["id"], OTHER_ENTRY["id"]),
     new_key()[0], ENTRY["hash"], f"llmctl_{ENTRY['id']}_{ENTRY['hash'][33:]}", "\udcff", "llmctl_" * 9999],
    ids=map(str, range(13)),  # the keys are fresh each time, and xdist wants the same names everywhere
)  # fmt: skip
def test_nothing_else_opens(credential: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        RING.principal(credential)
    assert caught.value.http_status == 401
    assert not credential or credential not in caught.value.message


def test_a_key_expires_on_the_second() -> None:
    clock = ManualClock(wall=1000.0)
    keyring = ring({ENTRY["id"]: ENTRY["hash"]}, 1001.0, clock)
    assert keyring.principal(KEY).tenant == "acme"
    clock.set_wall(1000.999)
    keyring.principal(KEY)
    clock.set_wall(1001.0)
    with pytest.raises(Unauthorized) as caught:
        keyring.principal(KEY)
    assert caught.value.code == "expired_api_key"


def test_a_wrong_secret_does_not_learn_that_the_key_expired() -> None:
    wrong = KEY[:-2] + ("ab" if KEY[-2:] != "ab" else "cd")
    with pytest.raises(Unauthorized) as caught:
        ring({ENTRY["id"]: ENTRY["hash"]}, 1.0).principal(wrong)
    assert caught.value.code == "invalid_api_key"


async def test_the_stage_sets_the_principal_or_stops() -> None:
    asked = exchange(CLOCK, credential=KEY)
    await Auth(RING).run(asked, CollectingClient({}))
    assert asked.principal is not None
    assert asked.principal.key == ENTRY["id"]
    with pytest.raises(Unauthorized):
        await Auth(RING).run(exchange(CLOCK), CollectingClient({}))


async def test_without_keys_everyone_is_anyone() -> None:
    keyring = ring({})
    assert not keyring
    assert keyring.principal("whatever") is ANYONE


async def test_a_principal_from_within_must_still_have_its_key() -> None:
    clock = ManualClock(wall=1000.0)
    auth = Auth(ring({ENTRY["id"]: ENTRY["hash"]}, 1001.0, clock))
    asked = exchange(clock)
    asked.principal = Principal(ENTRY["id"], "acme", models=frozenset({"old"}), priority=-50)
    await auth.run(asked, CollectingClient({}))
    assert asked.principal == Principal(ENTRY["id"], "acme", expires=1001.0, priority=-50)  # as it is configured now
    for other in (Principal(OTHER_ENTRY["id"], "acme"), Principal(ENTRY["id"], "else"), Principal("", "default")):
        asked.principal = other
        with pytest.raises(Unauthorized, match="no longer"):
            await auth.run(asked, CollectingClient({}))
    clock.set_wall(1001.0)
    asked.principal = Principal(ENTRY["id"], "acme")
    with pytest.raises(Unauthorized) as caught:
        await auth.run(asked, CollectingClient({}))
    assert caught.value.code == "expired_api_key"


async def test_without_keys_a_principal_from_within_is_anyone_or_nobody() -> None:
    auth = Auth(ring({}))
    asked = exchange(CLOCK)
    asked.principal = Principal("", "default", priority=3)
    await auth.run(asked, CollectingClient({}))
    assert asked.principal.priority == 3
    asked.principal = Principal(ENTRY["id"], "acme")
    with pytest.raises(Unauthorized):
        await auth.run(asked, CollectingClient({}))
