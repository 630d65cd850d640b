"""The evaluator of promises inside the gateway, for those who run no Prometheus.

It is handed a reading of all metrics now and then, and says what to tell. It does no I/O and reads no clock: time is
what `look` is told, in seconds since the epoch, and must not go back.
"""

from collections.abc import Callable, Iterator

import msgspec

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.annotations import filled
from llmctl.alerts.history import Saved
from llmctl.alerts.incidents import Incident, Incidents
from llmctl.alerts.readings import Group, Reading
from llmctl.alerts.rules import alerts
from llmctl.alerts.slo import Histograms, Slos
from llmctl.alerts.watches import Breach, counts_what, watch_of

Instance = tuple[str, Group]
"""An alert's name and the values of its labels."""


class Pending(msgspec.Struct):
    """A condition that holds, since when, and since when it has held for long enough, if it has."""

    alert: str
    group: Group
    since: float
    fired: float | None = None


class Kept(msgspec.Struct):
    """One history of one promise."""

    slo: str
    counts: str
    group: Group
    history: Saved


class State(msgspec.Struct):
    """What must outlive the process, but for histories: when it was looked last, what holds, what is open."""

    looked: float = 0.0
    pending: list[Pending] = []
    open: list[Incident] = []


class Engine:
    """Looks at every promise of `slos`. `pause` is called between two promises."""

    def __init__(
        self,
        slos: Slos,
        histograms: Histograms,
        state: State | None = None,
        kept: list[Kept] | None = None,
        *,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """`state` and `kept` are what an engine before this one left; what is no longer promised is passed over."""
        state = state or State()
        self._slos = slos
        self._pause = pause
        self._alerts = alerts(slos, histograms)
        self._counts = {name: counts_what(slo, slos, histograms) for name, slo in slos.slos.items()}
        histories: dict[str, dict[Group, Saved]] = {name: {} for name in slos.slos}
        for one in kept or ():
            if self._counts.get(one.slo) == one.counts:
                histories[one.slo][one.group] = one.history
        self._watches = {
            name: watch_of(name, slo, slos, histograms, histories[name]) for name, slo in slos.slos.items()
        }
        self._pending = {(one.alert, one.group): one for one in state.pending}
        self._firing: list[Alert] = []
        self._incidents = Incidents(state.open)
        self.looked = state.looked

    def look(self, now: float, reading: Reading) -> list[Notice]:
        """Evaluate every promise. At a time no later than the last one nothing is done."""
        if now <= self.looked:
            return []
        holding: dict[Instance, Pending] = {}
        firing: list[Alert] = []
        for name, watch in self._watches.items():
            for breach in watch.look(now, reading):
                instance = (breach.alert, breach.group)
                pending = self._pending.get(instance) or Pending(breach.alert, breach.group, now)
                holding[instance] = pending
                if pending.fired is None and now - pending.since >= breach.hold:
                    pending.fired = now
                if pending.fired is not None:
                    firing.append(self._alert(name, breach, pending.fired))
            self._pause()
        self._pending, self._firing, self.looked = holding, firing, now
        return self._incidents.update(now, firing)

    def firing(self) -> list[Alert]:
        """Alerts that fire, also those that are kept back or have joined an incident."""
        return list(self._firing)

    def open(self) -> list[Alert]:
        """What has been told and is not over. May be called while another thread looks."""
        return [incident.alert for incident in list(self._incidents.open.values())]

    def state(self) -> State:
        """See State."""
        return State(self.looked, list(self._pending.values()), list(self._incidents.open.values()))

    def kept(self) -> Iterator[Kept]:
        """Every history."""
        for name, watch in self._watches.items():
            if watch.tracks is not None:
                for group, history in watch.tracks.by_group.items():
                    yield Kept(name, self._counts[name], group, history.saved())

    def _alert(self, name: str, breach: Breach, since: float) -> Alert:
        rule = self._alerts[breach.alert]
        labels = dict(zip(breach.by, breach.group, strict=True))
        told = filled(rule["annotations"], labels, breach.value)
        return Alert(
            name=breach.alert,
            severity=rule["labels"]["severity"],
            service=self._slos.service,
            slo=name,
            labels=labels,
            summary=told["summary"],
            description=told["description"],
            runbook=told["runbook"],
            value=breach.value,
            since=since,
        )
