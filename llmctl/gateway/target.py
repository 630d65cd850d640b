"""A configured model as it runs: who serves it, and how it is doing."""

from collections.abc import Callable
from dataclasses import dataclass

from llmctl.gateway.queue import Slots
from llmctl.net.transport import Transport
from llmctl.providers.base import Provider
from llmctl.routing.breaker import Breaker
from llmctl.routing.health import Health


class Standing:
    """How a model is doing: its breaker, its health, its queue (None: no limit), and until when it asked for rest."""

    __slots__ = ("__weakref__", "_now", "_rests_until", "breaker", "health", "slots")

    def __init__(self, breaker: Breaker, health: Health, slots: Slots | None, now: Callable[[], float]) -> None:
        self.breaker = breaker
        self.health = health
        self.slots = slots
        self._now = now
        self._rests_until = 0.0

    def rest(self, seconds: float) -> None:
        """It asked to be left alone for so long: others are asked first meanwhile, where there are any."""
        self._rests_until = max(self._rests_until, self._now() + seconds)

    @property
    def rested(self) -> bool:
        """Whether nothing speaks against calling it now."""
        breaker = self.breaker
        up = breaker.state == "closed" or breaker.retry_after() <= 0
        return up and (not self._rests_until or self._now() >= self._rests_until)


@dataclass(frozen=True, slots=True)
class Target:
    """A configured model: its name here, who serves it, under which name, over what."""

    name: str
    provider: Provider
    model: str
    transport: Transport
    standing: Standing
