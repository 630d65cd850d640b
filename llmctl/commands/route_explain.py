"""What a configuration's route does with a prompt: its candidates, its choice, and why. Sends nothing."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from llmctl.clock import SystemClock
from llmctl.config.load import load
from llmctl.config.secrets import Environment
from llmctl.errors import InvalidRequest, UsageError
from llmctl.gateway.branch import Branch
from llmctl.gateway.build import routing
from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.tally import BYTES_PER_TOKEN
from llmctl.gateway.target import Standing
from llmctl.model.json import JsonObject, encode
from llmctl.routing.base import ModelFacts
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health, HealthOptions

MILLION = 1_000_000


def explained(config: Path, route: str, text: str) -> dict[str, Any]:
    """As `--json` prints it. Raises ConfigError, and UsageError where there is no such route or model."""
    clock = SystemClock()
    routes, facts = routing(load(config, Environment.of_process()), clock)
    branch = routes.branches.get(route)
    if branch is None:
        raise UsageError(f"--route: {config} has no {route!r}; there are {', '.join(sorted(routes.branches))}")
    payload: JsonObject = {"model": route, "messages": [{"role": "user", "content": text}]}
    features = Features(
        payload,
        "chat",
        feature_tools(),
        tokens=lambda: -(-len(encode(payload)) // BYTES_PER_TOKEN),
        wall=clock.wall(),
    )
    rule, chooser = branch.chosen(features)
    said: dict[str, Any] = {"route": route, "rule": rule, "tokens": features.tokens}
    own = chooser.strategy.models
    arms = branch.split.models if branch.split is not None else ()
    try:
        left_out = chooser.capabilities.reasons(features)
        models = [_candidate(name, facts[name], left_out.get(name)) for name in dict.fromkeys((*own, *arms))]
        return said | {"candidates": models, "decision": _decision(branch, features, facts)}
    except InvalidRequest as error:
        models = [_candidate(name, facts[name], "cannot take it") for name in own]
        return said | {"candidates": models, "decision": None, "refused": error.message}


def lines(said: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    decision = said["decision"]
    by = "its own strategy" if said["rule"] is None else f"rules[{said['rule']}]"
    yield f"route       {said['route']}, by {by}"
    if decision is None:
        yield f"refused     {said['refused']}"
    else:
        yield f"model       {decision['model']}"
        yield f"why         {decision['strategy']}: {decision['reason']}"
        yield f"propensity  {decision['propensity']:.4g}"
        if decision["panel"]:
            yield f"panel       {', '.join(decision['panel'])}"
        if decision["experiment"]:
            yield f"experiment  {decision['experiment']}, arm {decision['arm']}"
    width = max(len(one["model"]) for one in said["candidates"]) + 2
    yield f"candidates  {'MODEL':{width}}{'CONTEXT':>9}{'$/M IN':>9}{'$/M OUT':>9}"
    for one in said["candidates"]:
        figures = "".join(f"{_figure(one[key]):>9}" for key in ("context", "input_usd", "output_usd"))
        yield f"{'':12}{one['model']:{width}}{figures}{'  ' + one['lacks'] if one['lacks'] else ''}".rstrip()


def _decision(branch: Branch, features: Features, facts: dict[str, ModelFacts]) -> dict[str, Any]:
    """As if every model were well and had not been called yet. What is drawn is drawn the same each time."""
    standings = {name: _untried() for name in facts}
    health = {name: standing.health for name, standing in standings.items()}
    decision, _ = branch.decide(features, standings, health, Random(0))
    names = ("model", "strategy", "reason", "propensity", "experiment", "arm", "panel")
    return {name: getattr(decision, name) for name in names}


def _untried() -> Standing:
    now = SystemClock().monotonic
    return Standing(Breaker(BreakerOptions(), now), Health(HealthOptions(), now), None, now)


def _candidate(name: str, facts: ModelFacts, lacks: str | None) -> dict[str, Any]:
    """Prices are of a million tokens, None where none is known."""
    prices = [None if one is None else round(one * MILLION, 6) for one in (facts.input_price, facts.output_price)]
    return {"model": name, "context": facts.context, "input_usd": prices[0], "output_usd": prices[1], "lacks": lacks}


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:,}"
