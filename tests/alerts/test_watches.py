"""What a promise counts, and its maths."""

from llmctl.alerts.slo import CostAnomalySlo, LatencyShiftSlo, LatencySlo
from llmctl.alerts.watches import CostWatch, LatencyWatch, Tracks, watch_of
from tests.alerts.conftest import Read
from tests.alerts.metrics import HISTOGRAMS, START, UP, Gateway

HOUR = 3600.0
RUNBOOK = "runbooks/a.md"


def test_what_appears_later_began_at_zero_and_what_is_gone_stays() -> None:
    tracks = Tracks(HOUR, 1, {})
    tracks.add(0, {("a",): (100.0,)})
    tracks.add(60, {("a",): (101.0,), ("b",): (7.0,)})
    tracks.add(120, {("b",): (9.0,)})
    growth = {group: history.growth(0, 120) for group, history in tracks.by_group.items()}
    assert growth == {("a",): (1.0,), ("b",): (9.0,)}


def test_money_is_that_of_copies_too() -> None:
    watch = CostWatch("spend", CostAnomalySlo(runbook=RUNBOOK), 1.0, {})
    gateway, found = Gateway(), []
    for minute in range(0, 30 * 60, 5):
        gateway.requests(10)
        gateway.spend(0.5)
        gateway.families["llmctl_shadow_cost_dollars_total"].cell("new").value += 3.0 if minute >= 29 * 60 else 0.5
        found = list(watch.look(START + minute * 60, gateway.families))
    (breach,) = found
    assert breach.hold == 300
    assert 12 * 2 < breach.value <= 12 * 3.5


def test_half_a_day_must_be_known_first() -> None:
    watch = CostWatch("spend", CostAnomalySlo(runbook=RUNBOOK), 1.0, {})
    gateway = Gateway()
    for minute in range(0, 12 * 60, 5):
        gateway.requests(10)
        gateway.spend(0.5 if minute < 11 * 60 else 50)
        assert list(watch.look(START + minute * 60, gateway.families)) == []


def test_a_shift_needs_a_day_to_compare_with() -> None:
    watch = LatencyWatch("slower", LatencyShiftSlo(runbook=RUNBOOK), HISTOGRAMS, 1.0, {})
    gateway, found = Gateway(), []
    for minute in range(0, 120, 5):
        gateway.timed({3: 20} if minute < 90 else {7: 100})
        found += list(watch.look(START + minute * 60, gateway.families))
    assert found == []  # 360 requests before are too few for 100 in the window


def test_latency_counts_what_is_not_in_time(read: Read) -> None:
    slo = LatencySlo(threshold=2.56, objective=0.99, runbook=RUNBOOK)
    watch = watch_of("slow", slo, read("slos:\n" + UP), HISTOGRAMS, {})
    gateway = Gateway()
    gateway.timed({8: 10})
    assert list(watch.look(START, gateway.families)) == []
    gateway.timed({8: 50, 9: 50})  # up to 2.56 s, and up to 5.12 s
    (fast, *_) = watch.look(START + 60, gateway.families)
    assert (fast.alert, fast.value, fast.group) == ("LlmctlSlowBurn1h", 0.5, ())
