"""A budget: money that each of its subjects may spend in a day or a month, with reservations for what is under way."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from msgspec import Struct

from llmctl.config.schema_cost import BudgetConfig

Subject = tuple[str, ...]
Told = Callable[[str], None]
SLACK = 1e-9  # dollars: sums of floats are not exact


class Window(Struct, frozen=True, gc=False):
    """A day or a month, `name` as in 2026-01-31 or 2026-01, from `start` until before `end` in epoch seconds."""

    name: str
    start: float
    end: float


class Row(Struct, gc=False):
    """What a subject has spent in `window`, what is reserved, and for how many exchanges.

    `unpriced` are answers that nobody knows the price of; `told` is the highest mark that the log has been told of.
    """

    window: str
    spent: float = 0.0
    unpriced: int = 0
    held: float = 0.0
    holds: int = 0
    told: int = 0


class Held(Struct, gc=False):
    """What an exchange reserved: to be settled once, however it ends."""

    subject: Subject
    usd: float
    row: Row
    settled: bool = False


class Standing(Struct, frozen=True, gc=False):
    """Dollars spent, reserved and allowed, and the seconds until the period ends."""

    spent: float
    reserved: float
    limit: float
    reset_s: float
    unpriced: int = 0

    @property
    def share(self) -> float:
        """Of the limit, reservations included."""
        return (self.spent + self.reserved) / self.limit


def window_at(time: float, every: str, zone: tzinfo) -> Window:
    """The day or month that `time`, in epoch seconds, is in."""
    today = datetime.fromtimestamp(time, zone).date()
    if every == "day":
        first, after, name = today, today + timedelta(days=1), today.isoformat()
    else:
        first = today.replace(day=1)
        after, name = (first + timedelta(days=31)).replace(day=1), f"{today:%Y-%m}"
    return Window(name, _midnight(first, zone), _midnight(after, zone))


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


class Sums:
    """What a budget's subjects have spent in the period that is now; it outlives reloads.

    Time stands still below the highest time seen, so that a clock that is set back opens no period twice.
    """

    def __init__(self, every: str, zone: tzinfo, wall: Callable[[], float]) -> None:
        """`wall` gives epoch seconds."""
        self._every, self._zone, self._wall = every, zone, wall
        self._latest = float("-inf")
        self._window = Window("", 0.0, 0.0)
        self.rows: dict[Subject, Row] = {}
        self.changed = 0  # counts what would have to be written

    @property
    def now(self) -> float:
        """Epoch seconds, never going back."""
        self._latest = max(self._latest, self._wall())
        return self._latest

    def window(self) -> Window:
        """The period that is now."""
        now = self.now
        if not self._window.start <= now < self._window.end:
            self._window = window_at(now, self._every, self._zone)
            self.rows = {subject: row for subject, row in self.rows.items() if row.holds}
        return self._window

    def row(self, subject: Subject) -> Row:
        """The subject's, begun anew where the period is another."""
        window = self.window().name
        row = self.rows.get(subject)
        if row is None:
            row = self.rows[subject] = Row(window)
        elif row.window != window:
            row.window, row.spent, row.unpriced, row.told = window, 0.0, 0, 0
        return row

    def add(self, subject: Subject, usd: float | None) -> None:
        """Money that was spent; None for an answer without a price."""
        row = self.row(subject)
        if usd is None:
            row.unpriced += 1
        else:
            row.spent += usd
        self.changed += 1


class Account:
    """One budget as it is configured, over its sums. Nothing here awaits: `check` and `take` with no await between."""

    def __init__(self, name: str, config: BudgetConfig, sums: Sums, told: Told = lambda message: None) -> None:
        """`told` gets one sentence each time a subject crosses the soft or the hard limit."""
        self.name = name
        self.config = config
        self.sums = sums
        self._told = told
        self._routes = frozenset(config.routes) if config.routes else None
        self._tenants = frozenset(config.tenants) if config.tenants else None
        self._keys = frozenset(config.keys) if config.keys else None

    def subject(self, tenant: str, key: str, name: str) -> Subject | None:
        """Whose money a request for the model or route `name` is; None where this budget does not apply."""
        for names, own in ((self._tenants, tenant), (self._keys, key), (self._routes, name)):
            if names is not None and own not in names:
                return None
        parts = {"key": key, "tenant": tenant, "model": name}
        return tuple(parts[part] for part in self.config.per)

    def check(self, subject: Subject, usd: float) -> bool:
        """Whether so many dollars more could be reserved now. Takes nothing."""
        row = self.sums.row(subject)
        return row.spent + row.held + usd <= self.config.usd + SLACK

    def take(self, subject: Subject, usd: float) -> Held:
        """Reserve what `check` has let pass; to be settled in every case."""
        row = self.sums.row(subject)
        row.held += usd
        row.holds += 1
        return Held(subject, usd, row)

    def settle(self, held: Held, usd: float | None, *, counts: bool = True) -> None:
        """Charge what it cost instead of what was reserved. Again: does nothing.

        It is charged to the period that is now. None: no price is known, and with `counts` that is counted.
        """
        if held.settled:
            return
        held.settled = True
        row = held.row
        row.holds -= 1
        row.held = row.held - held.usd if row.holds else 0.0
        self.charge(held.subject, usd, counts=counts)

    def charge(self, subject: Subject, usd: float | None, *, counts: bool = True) -> None:
        """Charge what nothing was reserved for."""
        if usd is None and not counts:
            return
        self.sums.add(subject, usd)
        self._tell(subject)

    def standing(self, subject: Subject) -> Standing:
        """What the subject has spent of how much."""
        window, row = self.sums.window(), self.sums.row(subject)
        return Standing(row.spent, row.held, self.config.usd, window.end - self.sums.now, row.unpriced)

    def standings(self) -> Iterator[tuple[Subject, Standing]]:
        """Of every subject that has spent or reserved anything."""
        self.sums.window()
        for subject in list(self.sums.rows):
            yield subject, self.standing(subject)

    def _tell(self, subject: Subject) -> None:
        row = self.sums.row(subject)
        share = row.spent / self.config.usd
        mark = 2 if share >= 1 else 1 if share >= self.config.soft else 0
        if mark > row.told:
            row.told = mark
            whose = f" of {'/'.join(subject)}" if subject else ""
            what = "is spent" if mark == 2 else f"has reached {share:.0%}"
            self._told(f"budget {self.name!r}{whose} {what}: {row.spent:.4f} of {self.config.usd:g} $ in {row.window}")


def zone_of(name: str) -> tzinfo:
    """A time zone by its name. Raises ValueError for one that is not known."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError):
        raise ValueError(f"no time zone {name!r}; write one such as UTC or Europe/Berlin") from None
