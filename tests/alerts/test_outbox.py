"""Order, superseding and persistence, with a sink that fails in every way and a process that may die at any moment."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.alerts.alert import Notice
from llmctl.alerts.outbox import GIVE_UP, Outbox
from tests.alerts.telling import resolve, trigger


def told(outbox: Outbox, wall: float = 0.0) -> list[tuple[str, bool]]:
    """Everything that waits, told."""
    found: list[tuple[str, bool]] = []
    while (notice := outbox.next(wall)) is not None:
        found.append((notice.kind, notice.repeat))
        outbox.done(notice)
    return found


def test_an_incident_is_told_in_order_and_forgotten() -> None:
    outbox = Outbox(repeats=True)
    outbox.put(trigger())
    assert told(outbox) == [("trigger", False)]
    assert outbox.open == 1
    outbox.put(resolve())
    assert told(outbox) == [("resolve", False)]
    assert (outbox.open, outbox.tally.delivered) == (0, 2)


def test_an_end_takes_the_beginning_with_it_that_nobody_heard_of() -> None:
    outbox = Outbox(repeats=True)
    outbox.put(trigger())
    outbox.put(resolve())
    assert told(outbox) == []
    assert outbox.open == 0


@pytest.mark.parametrize(("uncertain", "expected"), [(False, []), (True, [("resolve", False)])])
def test_what_may_have_got_through_is_resolved(uncertain: bool, expected: list[tuple[str, bool]]) -> None:
    outbox = Outbox(repeats=False)
    outbox.put(trigger())
    flying = outbox.next(0.0)
    assert flying is not None
    outbox.put(resolve())
    outbox.later(flying, 1.0, uncertain=uncertain)
    assert told(outbox) == expected
    assert outbox.open == 0


def test_once_uncertain_a_sure_failure_afterwards_changes_nothing() -> None:
    outbox = Outbox(repeats=False)
    outbox.put(trigger())
    for uncertain in (True, False):
        flying = outbox.next(0.0)
        assert flying is not None
        outbox.later(flying, 1.0, uncertain=uncertain)
    outbox.put(resolve())
    assert told(outbox) == [("resolve", False)]


def test_only_the_last_of_a_flapping_incident_is_told_where_none_got_through() -> None:
    outbox = Outbox(repeats=False)
    outbox.put(trigger())
    flying = outbox.next(0.0)
    assert flying is not None
    for notice in (resolve(), trigger(), resolve(), trigger()):
        outbox.put(notice)
    outbox.later(flying, 1.0, uncertain=False)
    assert told(outbox) == [("trigger", False)]


def test_who_begins_again_before_the_end_was_told_is_told_both() -> None:
    outbox = Outbox(repeats=False)
    outbox.put(trigger())
    told(outbox)
    outbox.put(resolve())
    outbox.put(trigger())
    assert told(outbox) == [("resolve", False), ("trigger", False)]


@pytest.mark.parametrize(("repeats", "expected"), [(True, [("trigger", True)]), (False, [])])
def test_only_who_wants_repeats_gets_them(repeats: bool, expected: list[tuple[str, bool]]) -> None:
    outbox = Outbox(repeats)
    outbox.put(trigger())
    told(outbox)
    outbox.put(trigger())
    assert told(outbox) == []
    outbox.put(trigger(repeat=True))
    assert told(outbox) == expected


def test_a_repeat_of_what_was_given_up_is_news() -> None:
    outbox = Outbox(repeats=False)
    outbox.put(trigger())
    notice = outbox.next(0.0)
    assert notice is not None
    outbox.never(notice, uncertain=False)
    assert (outbox.open, outbox.tally.failed) == (0, 1)
    outbox.put(trigger(repeat=True))
    assert told(outbox) == [("trigger", False)]


@pytest.mark.parametrize("kind", ["trigger", "resolve"])
def test_a_notice_is_given_up_in_time(kind: str) -> None:
    outbox = Outbox(repeats=False)
    outbox.put(trigger())
    if kind == "resolve":
        told(outbox)
        outbox.put(resolve())
    for wall, kept in (0.0, True), (GIVE_UP[kind] - 1, True), (GIVE_UP[kind], False):  # type: ignore[index]
        notice = outbox.next(wall)
        assert notice is not None
        assert outbox.later(notice, wall, uncertain=False) is kept
    assert outbox.next(1e9) is None
    assert outbox.open == 0


def test_an_incident_that_fails_does_not_stand_in_the_way() -> None:
    outbox = Outbox(repeats=False)
    for name in "abc":
        outbox.put(trigger(name))
    seen = []
    for _ in range(6):
        notice = outbox.next(0.0)
        assert notice is not None
        seen.append(notice.alert.labels["guard"])
        outbox.later(notice, 0.0, uncertain=False)
    assert seen == ["a", "b", "c"] * 2


def test_it_is_bounded_and_an_end_always_has_room() -> None:
    outbox = Outbox(repeats=False, most=2)
    assert [outbox.put(trigger(name)) for name in "abc"] == [True, True, False]
    assert outbox.tally.dropped == 1
    told(outbox)
    assert outbox.put(resolve("a"))
    assert told(outbox) == [("resolve", False)]
    assert outbox.put(trigger("c"))


def test_a_restart_ends_what_ended_meanwhile() -> None:
    before = Outbox(repeats=False)
    for name in "ab":
        before.put(trigger(name))
    told(before)
    after = Outbox(repeats=False)
    after.restore(before.saved())
    after.only([trigger("a").alert.key], 5.0)
    notice = after.next(0.0)
    assert notice is not None
    assert (notice.kind, notice.alert.labels["guard"], notice.at) == ("resolve", "b", 5.0)
    after.done(notice)
    assert after.next(0.0) is None


@pytest.mark.parametrize("data", [b"", b"{", b'{"incidents":[],"v":2}', b'{"incidents":[{}]}', b"\xff"])
def test_what_is_damaged_is_not_guessed_at_and_every_end_is_told(data: bytes) -> None:
    outbox = Outbox(repeats=False)
    with pytest.raises(ValueError, match=r"."):
        outbox.restore(data)
    outbox.forget()
    outbox.put(resolve())
    assert told(outbox) == [("resolve", False)]


@dataclass
class World:
    """An evaluator that never forgets, a PagerDuty, and between them a process that may die."""

    outbox: Outbox = field(default_factory=lambda: Outbox(repeats=False))
    disk: bytes | None = None
    firing: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    history: list[tuple[str, str]] = field(default_factory=list)
    wall: float = 0.0

    def toggle(self, name: str) -> None:
        self.outbox.put(resolve(name) if name in self.firing else trigger(name))
        self.firing ^= {name}

    def attempt(self, outcome: str, midway: str = "") -> None:
        """One turn of the notifier's loop; those of `midway` change while the notice is on its way."""
        self.wall += 1
        notice = self.outbox.next(self.wall)
        self.disk = self.outbox.saved()
        if notice is None:
            return
        if outcome in ("told", "lost", "crash"):
            self._arrives(notice)
        for name in midway:
            self.toggle(name)
        if outcome == "told":
            self.outbox.done(notice)
        elif outcome.startswith("crash"):
            self.crash()
        else:
            assert self.outbox.later(notice, self.wall, uncertain=outcome in ("lost", "vanished"))

    def _arrives(self, notice: Notice) -> None:
        name = notice.alert.labels["guard"]
        self.history.append((notice.kind, name))
        (self.open.add if notice.kind == "trigger" else self.open.discard)(name)

    def crash(self) -> None:
        self.outbox = Outbox(repeats=False)
        if self.disk is not None:
            self.outbox.restore(self.disk)
        self.outbox.only([trigger(name).alert.key for name in self.firing], self.wall)
        for name in self.firing:  # a beginning that was never saved comes again, as the evaluator's repeat
            self.outbox.put(trigger(name, repeat=True))


