"""With which probability a route chooses each model for a request, computed rather than drawn: for `llmctl plan`.

Off the hot path. As if every model were well: what breakers and load would have said is not known afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.config.schema import RouteConfig
from llmctl.config.section import Extension
from llmctl.errors import InvalidRequest, UnknownModel
from llmctl.gateway.branch import Branch, Chooser
from llmctl.gateway.build import routing
from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.target import Standing
from llmctl.model.record import Decision
from llmctl.routing.bandit import Bandit
from llmctl.routing.base import Learner, Strategy
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health, HealthOptions
from llmctl.routing.latency import Latency

Action = str
"""A model's name; with a panel before it, `a+b>strong`."""

_HAIR = 1e-12
_WHOLE = 1 - 1e-9


class Untold(Exception):
    """The choice rests on what no record keeps. `explores`: every one of `models` has had a chance all the same."""

    def __init__(self, why: str, models: Sequence[str] = (), *, explores: bool = False) -> None:
        super().__init__(why)
        self.models = tuple(models)
        self.explores = explores


class Odds(NamedTuple):
    """Probabilities by action, summing to one.

    `given` is for this request and its subject; `drawn` is over all salts that an experiment might have had: the
    probabilities that records keep as propensities. Without an experiment they are the same.
    """

    given: Mapping[Action, float]
    drawn: Mapping[Action, float]


class _Point(Random):
    """A generator whose every draw is `at`."""

    at = 0.0

    def random(self) -> float:
        return self.at


class RouteOdds:
    """The odds of every name that clients may ask for under one configuration. Raises ConfigError."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        routes, facts = routing(loaded, clock)
        self._branches = routes.branches
        now = clock.monotonic
        self._standings = {
            name: Standing(Breaker(BreakerOptions(), now), Health(HealthOptions(), now), None, now) for name in facts
        }
        self._health = {name: standing.health for name, standing in self._standings.items()}
        found = {name: _headers(route) for name, route in loaded.config.routes.items()}
        self._hidden = {name: why for name, why in found.items() if why}
        self._point = _Point()

    def of(self, name: str, features: Features) -> Odds:
        """Raises UnknownModel, InvalidRequest where no model can take the request, Untold."""
        branch = self._branches.get(name)
        if branch is None:
            raise UnknownModel(f"there is no model or route {name!r}")
        if name in self._hidden:
            raise Untold(self._hidden[name])
        _, chooser = branch.chosen(features)
        split = branch.split
        if split is None or not _eligible(branch, features):
            own = self._chosen(chooser, features)
            return Odds(own, own)
        given: dict[Action, float] = {}
        drawn: dict[Action, float] = {}
        for into, asked in ((given, features), (drawn, _nobody())):
            for model, share in self._arms(branch, asked).items():
                inside = {model: 1.0} if model is not None else self._chosen(chooser, features)
                for action, odds in inside.items():
                    into[action] = into.get(action, 0.0) + share * odds
        return Odds(given, drawn)

    def _arms(self, branch: Branch, features: Features) -> dict[str | None, float]:
        """Shares of an experiment's arms, by the model they name, for whoever asks."""
        split = branch.split
        assert split is not None
        shares: dict[str | None, float] = {}

        def draw() -> float:
            place = split.assign(features, self._point)
            if place.sticky:
                shares[place.model] = 1.0
                return 1.0
            shares[place.model] = shares.get(place.model, 0.0) + place.propensity
            return place.propensity

        self._walk(draw)
        return shares

    def _chosen(self, chooser: Chooser, features: Features) -> dict[Action, float]:
        candidates = chooser.candidates(features, self._standings)
        if len(candidates) > 1:
            _refuse_untold(chooser.strategy, candidates)
        found: dict[Action, float] = {}

        def draw() -> float:
            decision = chooser.strategy.choose(candidates, features, self._health, self._point)
            action = action_of(decision)
            found[action] = found.get(action, 0.0) + decision.propensity
            return decision.propensity

        self._walk(draw)
        return found

    def _walk(self, draw: Callable[[], float]) -> None:
        """Go along the line from 0 to 1 in steps of what each point's choice has for itself, so that all are met."""
        at = 0.0
        while at < _WHOLE:
            self._point.at = at + _HAIR if at else 0.0
            at += draw()


def action_of(decision: Decision) -> Action:
    """What was decided, panel and all."""
    return f"{'+'.join(decision.panel)}>{decision.model}" if decision.panel else decision.model


def models_of(action: Action) -> tuple[str, ...]:
    """The models an action asks."""
    panel, _, model = action.rpartition(">")
    return (*panel.split("+"), model) if panel else (model,)


def _refuse_untold(strategy: Strategy, candidates: Sequence[str]) -> None:
    if isinstance(strategy, Latency):
        raise Untold("`latency` chooses by the load of the moment, which records do not keep", candidates)
    if isinstance(strategy, Bandit):
        why = "`bandit` chooses by what it had learned by then, which records do not keep"
        raise Untold(why, candidates, explores=True)
    if isinstance(strategy, Learner):
        raise Untold("the strategy chooses by what it had learned by then, which records do not keep", candidates)


def _eligible(branch: Branch, features: Features) -> bool:
    if branch.arms is None or branch.split is None:
        return True
    try:
        return len(branch.arms.of(features)) == len(branch.split.models)
    except InvalidRequest:
        return False


def _nobody() -> Features:
    """A request of no subject, which experiments draw for."""
    return Features({}, "embedding", feature_tools(), tokens=int)


def _headers(route: RouteConfig) -> str:
    """Why a route's choices cannot be computed again: it looks at headers, and records keep none."""
    for at, rule in enumerate(route.rules):
        if "headers" in rule.when or "latency_sensitive" in rule.when:
            return f"rules[{at}] looks at headers, which records do not keep"
    experiment: Extension | None = route.experiment
    if experiment is not None and str(experiment.options.get("subject", "")).startswith("header:"):
        return "its experiment goes by a header, which records do not keep"
    return ""
