"""How often the detectors are wrong in a month of traffic as usual, and how soon they see what is not."""

from dataclasses import dataclass

import numpy as np
import pytest

from llmctl.alerts.alert import Notice
from llmctl.alerts.engine import Engine
from llmctl.alerts.slo import CostAnomalySlo, LatencyShiftSlo, Slos
from tests.alerts.metrics import HISTOGRAMS, Gateway

BEGIN = 20_000 * 86400.0
SLOS = Slos(
    "llmctl",
    {},
    {
        "spend": CostAnomalySlo(runbook="runbooks/a.md"),
        "slower": LatencyShiftSlo(runbook="runbooks/a.md"),
    },
    {},
)
BOUNDS = np.array(HISTOGRAMS.duration.bounds)


@dataclass
class Usual:
    """Requests an hour, which are Poisson; what they cost and how long they take is lognormal. By day `swing`ing."""

    rate: float
    swing: float = 0.0
    spread: float = 0.8

    def told(
        self, seed: int, days: float, cost: float = 1.0, time: float = 1.0, usual: float = 30.0, every: float = 300.0
    ) -> list[Notice]:
        """What is told of these days, in which cost and time are multiplied after `usual` ones; looks `every` s."""
        random, gateway, engine = np.random.default_rng(seed), Gateway(), Engine(SLOS, HISTOGRAMS)
        gateway.requests(0)
        notices: list[Notice] = []
        for look in range(round(days * 86400 / every)):
            at = look * every
            changed = at >= usual * 86400
            hourly = self.rate * (1 + self.swing * np.sin(2 * np.pi * at / 86400))
            count = random.poisson(hourly * every / 3600)
            gateway.requests(count)
            gateway.spend(float(random.lognormal(-3, self.spread, count).sum()) * (cost if changed else 1))
            places = np.searchsorted(BOUNDS, random.lognormal(0, self.spread, count) * (time if changed else 1))
            gateway.timed({int(place): int(n) for place, n in zip(*np.unique(places, return_counts=True), strict=True)})
            notices += engine.look(BEGIN + at, gateway.families)
        return [notice for notice in notices if not notice.repeat]


@pytest.mark.parametrize(
    "usual", [Usual(60), Usual(600, swing=0.8), Usual(300, spread=1.2)], ids=["few", "days", "wild"]
)
def test_a_month_as_usual_has_at_most_one_false_alarm(usual: Usual) -> None:
    told = usual.told(seed=11, days=30, every=600)
    assert sum(notice.kind == "trigger" for notice in told) <= 1


@pytest.mark.parametrize(("usual", "within"), [(Usual(60), 60), (Usual(2000), 55), (Usual(300, spread=1.0), 60)])
def test_three_times_the_cost_is_found_within_the_hour(usual: Usual, within: float) -> None:
    (found, *_) = usual.told(seed=3, days=3.2, cost=3, usual=3)
    assert found.alert.slo == "spend"
    assert (found.at - BEGIN) / 60 - 3 * 1440 <= within


@pytest.mark.parametrize(("usual", "within"), [(Usual(250), 40), (Usual(2000), 30), (Usual(600, swing=0.8), 35)])
def test_twice_the_time_is_found_within_40_minutes(usual: Usual, within: float) -> None:
    (found, *_) = usual.told(seed=5, days=3.2, time=2, usual=3)
    assert found.alert.slo == "slower"
    assert (found.at - BEGIN) / 60 - 3 * 1440 <= within


def test_what_stays_becomes_usual() -> None:
    told = Usual(2000).told(seed=5, days=5, cost=3, time=2, usual=3)
    for slo in ("spend", "slower"):
        assert [notice.kind for notice in told if notice.alert.slo == slo] == ["trigger", "resolve"]
