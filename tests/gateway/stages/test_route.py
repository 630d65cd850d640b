from random import Random

import pytest

from llmctl.errors import Forbidden, LlmctlError, UnknownModel
from llmctl.gateway.stages.route import Route
from llmctl.model.exchange import Exchange, Principal
from llmctl.routing.fixed import Fixed, FixedOptions
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, exchange

ROUTES = {name: Fixed(FixedOptions(model="gpt-small")) for name in ("gpt-small", "gpt-large", "secret")}


async def routed(name: str, *models: str) -> Exchange:
    asked = exchange(ManualClock())
    asked.requested_model = name
    asked.principal = Principal("k", "t", frozenset(models) if models else None)
    await Route(ROUTES, Random(1)).run(asked, CollectingClient({}))
    return asked


async def refused(name: str, *models: str) -> LlmctlError:
    with pytest.raises(LlmctlError) as caught:
        await routed(name, *models)
    return caught.value


async def test_the_decision_is_the_routes() -> None:
    asked = await routed("gpt-large")
    assert asked.decision is not None
    assert (asked.decision.model, asked.requested_model) == ("gpt-small", "gpt-large")


async def test_a_key_may_use_a_route_without_the_models_behind_it() -> None:
    assert (await routed("gpt-large", "gpt-large")).decision is not None
    assert isinstance(await refused("gpt-small", "gpt-large"), Forbidden)


async def test_an_unknown_name_suggests_only_what_the_key_may_see() -> None:
    error = await refused("gpt-smal")
    assert isinstance(error, UnknownModel)
    assert "did you mean 'gpt-small'" in error.message
    assert "secret" not in (await refused("secrt", "gpt-small")).message
    assert "there are 'gpt-small'" in (await refused("zzz", "gpt-small")).message


async def test_a_long_list_and_a_long_name_are_cut() -> None:
    many = Route({f"m{n}": ROUTES["secret"] for n in range(50)}, Random(1))
    asked = exchange(ManualClock())
    asked.requested_model = "z" * 10_000
    with pytest.raises(UnknownModel, match="and 42 more") as caught:
        await many.run(asked, CollectingClient({}))
    assert len(caught.value.message) < 1000
