"""What a route does when the chosen model fails: whom to ask next, how long to wait, what to say in the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmctl.gateway.attempt import Down
from llmctl.gateway.capabilities import Able, lacking
from llmctl.gateway.hedge import HedgePolicy
from llmctl.gateway.target import Target
from llmctl.model.exchange import Exchange
from llmctl.model.record import Degraded

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Reserves:
    """Of one route, or of a model asked for by its name.

    `fallbacks` are models by class of failure, `default` for all others; `cheaper` those asked when they fail too;
    `ables` those of both that say what they can do.
    """

    ables: Mapping[str, Able] = field(default_factory=dict)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cheaper: tuple[str, ...] = ()
    static_answer: str | None = None
    attempt_timeout: float | None = None
    hedge: HedgePolicy | None = None
    resume: bool = False

    def after(self, kind: str) -> tuple[str, ...]:
        """Models to ask after such a failure, in order."""
        return self.fallbacks.get(kind, self.fallbacks.get(DEFAULT, ())) + self.cheaper


class Line:
    """Whom one exchange asks in turn: each model once, those that are down or asked for rest last or not at all."""

    def __init__(self, reserves: Reserves, targets: Mapping[str, Target], exchange: Exchange, first: str) -> None:
        self._reserves = reserves
        self._targets = targets
        self._exchange = exchange
        self._asked = {first}
        self.first = targets[first]

    def start(self) -> Target:
        """Who is asked to begin with: the decided model, unless it asked for rest and another did not."""
        standing = self.first.standing
        if standing.rested or standing.breaker.retry_after() > 0:
            return self.first
        other = self.peek("rate_limit")
        if other is None or not other.standing.rested:
            return self.first
        self._asked = {other.name}
        return other

    def peek(self, kind: str) -> Target | None:
        """Who would be asked next after such a failure."""
        tired = None
        for name in (*self._reserves.after(kind), self.first.name):
            if name in self._asked or not self._able(name):
                continue
            target = self._targets[name]
            if target.standing.rested:
                return target
            if tired is None and target.standing.breaker.retry_after() <= 0:
                tired = target
        return tired

    def next(self, kind: str) -> Target | None:
        """Who is asked next after such a failure."""
        target = self.peek(kind)
        if target is not None:
            self._asked.add(target.name)
        return target

    def resort(self, kind: str) -> Target | None:
        """Who is asked in spite of its breaker, as nobody else is left: the likeliest to answer soon.

        As Envoy does when too many of its hosts are down: breakers that are all open are wrong about one of them, or it
        makes no difference. A model that stands alone is left to its breaker.
        """
        called = {attempt.target for attempt in self._exchange.attempts}
        names = dict.fromkeys((self.first.name, *self._reserves.after(kind)))
        if len(names) < 2:
            return None
        down = [self._targets[name] for name in names if name not in called and self._able(name)]
        return min((one for one in down if one.standing.breaker.retry_after() > 0), key=_unlikely, default=None)

    def waiting(self, kind: str) -> int:
        """How many others could still be asked after such a failure."""
        names = {name for name in self._reserves.after(kind) if name not in self._asked and self._able(name)}
        return sum(self._targets[name].standing.breaker.retry_after() <= 0 for name in names)

    def degraded(self, name: str) -> Degraded | None:
        """How low this is to stoop."""
        if name == self.first.name:
            return None
        return "cheaper" if name in self._reserves.cheaper else "fallback"

    def soonest(self, kind: str) -> float:
        """Seconds until some model that is asked after such a failure is tried again, where all are down."""
        able = filter(self._able, self._reserves.after(kind))
        return min(Down(self._targets[name]).retry_after for name in (self.first.name, *able))

    def _able(self, name: str) -> bool:
        able = self._reserves.ables.get(name)
        return able is None or lacking(able, self._exchange.features, sure=True) is None


def _unlikely(target: Target) -> float:
    """The larger, the less is to be hoped for."""
    health = target.standing.health
    return health.load / ((health.success or 0.0) + 0.01)
