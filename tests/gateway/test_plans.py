"""Who gets which policies, and what is remembered of texts that passed."""

from llmctl.config.schema import PolicyConfig
from llmctl.gateway.plans import REMEMBERED, Plan, Plans
from llmctl.gateway.policies import PASSED, Policy
from llmctl.guards.pii import Pii, PiiOptions
from llmctl.guards.refusal import Refusal, RefusalOptions
from llmctl.model.exchange import Exchange, Principal
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange


def policy(name: str = "p", kind: str = "pii", **config: object) -> Policy:
    made = PolicyConfig.model_validate({"kind": kind, "on_error": "block", **config})
    guard = Pii(PiiOptions()) if kind == "pii" else Refusal(RefusalOptions())
    return Policy(name, made, "input", guard, lambda _, __: None)


def asked(model: str, tenant: str | None = None) -> Exchange:
    made = exchange(ManualClock())
    made.requested_model = model
    made.principal = Principal("k", tenant) if tenant is not None else None
    return made


def test_the_system_prompt_is_judged_only_where_asked_for() -> None:
    usual, all_of_it, tools = policy(), policy(sources=["system", "user"]), policy(sources=["tool"])
    plan = Plan([usual, all_of_it, tools])
    assert plan.of("system") == (all_of_it,)
    assert plan.of("user") == (usual, all_of_it)
    assert plan.of("tool") == (usual, tools)


def test_context_is_looked_for_only_where_a_guard_needs_it() -> None:
    assert not Plan([policy()]).needs_context
    assert not Plan([policy(), policy(kind="leakage")]).needs_context
    assert Plan([policy(), policy(kind="leakage")]).needs_system
    assert Plan([policy(), policy(kind="citation")]).needs_context


def test_plans_follow_tenant_and_route() -> None:
    everybody, acme, route = policy("a"), policy("b", tenants=["acme"]), policy("c", routes=["fast"])
    plans = Plans([everybody, acme, route], frozenset({"fast", "slow"}))
    assert plans.of(asked("slow")).policies == (everybody,)
    assert plans.of(asked("slow", "acme")).policies == (everybody, acme)
    assert plans.of(asked("fast", "other")).policies == (everybody, route)
    assert plans.of(asked("fast", "acme")).policies == (everybody, acme, route)


def test_names_that_clients_make_up_do_not_fill_the_table() -> None:
    plans = Plans([policy()], frozenset({"m"}))
    assert len({id(plans.of(asked(f"made up {n}"))) for n in range(100)}) == 1
    assert len(plans._found) == 1


def test_plans_of_other_policies_remember_apart() -> None:
    plans = Plans([policy("a"), policy("b", tenants=["acme"])], frozenset({"m"}))
    mine, theirs, same = plans.of(asked("m")), plans.of(asked("m", "acme")), plans.of(asked("m", "other"))
    assert mine is same
    digest = mine.digest("user", "hello")
    mine.remember(digest, {mine.policies[0]: PASSED})
    assert mine.passed(digest) == {mine.policies[0]: PASSED}
    assert theirs.passed(theirs.digest("user", "hello")) is None


def test_a_text_is_remembered_by_all_of_it_and_its_source() -> None:
    plan = Plan([policy()])
    digests = {plan.digest(source, text) for text in ("a", "b", "\ud800", "") for source in ("user", "tool")}
    assert len(digests) == 8
    assert plan.digest("user", "a") == plan.digest("user", "a")
    assert plan.digest("user", "a") != Plan([policy()]).digest("user", "a")


def test_the_oldest_is_forgotten() -> None:
    plan = Plan([policy()])
    for n in range(REMEMBERED + 10):
        plan.remember(b"%d" % n, {})
        assert len(plan._passed) + len(plan._before) <= REMEMBERED
    assert plan.passed(b"9") is None
    assert plan.passed(b"%d" % (REMEMBERED // 2 + 10)) == {}
    assert plan.passed(b"%d" % (REMEMBERED + 9)) == {}
