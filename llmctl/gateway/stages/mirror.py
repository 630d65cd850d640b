"""Copies of requests for a model that is only tried: off the path, never returned, recorded and paid for apart.

What it answers passes the output guards: it is kept like other answers.
"""

from collections.abc import Mapping
from random import Random

from llmctl.gateway.branch import Branch
from llmctl.gateway.client import Client
from llmctl.gateway.copies import Copies, copy_of
from llmctl.gateway.pipeline import Pipeline
from llmctl.model.exchange import Exchange
from llmctl.model.record import Decision
from llmctl.routing.experiment import Shadow


class Mirror:
    """Starts the copy as soon as the exchange's own model is decided."""

    name = "mirror"

    def __init__(self, branches: Mapping[str, Branch], pipeline: Pipeline, random: Random) -> None:
        """`pipeline` takes a copy from its decision to its record."""
        self._shadows = {name: branch.shadow for name, branch in branches.items() if branch.shadow is not None}
        self._random = random
        self._copies = {name: Copies(pipeline) for name in self._shadows}

    def __bool__(self) -> bool:
        return bool(self._shadows)

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Never waits, never fails."""
        shadow = self._shadows.get(exchange.requested_model)
        if shadow is None:
            return
        copies = self._copies[exchange.requested_model]
        if shadow.decide(len(copies), self._random) == "mirror":
            copies.start(copy_of(exchange, "shadow", _decision(exchange, shadow)))

    async def close(self) -> None:
        """Stop what is under way; each copy still leaves its record."""
        for copies in self._copies.values():
            await copies.close()


def _decision(exchange: Exchange, shadow: Shadow) -> Decision:
    return Decision(shadow.model, "shadow", f"mirrors {exchange.id}", 1.0, shadow.name, "shadow")
