from pathlib import Path
from random import Random

import pytest

from llmctl.config.keys import new_key
from llmctl.errors import Forbidden, LlmctlError, UnknownModel
from llmctl.gateway.branch import Branch, Chooser
from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.capabilities import Able, Capabilities
from llmctl.gateway.copies import LEAST
from llmctl.gateway.stages.route import Learn, Route
from llmctl.gateway.target import Standing
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.record import Attempt, Decision, State
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.fixed import Fixed, FixedOptions
from llmctl.routing.health import Health, HealthOptions
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, exchange
from tests.gateway.routed import Routed

CHOOSER = Chooser(Fixed(FixedOptions(model="gpt-small"), {}), Capabilities([Able("gpt-small")]))
BRANCHES = {name: Branch(CHOOSER) for name in ("gpt-small", "gpt-large", "secret")}


def standing() -> Standing:
    now = ManualClock().monotonic
    return Standing(Breaker(BreakerOptions(), now), Health(HealthOptions(), now), None, now)


async def routed(name: str, *models: str) -> Exchange:
    asked = exchange(ManualClock())
    asked.requested_model = name
    asked.principal = Principal("k", "t", frozenset(models) if models else None)
    await Route(BRANCHES, {"gpt-small": standing()}, feature_tools(), Random(1)).run(asked, CollectingClient({}))
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
    many = Route({f"m{n}": BRANCHES["secret"] for n in range(50)}, {}, feature_tools(), Random(1))
    asked = exchange(ManualClock())
    asked.requested_model = "z" * 10_000
    with pytest.raises(UnknownModel, match="and 42 more") as caught:
        await many.run(asked, CollectingClient({}))
    assert len(caught.value.message) < 1000


KEY, ENTRY = new_key()
ROUTES = f"""
keys: [{{id: {ENTRY["id"]}, hash: "{ENTRY["hash"]}", priority: 7}}]
routes:
  plain: {{kind: fixed, model: a}}
  urgent: {{kind: fixed, model: a, priority: 20, timeout: 5s}}
  patient: {{kind: weighted, weights: {{a: 1}}, priority: -20, timeout: 900s}}
"""


@pytest.mark.parametrize(
    ("name", "priority", "deadline"), [("a", 7, 60), ("plain", 7, 60), ("urgent", 27, 5), ("patient", -13, 60)]
)
async def test_the_keys_priority_and_the_routes_add_up_and_the_nearer_deadline_holds(
    tmp_path: Path, name: str, priority: int, deadline: float
) -> None:
    clock = ManualClock()
    asked = (await Routed(tmp_path, ROUTES, clock=clock).ask(name, credential=KEY)).exchange
    assert (asked.priority, asked.deadline - asked.started) == (priority, deadline)


async def test_a_copy_keeps_the_least_priority() -> None:
    asked = exchange(ManualClock())
    asked.requested_model, asked.shadow_of, asked.priority = "secret", "req_1", LEAST
    await Route(BRANCHES, {"gpt-small": standing()}, feature_tools(), Random(1)).run(asked, CollectingClient({}))
    assert asked.priority == LEAST


BANDIT = "routes: {r: {kind: bandit, models: [a, b]}}"


async def test_a_strategy_learns_what_became_of_its_choices(tmp_path: Path) -> None:
    routed = Routed(tmp_path, BANDIT)
    routed.models.failing.add("a")
    for _ in range(60):
        await routed.ask()
    last = [one.decision.model for one in routed.records[-20:] if one.decision]
    assert last.count("b") >= 15
    assert all(one.state == "ok" for one in routed.records)


def told(state: State, *attempts: Attempt, model: str = "a") -> list[tuple[str, bool, float]]:
    """What a strategy that had chosen `a` learns."""
    found: list[tuple[str, bool, float]] = []

    class Pupil:
        def learn(self, decision: Decision, *, ok: bool, seconds: float, usd: float | None) -> None:
            found.append((decision.model, ok, seconds))

    asked = exchange(ManualClock())
    asked.strategy, asked.decision = Pupil(), Decision("a", "s", "")
    asked.state, asked.model, asked.attempts = state, model, list(attempts)
    Learn().close(asked)
    return found


def attempt(target: str = "a", failure: str = "", error: str | None = None) -> Attempt:
    return Attempt("p", "m", 0, 500_000, error=error, target=target, failure=failure)


def test_only_what_says_something_about_the_choice_is_learned() -> None:
    broken = attempt(failure="server_error", error="e")
    assert told("ok", attempt()) == [("a", True, 0.5)]
    assert told("ok", broken, attempt()) == [("a", True, 1.0)]
    assert told("ok", broken, attempt("b"), model="b") == [("a", False, 0.5)]
    assert told("failed", broken, model="") == [("a", False, 0.5)]
    assert told("failed", attempt(failure="client", error="e"), model="") == []
    assert told("ok", attempt(failure="context_length", error="e"), attempt("b"), model="b") == []
    assert told("aborted", attempt()) == []
    assert told("blocked", attempt()) == []
    assert told("ok", attempt("b"), model="b") == []
