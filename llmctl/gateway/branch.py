"""A name that clients may ask for, as it runs: what chooses its model, under which conditions, in which experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from llmctl.errors import InvalidRequest
from llmctl.gateway.capabilities import Capabilities
from llmctl.gateway.target import Standing
from llmctl.model.record import Decision
from llmctl.routing.base import Learner, Strategy
from llmctl.routing.conditions import Condition
from llmctl.routing.experiment import Shadow, Split
from llmctl.routing.features import Features
from llmctl.routing.health import Health


@dataclass(frozen=True, slots=True)
class Chooser:
    """A strategy, and which of its models can take what."""

    strategy: Strategy
    capabilities: Capabilities

    def candidates(self, features: Features, standings: Mapping[str, Standing]) -> Sequence[str]:
        """Models that can take the request, without those that are down, if any is not. Raises InvalidRequest."""
        able = self.capabilities.of(features)
        if len(able) < 2:
            return able
        up = [name for name in able if standings[name].rested]
        return up if up and len(up) < len(able) else able


@dataclass(frozen=True, slots=True)
class Branch:
    """`plain` is the only decision there can be, where nothing has to be looked at to take it."""

    chooser: Chooser
    rules: tuple[tuple[Condition, Chooser], ...] = ()
    split: Split | None = None
    arms: Capabilities | None = None
    shadow: Shadow | None = None
    timeout: float | None = None
    priority: int = 0
    plain: Decision | None = None

    @property
    def learns(self) -> bool:
        """Whether one of its strategies wants to know what becomes of its choices."""
        choosers = [self.chooser, *(own for _, own in self.rules)]
        return any(isinstance(chooser.strategy, Learner) for chooser in choosers)

    def decide(
        self, features: Features, standings: Mapping[str, Standing], health: Mapping[str, Health], rng: Random
    ) -> tuple[Decision, Strategy | None]:
        """The decision, and the strategy that took it. Raises InvalidRequest where no model can take the request.

        `health` is that of every model in `standings`, made once rather than for each request.
        """
        _, chooser = self.chosen(features)
        split = self.split
        if split is None or not self._eligible(features):
            return _chosen(chooser, features, standings, health, rng)
        place = split.assign(features, rng)
        if place.model is not None:
            reason = f"{place.experiment}: {place.arm}, {place.reason}"
            return Decision(place.model, "experiment", reason, place.propensity, place.experiment, place.arm), None
        own, strategy = _chosen(chooser, features, standings, health, rng)
        return (
            Decision(
                own.model, own.strategy, f"{own.reason}; {place.reason}", own.propensity * place.propensity,
                place.experiment, place.arm, own.panel,
            ),
            strategy,
        )  # fmt: skip

    def chosen(self, features: Features) -> tuple[int | None, Chooser]:
        """The first rule that holds, as its position, and what it chooses by; None is the route itself."""
        for at, (condition, own) in enumerate(self.rules):
            if condition.matches(features):
                return at, own
        return None, self.chooser

    def _eligible(self, features: Features) -> bool:
        """Whether every arm could take the request: arms whose requests differ compare nothing."""
        if self.arms is None:
            return True
        try:
            return len(self.arms.of(features)) == len(self.split.models if self.split is not None else ())
        except InvalidRequest:
            return False


def _chosen(
    chooser: Chooser,
    features: Features,
    standings: Mapping[str, Standing],
    health: Mapping[str, Health],
    rng: Random,
) -> tuple[Decision, Strategy]:
    candidates = chooser.candidates(features, standings)
    return chooser.strategy.choose(candidates, features, health, rng), chooser.strategy
