"""Which model answers."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from random import Random

from llmctl.errors import Forbidden, UnknownModel
from llmctl.gateway.client import Client
from llmctl.model.exchange import Exchange, Principal
from llmctl.routing.base import Strategy


class Route:
    """Resolves the requested name, a model's or a route's, with that route's strategy."""

    name = "route"

    def __init__(self, routes: Mapping[str, Strategy], random: Random) -> None:
        self._routes = dict(routes)
        self._random = random

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `decision`. Raises UnknownModel with the nearest names, Forbidden for a name the key may not use."""
        name = exchange.requested_model
        strategy = self._routes.get(name)
        allowed = exchange.principal.models if exchange.principal else None
        if strategy is None:
            raise UnknownModel(_unknown(name, self.visible(exchange.principal)), param="model")
        if allowed is not None and name not in allowed:
            raise Forbidden(f"this key may not use model {name!r}; it may use {_listed(allowed)}", param="model")
        exchange.decision = strategy.choose(exchange, self._random)

    def visible(self, principal: Principal | None) -> list[str]:
        """The names this caller may ask for."""
        allowed = principal.models if principal else None
        return [name for name in self._routes if allowed is None or name in allowed]


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:256], known, n=3, cutoff=0.4)
    hint = f"did you mean {_listed(near)}?" if near else f"there are {_listed(known)}"
    return f"no model {name[:256]!r} here; {hint} (GET /v1/models lists them)"


def _listed(names: Iterable[str]) -> str:
    ordered = list(names)
    rest = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return (", ".join(map(repr, ordered[:8])) or "none") + rest
