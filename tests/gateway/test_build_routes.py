"""What is wrong with routes is said with its line, all at once; what is right stands by in the right order."""

from pathlib import Path

import pytest

from llmctl.config.schema import RouteConfig, RuleConfig
from llmctl.errors import ConfigError
from llmctl.gateway.build import check
from llmctl.gateway.build_routes import EXPERIMENTS, RouteMaker, Routes
from llmctl.gateway.hedge import HedgePolicy
from llmctl.gateway.kept import Kept
from llmctl.gateway.reserves import DEFAULT
from llmctl.model.record import Decision
from llmctl.routing import TABLE
from llmctl.testing.config import loaded
from tests.gateway.routed import MODELS, START, Routed

GOOD = """\
providers: {up: {kind: scripted}}
models: {a: {provider: up}, b: {provider: up}, c: {provider: up, fallbacks: {timeout: [a], default: [b]}}}
resilience: {breaker: {error_rate: 0.5}, retry: {attempts: 3}, probe_every: 1s}
routes:
  r:
    kind: complexity
    tiers: {simple: a, complex: b}
    rules:
      - {kind: fixed, model: b, when: {tools: true}}
      - kind: weighted
        weights: {a: 1, c: 2}
        when: {time: {from: "08:00"}}
    fallbacks: {timeout: [c], default: [b, c]}
    cheaper: [a]
    hedge: {after: 300ms}
    attempt_timeout: 20s
    experiment:
      {kind: ab, name: x, subject: user, arms: {left: {}, right: {model: c}}}
"""


