from collections import Counter

from llmctl.evals.prompts import Prompt
from llmctl.evals.slots import Plan, Posed, Variant
from llmctl.evals.targets import Asked
from llmctl.scoring.base import Sample
from tests.evals.scripted import Provider, posed

UP = Asked(Provider(), "up", {"model": "m", "temperature": 0}, seed=True)
SAYS = Prompt("{{question}}")


def test_items_then_variants_then_repeats() -> None:
    plan = Plan(posed(2), [Variant("a", UP, SAYS), Variant("b", UP, SAYS, {"temperature": 1})], 2, 0)
    places = [slot.place for slot in plan.slots()]
    assert places == [(v, n, r) for n in range(2) for v in "ab" for r in range(2)]
    first, *_ = plan.slots()
    assert first.payload.keys() == {"model", "temperature", "messages", "seed"}
    assert [slot.payload["temperature"] for slot in plan.slots()][:4] == [0, 0, 1, 1]


def test_seeds_are_the_items_and_the_repeats_alone() -> None:
    def seeds(seed: int) -> list[int]:
        plan = Plan(posed(3), [Variant("a", UP, SAYS), Variant("b", UP, SAYS)], 2, seed)
        return [slot.payload["seed"] for slot in plan.slots()]

    assert seeds(0) == seeds(0)
    assert not set(seeds(0)) & set(seeds(1))
    assert set(Counter(seeds(0)).values()) == {2}  # both variants, of each item and repeat
    assert all(0 <= seed < 2**31 for seed in seeds(0))


def test_who_asks_the_very_same_gets_keys_that_differ_and_stay() -> None:
    unseeded = Asked(Provider(), "up", {"model": "m"}, seed=False)
    plan = Plan(posed(2, lambda at: "same"), [Variant("a", unseeded, SAYS), Variant("b", unseeded, SAYS)], 2, 0)
    keys = [slot.key for slot in plan.slots()]
    assert len(set(keys)) == 8
    assert keys == [slot.key for slot in plan.slots()]


def test_an_item_without_a_prompt_brings_its_messages_and_tools() -> None:
    own = Posed(0, Sample("a", {}), [{"role": "user", "content": "hi"}], [{"type": "function"}])
    (slot,) = Plan([own], [Variant("v", UP)], 1, 0).slots()
    assert (slot.payload["messages"], slot.payload["tools"]) == (
        [{"role": "user", "content": "hi"}],
        [{"type": "function"}],
    )
    (bare,) = Plan([Posed(0, Sample("a", {}))], [Variant("v", UP)], 1, 0).slots()
    assert "no messages of its own" in bare.trouble


def test_an_item_that_a_prompt_does_not_fit_is_trouble_of_its_own() -> None:
    items = [*posed(1), Posed(1, Sample("b", {}))]
    fine, bad = Plan(items, [Variant("v", UP, SAYS)], 1, 0).slots()
    assert (fine.trouble, bad.trouble, bad.key) == ("", "'question' is undefined", "")
