"""Hits gained and lost are those that a gateway has with a clock that stands where the records are."""

from pathlib import Path

from msgspec import structs

from llmctl.model.record import CacheOutcome
from llmctl.plan.caching import Asked, Place, played
from llmctl.plan.report import Plan
from tests.plan.recorded import TWO, asked, at, chats, configured, found, planned

TTL = "cache: {dir: null, ttl: 60s}\n"


def made(folder: Path, old: str, new: str, seconds: list[float]) -> Plan:
    one, two = configured(folder, "old", TWO + old), configured(folder, "new", TWO + new)
    records = asked(configured(folder, "bare", TWO), chats(len(seconds), "small", ("same",)))
    kept = [structs.replace(record, policy=one.digest) for record in at(records, seconds)]
    return planned(one, two, kept)


def test_a_cache_where_there_was_none(tmp_path: Path) -> None:
    plan = made(tmp_path, "", TTL, [0, 10, 50, 70, 80])
    assert found(plan, "hits gained").estimate == 3 / 5
    assert found(plan, "hits lost").estimate == 0
    (stage,) = (one for one in plan.stages if one.name == "cache")
    assert stage.kinds[0].name == "miss → hit"
    assert stage.kinds[0].examples[0].text == "same"


def test_a_shorter_life(tmp_path: Path) -> None:
    plan = made(tmp_path, TTL, TTL.replace("60s", "5s"), [0, 10, 12, 40])
    assert found(plan, "hits lost").estimate == 2 / 4
    assert found(plan, "hits gained").estimate == 0
    assert any("requests that follow" in note for stage in plan.stages for note in stage.notes)


def test_no_cache_any_more(tmp_path: Path) -> None:
    assert found(made(tmp_path, TTL, "", [0, 1, 2]), "hits lost").estimate == 2 / 3


def test_routes_may_say_otherwise_and_requests_differ(tmp_path: Path) -> None:
    off = "cache: {dir: null, ttl: 60s, routes: {small: {enabled: false}}}\n"
    assert found(made(tmp_path, TTL, off, [0, 1]), "hits lost").estimate == 1 / 2
    one, two = configured(tmp_path, "o", TWO), configured(tmp_path, "n", TWO + TTL)
    records = at(asked(one, chats(4, "small")), [0, 1, 2, 3])
    assert found(planned(one, two, records), "hits gained").estimate == 0
    others = [structs.replace(record, tenant=str(n)) for n, record in enumerate(asked(one, chats(4, "small", ("x",))))]
    assert found(planned(one, two, at(others, [0, 1, 2, 3])), "hits gained").estimate == 0


def test_what_is_left_out(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "o", TWO), configured(tmp_path, "n", TWO + TTL)
    first, second, third = at(asked(one, chats(3, "small", ("x",))), [0, 1, 2])
    records = [
        structs.replace(first, request=None),
        structs.replace(second, cache=CacheOutcome("bypass")),
        structs.replace(third, state="blocked", decision=None),
    ]
    (stage,) = (one for one in planned(one, two, records).stages if one.name == "cache")
    assert sum(stage.left_out.values()) == 3
    assert stage.requests == 0


def test_meaning_is_not_played_and_that_is_said(tmp_path: Path) -> None:
    semantic = "cache: {dir: null, ttl: 60s, semantic: {max_error: 0.02}}\n"
    plan = made(tmp_path, TTL, semantic, [0, 1])
    assert found(plan, "hits gained").told == "not evaluated"
    assert "by meaning" in found(plan, "hits lost").note
    assert found(plan, "of identical requests, hits lost").estimate == 0


def request(start: float, *, seconds: float = 1.0, looks: bool = True, complete: bool = True) -> Asked:
    return Asked(start, start + seconds, "", "", None, None, looks, complete, False)


def test_identical_requests_under_way_share() -> None:
    asked = [request(0, seconds=5), request(1), request(2)]
    assert played(asked, [Place(b"k", 60, 0, True)] * 3) == [False, True, True]
    assert played(asked, [Place(b"k", 60, 0, False)] * 3) == [False, False, False]


def test_stale_ones_are_served_once_more_and_refreshes_look_for_nothing() -> None:
    place = [Place(b"k", 10, 20, True)] * 3
    assert played([request(0), request(20), request(25)], place) == [False, True, True]
    assert played([request(0), request(5, looks=False), request(8)], place) == [False, False, True]
    assert played([request(0, complete=False), request(5), request(8)], place) == [False, False, True]
    assert played([request(0), request(5)], [None, None]) == [False, False]
