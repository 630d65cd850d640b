"""What one sink has still to be told, and what it knows already. Pure: no clock, no disk, no network.

Of an incident at most two things wait: an end, and what began after it. An end takes with it the beginning that nobody
was told of. What may have got through counts as told: an end that nobody needs does no harm, one that is missing does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from llmctl.alerts.alert import Alert, Notice

MOST = 1000
"""Incidents that a sink may have open or waiting."""
GIVE_UP: dict[Literal["trigger", "resolve"], float] = {"trigger": 3600.0, "resolve": 86400.0}
"""Seconds after its first attempt that a notice is given up. An incident left open is worse than one told late."""
VERSION = 1

Told = Literal["no", "maybe", "yes"]


@dataclass(slots=True)
class Incident:
    """What a sink knows of one incident.

    `last` is its newest alert; `first` is when what is next was first tried, in epoch seconds.
    """

    last: Alert
    told: Told = "no"
    waiting: list[Notice] = field(default_factory=list)
    first: float | None = None


class _File(msgspec.Struct):
    incidents: list[Incident]
    v: int = VERSION


@dataclass(slots=True)
class Tally:
    """How many notices were told, were given up, and found no room."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0


class Outbox:
    """Of one sink. Who asks for `next` says afterwards how it went, with one of the methods below it."""

    def __init__(self, repeats: bool, *, most: int = MOST) -> None:
        """`repeats`: whether the sink is told again while an incident goes on."""
        self.tally = Tally()
        self.changed = False
        self._repeats = repeats
        self._most = most
        self._incidents: dict[str, Incident] = {}
        self._forgot = False
        self._flying: tuple[str, Told] | None = None

    # --- what comes in

    def put(self, notice: Notice) -> bool:
        """Take a notice. False where there is no room for it."""
        key = notice.alert.key
        incident = self._incidents.get(key)
        if incident is None:
            if notice.kind == "resolve" and not self._forgot:
                return True  # nobody was told that it began
            if len(self._incidents) >= self._most:
                self.tally.dropped += 1
                return False
            incident = Incident(notice.alert, "maybe" if self._forgot else "no")
            self._incidents[key] = incident
        if notice.kind == "resolve":
            self._end(key, incident, notice)
        else:
            self._begin(incident, notice)
        if not incident.waiting and incident.told == "no":
            del self._incidents[key]
        self.changed = True
        return True

    def _end(self, key: str, incident: Incident, notice: Notice) -> None:
        flying = incident.waiting[:1] if self._flying is not None and self._flying[0] == key else []
        ended = [one for one in incident.waiting if one.kind == "resolve"][:1]
        # A trigger on its way may have been told; `_go_on` looks again when that is known.
        needed = incident.told != "no" and not (flying and flying[0].kind == "resolve")
        later = (ended or [notice]) if needed else []
        incident.waiting = [*flying, *later]

    def _begin(self, incident: Incident, notice: Notice) -> None:
        waits = incident.waiting[-1] if incident.waiting else None
        incident.last = notice.alert
        if waits is not None and waits.kind == "trigger":
            return
        if waits is not None or incident.told != "yes":
            # A repeat of what nobody was told of is news.
            incident.waiting.append(Notice("trigger", notice.alert, notice.at))
        elif self._repeats and notice.repeat:
            incident.waiting.append(notice)

    def only(self, open_: Iterable[str], at: float) -> None:
        """End every incident whose key is not among those: what ended while nobody could say so."""
        going = set(open_)
        for key, incident in list(self._incidents.items()):
            if key not in going:
                self.put(Notice("resolve", incident.last, at))

    # --- what goes out

    def next(self, wall: float) -> Notice | None:
        """What to tell now; None where there is nothing. Who has waited longest comes first."""
        for key, incident in self._incidents.items():
            if not incident.waiting:
                continue
            notice = incident.waiting[0]
            incident.first = wall if incident.first is None else incident.first
            self._flying = key, incident.told
            if notice.kind == "trigger" and incident.told == "no":
                incident.told = "maybe"  # saved before the attempt: a crash in the middle of it leaves this behind
            self.changed = True
            return notice
        return None

    def done(self, notice: Notice) -> None:
        """It was told."""
        incident, _ = self._landed(notice)
        self.tally.delivered += 1
        incident.told = "yes" if notice.kind == "trigger" else "no"
        self._go_on(incident, 1)

    def later(self, notice: Notice, wall: float, *, uncertain: bool) -> bool:
        """It was not told, and may be tried again behind the others. False where that has gone on for too long."""
        incident, before = self._landed(notice)
        assert incident.first is not None
        if wall - incident.first >= GIVE_UP[notice.kind]:
            self._give_up(incident, before, notice, uncertain)
            return False
        incident.told = incident.told if uncertain else before
        self._incidents[notice.alert.key] = self._incidents.pop(notice.alert.key)
        self._go_on(incident, 0)
        return True

    def never(self, notice: Notice, *, uncertain: bool) -> None:
        """It was not told, and never will be."""
        self._give_up(*self._landed(notice), notice, uncertain)

    def _landed(self, notice: Notice) -> tuple[Incident, Told]:
        """The incident, and what was told of it before this attempt."""
        assert self._flying is not None
        key, before = self._flying
        assert key == notice.alert.key, "told of a notice that was not asked for"
        self._flying = None
        self.changed = True
        return self._incidents[key], before

    def _give_up(self, incident: Incident, before: Told, notice: Notice, uncertain: bool) -> None:
        self.tally.failed += 1
        incident.told = incident.told if uncertain else before
        if notice.kind == "resolve":
            incident.told = "no"  # nothing more can be done; what begins later begins anew
        self._go_on(incident, 1)

    def _go_on(self, incident: Incident, through: int) -> None:
        """Forget the first `through` notices, and what an end makes needless."""
        waiting = incident.waiting[through:]
        if len(waiting) > 1 and waiting[0].kind == "trigger":
            waiting = waiting[1:]
        if waiting and waiting[0].kind == "resolve" and incident.told == "no":
            waiting = waiting[1:]
        if waiting != incident.waiting:
            incident.waiting, incident.first = waiting, None
        if not waiting and incident.told == "no":
            del self._incidents[incident.last.key]

    # --- across restarts

    def saved(self) -> bytes:
        """All that has to be known after a restart."""
        self.changed = False
        return msgspec.json.encode(_File(list(self._incidents.values())))

    def restore(self, data: bytes) -> None:
        """Go on from there. Raises ValueError where it cannot be."""
        try:
            found = msgspec.json.decode(data, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(str(error)) from None
        if found.v != VERSION:
            raise ValueError(f"is of version {found.v}, and this llmctl writes version {VERSION}")
        self._incidents |= {incident.last.key: incident for incident in found.incidents}

    def forget(self) -> None:
        """What was told is not known any more: every end is told that anybody asks for."""
        self._forgot = True

    @property
    def open(self) -> int:
        """Incidents that the sink knows of, or is to be told of."""
        return len(self._incidents)