names = st.sampled_from("ab")
steps = st.one_of(
    st.tuples(st.just("toggle"), names),
    st.just(("dies", "")),
    st.tuples(
        st.sampled_from(["told", "refused", "lost", "vanished", "crash_before", "crash"]), st.text("ab", max_size=3)
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, max_size=30))
def test_whatever_happens_incidents_end_in_the_right_state(script: list[tuple[str, str]]) -> None:
    world = World()
    for step, name in script:
        if step == "toggle":
            world.toggle(name)
        elif step == "dies":
            world.crash()
        else:
            world.attempt(step, name)
    for _ in range(20):
        world.attempt("told")
    assert world.open == world.firing
    assert world.outbox.open == len(world.firing)
    assert world.outbox.next(world.wall) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["toggle", "told", "refused"]), names), max_size=40))
def test_without_accidents_each_incident_is_told_once_and_in_order(script: list[tuple[str, str]]) -> None:
    world = World()
    for step, name in script:
        world.toggle(name) if step == "toggle" else world.attempt(step)
    for _ in range(10):
        world.attempt("told")
    for name in "ab":
        kinds = [kind for kind, whose in world.history if whose == name]
        assert kinds == ["trigger", "resolve"] * (len(kinds) // 2) + ["trigger"] * (len(kinds) % 2)