def findings(text: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(loaded(text, folder))
    return [line.removeprefix(f"{folder}/") for line in caught.value.findings]


def made(folder: Path, routes: str, models: str = MODELS) -> Routes:
    trouble: list[str] = []
    found = RouteMaker(loaded(f"{START}{models}routes: {routes}", folder), {}, Kept(), trouble).routes()
    assert not trouble
    return found


def test_a_good_route_is_built(tmp_path: Path) -> None:
    check(loaded(GOOD, tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("simple: a", "simple: z", "7: routes.r.tiers.simple:", "no model 'z'; there are a, b, c"),
        ("simple: a", "simpel: a", "7: routes.r.tiers.simpel:", "did you mean simple?"),
        ("kind: fixed, model: b", "kind: fixd, model: b", "9: routes.r.rules[0].kind:", "no kind 'fixd'; there are"),
        ("kind: fixed, model: b", "kind: fixed, model: z", "9: routes.r.rules[0].model:", "no model 'z'"),
        ("kind: fixed, model: b", "kind: fixed, modl: b", "9: routes.r.rules[0].modl:", "did you mean model?"),
        ("tools: true", "tolos: true", "9: routes.r.rules[0].when.tolos:", "did you mean tools?"),
        ("tools: true", "tools: 1", "9: routes.r.rules[0].when.tools:", "true or false"),
        ("tools: true", "tenants: [ghost]", "9: routes.r.rules[0].when.tenants[0]:", "no 'ghost' here; there are"),
        ("tools: true", "keys: [nobody]", "9: routes.r.rules[0].when.keys[0]:", "no 'nobody' here; there are none"),
        (", when: {tools: true}", "", "9: routes.r.rules[0].when:", "missing"),
        ("{a: 1, c: 2}", "{a: 1, z: 2}", "11: routes.r.rules[1].weights.z:", "no model 'z'"),
        ('from: "08:00"', 'from: "8"', "12: routes.r.rules[1].when.time.from:", "08:00"),
        ('{from: "08:00"}', '{zone: "Nowhere"}', "12: routes.r.rules[1].when.time.zone:", "Europe/Berlin"),
        ("timeout: [c]", "timeout: [z]", "13: routes.r.fallbacks.timeout[0]:", "no model 'z'"),
        ("{timeout: [c], default: [b, c]}", "[b, z]", "13: routes.r.fallbacks[1]:", "no model 'z'"),
        ("timeout: [c]", "tiemout: [c]", "13: routes.r.fallbacks", "timeout"),
        ("cheaper: [a]", "cheaper: [z]", "14: routes.r.cheaper[0]:", "no model 'z'"),
        ("after: 300ms", "after: soon", "15: routes.r.hedge.after:", "30s"),
        ("after: 300ms", "aftre: 1s", "15: routes.r.hedge.aftre:", "did you mean after?"),
        ("attempt_timeout: 20s", "attempt_timeout: 0", "16: routes.r.attempt_timeout:", "greater than 0"),
        ("model: c}}}", "model: z}}}", "18: routes.r.experiment.arms.right.model:", "no model 'z'"),
        ("kind: ab", "kind: abc", "18: routes.r.experiment.kind:", "no kind 'abc'; there are ab, canary, shadow"),
        ("name: x, ", "", "17: routes.r.experiment.name:", "missing"),
        ("subject: user", "subject: me", "18: routes.r.experiment.subject:", "key, tenant, user"),
        ("error_rate: 0.5", "error_rate: 5", "3: resilience.breaker.error_rate:", "less than or equal to 1"),
        ("error_rate: 0.5", "eror_rate: 1", "3: resilience.breaker.eror_rate:", "did you mean error_rate?"),
        ("attempts: 3", "attempts: many", "3: resilience.retry.attempts:", "whole number"),
        ("probe_every: 1s", "probe_every: 0", "3: resilience.probe_every:", "greater than 0"),
        ("default: [b]}", "default: [z]}", "2: models.c.fallbacks.default[0]:", "no model 'z'"),
        ("kind: complexity", "kind: complex", "6: routes.r.kind:", "no kind 'complex'; there are bandit,"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_line_and_key(tmp_path: Path, old: str, new: str, where: str, says: str) -> None:
    assert old in GOOD
    found = findings(GOOD.replace(old, new, 1), tmp_path)
    assert any(line.startswith(f"gateway.yaml:{where}") and says in line for line in found), found
    assert all(line.startswith("gateway.yaml:") for line in found)


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("simple: a", "simple: y").replace("cheaper: [a]", "cheaper: [z]").replace("300ms", "soon")
    keys = [line.split(": ")[1] for line in findings(text, tmp_path)]
    assert sorted(keys) == ["routes.r.cheaper[0]", "routes.r.hedge.after", "routes.r.tiers.simple"]


def test_what_a_strategy_cannot_load_is_said(tmp_path: Path) -> None:
    text = GOOD.replace("tiers: {", "model: /no/such/file\n    tiers: {")
    [line] = findings(text, tmp_path)
    assert line.startswith("gateway.yaml:5: routes.r:")
    assert "/no/such/file" in line


def test_no_option_of_a_strategy_hides_a_key_that_all_routes_have() -> None:
    common = {*RouteConfig.model_fields, *RuleConfig.model_fields}
    for strategy in TABLE.values():
        assert not common & set(strategy.Options.model_fields)
    assert {options.model_fields["kind"].default for options in EXPERIMENTS.values()} == set(EXPERIMENTS)


def test_without_fallbacks_a_routes_other_models_stand_by(tmp_path: Path) -> None:
    route = "{kind: weighted, weights: {a: 1, b: 1}, rules: [{kind: fixed, model: c, when: {tools: true}}]}"
    found = made(tmp_path, f"{{r: {route}, alone: {{kind: fixed, model: a, fallbacks: []}}}}").reserves
    assert found["r"].after("timeout") == ("a", "b", "c")
    assert found["alone"].after("timeout") == ()
    assert found["a"].after("timeout") == ()


def test_fallbacks_may_differ_by_kind_of_failure(tmp_path: Path) -> None:
    route = "{kind: fixed, model: a, fallbacks: {timeout: [b], default: [c]}, cheaper: [b], static_answer: sorry}"
    found = made(tmp_path, f"{{r: {route}}}").reserves["r"]
    assert found.after("timeout") == ("b", "b")
    assert found.after("rate_limit") == found.after(DEFAULT) == ("c", "b")
    assert (found.static_answer, found.resume, found.hedge) == ("sorry", False, None)


def test_what_runs_beside_is_made_only_where_asked_for(tmp_path: Path) -> None:
    plain = "{kind: fixed, model: a}"
    found = made(tmp_path, f"{{p: {plain}, h: {{kind: fixed, model: a, hedge: {{}}, resume: true}}}}")
    assert isinstance(found.reserves["h"].hedge, HedgePolicy)
    assert found.reserves["h"].resume
    assert found.reserves["p"].hedge is None
    assert found.branches["p"].split is None is found.branches["p"].shadow


@pytest.mark.parametrize(
    ("route", "looks"),
    [
        ("{kind: fixed, model: a}", False),
        ("{kind: fixed, model: a, fallbacks: [b], experiment: {kind: shadow, name: x, model: b}}", False),
        ("{kind: fixed, model: a, fallbacks: [small]}", True),  # whether it can take the request must be seen then
        ("{kind: fixed, model: small}", True),
        ("{kind: fixed, model: a, experiment: {kind: canary, name: x, model: b, percent: 1, subject: user}}", True),
        ("{kind: fixed, model: a, rules: [{kind: fixed, model: b, when: {tools: true}}]}", True),
        ("{kind: weighted, weights: {a: 1}}", True),
    ],
)
async def test_a_request_is_looked_at_only_where_that_could_matter(tmp_path: Path, route: str, looks: bool) -> None:
    models = "models: {a: {provider: up}, b: {provider: up}, small: {provider: up, context: 90000}}\n"
    asked = await Routed(tmp_path, f"routes: {{r: {route}}}", models=models).ask()
    assert (asked.exchange.features is not None) is looks
    assert asked.client.text.startswith("from ")


async def test_a_models_own_fallbacks_count_where_it_is_asked_for_by_name(tmp_path: Path) -> None:
    models = "models: {a: {provider: up, fallbacks: [b]}, b: {provider: up}}\n"
    routed = Routed(tmp_path, "routes: {r: {kind: fixed, model: a}}", models=models)
    routed.models.failing.add("a")
    asked = await routed.ask("a")
    assert asked.record.decision == Decision("a", "fixed", "named")
    assert (asked.record.model, asked.record.degraded, asked.client.text) == ("b", "fallback", "from b")
    assert (await routed.ask("r")).record.state == "failed"
