"""Which model answers."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from random import Random

from llmctl.errors import Forbidden, NotCached, UnknownModel
from llmctl.gateway.attempt import INNOCENT
from llmctl.gateway.branch import Branch
from llmctl.gateway.client import Client
from llmctl.gateway.tally import tokens_of
from llmctl.gateway.target import Standing
from llmctl.model.exchange import Exchange, Principal
from llmctl.routing.features import Features, Tools


class Route:
    """Resolves the requested name, a model's or a route's, by that route's rules, experiment and strategy."""

    name = "route"

    def __init__(
        self, branches: Mapping[str, Branch], standings: Mapping[str, Standing], tools: Tools, random: Random
    ) -> None:
        self._branches = dict(branches)
        self._standings = dict(standings)
        self._health = {name: standing.health for name, standing in standings.items()}
        self._tools = tools
        self._random = random

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `decision`, and where the route looks at the request `features` and `strategy`; tightens the deadline.

        Raises UnknownModel with the nearest names, Forbidden for a name the key may not use, InvalidRequest where no
        model of the route can take the request, NotCached where only a cached answer would have done.
        """
        name, principal = exchange.requested_model, exchange.principal
        branch = self._branches.get(name)
        allowed = principal.models if principal else None
        if branch is None:
            raise UnknownModel(_unknown(name, self.visible(principal)), param="model")
        if allowed is not None and name not in allowed:
            raise Forbidden(f"this key may not use model {name!r}; it may use {_listed(allowed)}", param="model")
        if exchange.wish == "only":
            raise NotCached("there is no cached answer to this request, and `cache: only` asks for nothing else")
        if not exchange.shadow_of:  # copies have the least
            exchange.priority = branch.priority + (principal.priority if principal else 0)
        if branch.timeout is not None:
            exchange.deadline = min(exchange.deadline, exchange.started + branch.timeout)
        if branch.plain is not None:
            exchange.decision = branch.plain
            return
        exchange.features = features = features_of(exchange, self._tools)
        exchange.decision, exchange.strategy = branch.decide(features, self._standings, self._health, self._random)

    def visible(self, principal: Principal | None) -> list[str]:
        """The names this caller may ask for."""
        allowed = principal.models if principal else None
        return [name for name in self._branches if allowed is None or name in allowed]


class Learn:
    """Closing step: a strategy that learns is told what became of its choice."""

    def close(self, exchange: Exchange) -> None:
        """Tell it, unless the client left, or was refused, before anything could be learned."""
        decision = exchange.decision
        # Of a Learner; asking for the protocol itself would cost every exchange 13 µs.
        learn = getattr(exchange.strategy, "learn", None)
        if learn is None or decision is None or exchange.state not in ("ok", "failed"):
            return
        own = [attempt for attempt in exchange.attempts if attempt.target == decision.model]
        if own:
            answered = exchange.state == "ok" and exchange.model == decision.model
            seconds = sum(attempt.duration_us for attempt in own) / 1e6
            if answered or own[-1].failure not in INNOCENT:  # the request's own fault says nothing about the model
                learn(decision, ok=answered, seconds=seconds, usd=exchange.cost.usd)


def features_of(exchange: Exchange, tools: Tools) -> Features:
    """What routing may know of this exchange."""
    principal = exchange.principal
    return Features(
        exchange.payload,
        exchange.operation,
        tools,
        tokens=partial(tokens_of, exchange.payload, exchange.raw, exchange.operation),  # not the exchange: a cycle
        tenant=principal.tenant if principal else "",
        key=principal.key if principal else "",
        headers=exchange.headers,
        wall=exchange.wall,
        stream=exchange.stream,
    )


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:256], known, n=3, cutoff=0.4)
    hint = f"did you mean {_listed(near)}?" if near else f"there are {_listed(known)}"
    return f"no model {name[:256]!r} here; {hint} (GET /v1/models lists them)"


def _listed(names: Iterable[str]) -> str:
    ordered = list(names)
    rest = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return (", ".join(map(repr, ordered[:8])) or "none") + rest
