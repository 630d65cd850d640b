"""The evaluator in the process: what fires, what ends, and what survives a restart."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.engine import Engine, Kept, State
from llmctl.alerts.slo import Slos
from tests.alerts.conftest import Read
from tests.alerts.metrics import CACHE, COSTS, GUARDS, HISTOGRAMS, START, UP, Gateway

MINUTE = 60.0
DAY = 86400.0


class Watched:
    """A gateway and its evaluator, minute by minute."""

    def __init__(self, slos: Slos, every: float = MINUTE) -> None:
        self.slos, self.every, self.now = slos, every, START
        self.gateway = Gateway()
        self.engine = Engine(slos, HISTOGRAMS)
        self.notices: list[Notice] = []
        self.look()

    def look(self) -> None:
        self.notices += self.engine.look(self.now, self.gateway.families)

    def run(self, minutes: float, happens: Callable[[], None] = lambda: None) -> None:
        for _ in range(round(minutes * MINUTE / self.every)):
            self.now += self.every
            happens()
            self.look()

    def restart(self) -> None:
        """Of the evaluator alone, through what is written down."""
        state = msgspec.json.decode(msgspec.json.encode(self.engine.state()), type=State)
        kept = msgspec.json.decode(msgspec.json.encode(list(self.engine.kept())), type=list[Kept])
        self.engine = Engine(self.slos, HISTOGRAMS, state, kept)

    def told(self) -> list[tuple[str, str, str]]:
        return [(each.kind, each.alert.severity, each.alert.name) for each in self.notices if not each.repeat]


@pytest.fixture
def up(read: Read) -> Watched:
    watched = Watched(read("slos:\n" + UP))
    watched.gateway.requests(0)
    watched.look()
    return watched


def test_an_outage_pages_and_ends(up: Watched) -> None:
    up.run(60, lambda: up.gateway.requests(100))
    begun = up.now
    up.run(10, lambda: up.gateway.requests(70, 30))
    (page,) = up.notices
    assert (page.kind, page.alert.name, page.alert.severity) == ("trigger", "LlmctlUpBurn1h", "page")
    assert page.alert.summary == "llmctl: up burns its error budget 14.4 times too fast"
    assert "of 1h's requests failed: more than 14.4 times" in page.alert.description
    assert page.alert.since == page.at
    # After 4 minutes the lower bound on 120 of 6000 is over 1.44%, and then it must be for 2 more.
    assert page.at - begun == 6 * MINUTE
    up.run(60, lambda: up.gateway.requests(100))
    # The pages end with their short windows; the ticket that they kept back is told then.
    assert up.told()[1:] == [
        ("resolve", "page", "LlmctlUpBurn1h"),
        ("trigger", "page", "LlmctlUpBurn6h"),
        ("resolve", "page", "LlmctlUpBurn6h"),
        ("trigger", "ticket", "LlmctlUpBurn1d"),
    ]
    up.run(2 * 1440, lambda: up.gateway.requests(100))
    assert ("resolve", "ticket", "LlmctlUpBurn1d") in up.told()
    assert not up.engine.open()


def test_no_traffic_is_no_alert_and_few_failures_are_none(up: Watched) -> None:
    up.run(120)
    up.gateway.requests(0, 4)
    up.run(120)
    assert up.notices == []
    assert Watched(up.slos).engine.firing() == []


def test_each_guard_is_an_incident_of_its_own(read: Read) -> None:
    watched = Watched(read("slos:\n" + GUARDS))

    def judge() -> None:
        watched.gateway.judged("pii", 50, 50)
        watched.gateway.judged("topic", 100)

    watched.run(10, judge)
    assert {tuple(each.alert.labels.items()) for each in watched.notices} == {(("guard", "pii"),)}
    assert "judgements of the guard pii failed" in watched.notices[0].alert.description


def test_a_counters_restart_is_no_growth_backwards_nor_twice(up: Watched) -> None:
    up.run(30, lambda: up.gateway.requests(100))
    up.gateway.requests(900, 14)
    up.run(1)
    up.gateway.reset()
    up.gateway.requests(10)
    up.run(60, lambda: up.gateway.requests(100))
    assert up.notices == []  # 14 of 4000 are not 1.44%


def test_an_incident_outlives_the_process_and_is_ended_by_the_next(up: Watched) -> None:
    up.run(20, lambda: up.gateway.requests(50, 50))
    up.restart()
    up.run(5, lambda: up.gateway.requests(50, 50))
    assert up.told() == [("trigger", "page", "LlmctlUpBurn1h")]
    key = up.notices[0].alert.key
    up.restart()
    up.gateway.reset()
    up.now += 2 * 3600
    up.run(5, lambda: up.gateway.requests(100))
    assert [each.alert.key for each in up.notices if each.kind == "resolve"] == [key]


def test_a_condition_goes_on_over_a_restart(read: Read) -> None:
    """The histories and the waiting time are the same with and without one."""
    plain, restarted = Watched(read("slos:\n" + UP)), Watched(read("slos:\n" + UP))
    for watched in (plain, restarted):
        for minute in range(400):
            bad = 40 if 200 <= minute < 230 else 0
            watched.run(1, lambda watched=watched, bad=bad: watched.gateway.requests(100 - bad, bad))  # type: ignore[misc]
            if watched is restarted and minute % 7 == 0:
                watched.restart()
    assert plain.notices == restarted.notices
    assert plain.notices


def test_what_is_no_longer_promised_is_ended(up: Watched, read: Read) -> None:
    up.run(20, lambda: up.gateway.requests(50, 50))
    state = up.engine.state()
    other = Engine(read("slos:\n" + COSTS), HISTOGRAMS, state, list(up.engine.kept()))
    (over,) = other.look(up.now + 60, up.gateway.families)
    assert (over.kind, over.alert.slo) == ("resolve", "up")


def test_counts_of_another_promise_are_not_taken(read: Read) -> None:
    quick = "slos:\n  up: {kind: latency, threshold: 2.56s, objective: 0.99, runbook: runbooks/a.md}\n"
    one = Watched(read(quick))
    one.gateway.timed({3: 10})
    one.run(2)
    for text, kept in ((quick, 3), (quick.replace("2.56", "5.12"), 0)):
        engine = Engine(read(text), HISTOGRAMS, None, list(one.engine.kept()))
        found = [len(each.history.levels[0]) for each in engine.kept()]
        assert sum(found) == kept


def test_a_day_of_spending_and_a_gauge(read: Read) -> None:
    watched = Watched(read("slos:\n" + COSTS + CACHE))
    watched.run(600, lambda: watched.gateway.spend(0.1))
    (ticket,) = watched.notices
    assert ticket.alert.description.startswith("50.50 US dollars in the last 24 hours; 50 are")
    watched.gateway.families["llmctl_cache_error_bound"].cell("small").value = 0.03
    watched.run(4)
    assert len(watched.notices) == 1
    watched.run(2)
    assert watched.notices[-1].alert.labels == {"route": "small"}
    watched.gateway.families["llmctl_cache_error_bound"].cells.clear()
    watched.run(1)
    assert watched.told()[-1] == ("resolve", "ticket", "LlmctlCache")


def test_time_that_stands_or_goes_back_is_waited_for(up: Watched) -> None:
    up.run(20, lambda: up.gateway.requests(50, 50))
    count, back = len(up.notices), up.now - 3600
    for now in (up.now, back):
        assert up.engine.look(now, up.gateway.families) == []
    assert len(up.notices) == count
    assert up.engine.open()


def test_a_drill_runs_faster(read: Read) -> None:
    watched = Watched(read("pace: 60\nslos:\n" + UP), every=1.0)
    watched.run(1, lambda: watched.gateway.requests(100))
    begun = watched.now
    watched.run(0.5, lambda: watched.gateway.requests(50, 50))
    page = watched.notices[0]
    assert (page.alert.name, page.at - begun) == ("LlmctlUpBurn1m", 5.0)
    assert "of 1m's requests failed" in page.alert.description
    watched.run(60, lambda: watched.gateway.requests(100))
    assert not watched.engine.open()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([1, 15, 60, 600, 20_000, -500]),
        st.integers(0, 200),
        st.integers(0, 200),
        st.sampled_from(["", "", "", "", "reset", "restart"]),
    ),
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_triggers_and_resolves_take_turns(events: list[tuple[int, int, int, str]]) -> None:
    """Per key, whatever happens: restarts, resets, and clocks that jump."""
    watched = Watched(PROMISES)
    for seconds, good, bad, what in events:
        watched.now += seconds
        if what == "reset":
            watched.gateway.reset()
        elif what == "restart":
            watched.restart()
        watched.gateway.requests(good, bad)
        watched.gateway.judged("pii", good, bad)
        watched.gateway.judged("topic", bad, good)
        watched.gateway.spend(good / 20)
        watched.look()
    kinds: dict[str, list[str]] = {}
    for notice in watched.notices:
        if not notice.repeat:
            kinds.setdefault(notice.alert.key, []).append(notice.kind)
    for turns in kinds.values():
        assert turns == [("trigger", "resolve")[at % 2] for at in range(len(turns))]
    still = {key for key, turns in kinds.items() if turns[-1] == "trigger"}
    assert {alert.key for alert in watched.engine.open()} == still


def _promises() -> Slos:
    from llmctl.alerts.slo import AvailabilitySlo, CostSlo, GuardSlo

    made = {
        "up": AvailabilitySlo(objective=0.99, severity="page", runbook="runbooks/a.md"),
        "guards": GuardSlo(objective=0.95, severity="page", runbook="runbooks/a.md"),
        "cost": CostSlo(objective=50, runbook="runbooks/a.md"),
    }
    return Slos("llmctl", {}, made, {})


PROMISES = _promises()


def test_what_is_open_may_be_asked_for_while_another_thread_looks(up: Watched) -> None:
    up.run(60, lambda: up.gateway.requests(100))
    up.run(10, lambda: up.gateway.requests(70, 30))
    going = up.engine._incidents.open
    (incident,) = going.values()

    class Looking:
        """An incident in whose middle another begins, as the other thread would have it."""

        @property
        def alert(self) -> Alert:
            going["new"] = incident
            return incident.alert

    going["looking"] = Looking()  # type: ignore[assignment]
    going["last"] = incident
    assert up.engine.open() == [incident.alert] * 3
