from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing.features import Features
from llmctl.routing.prefix import Prefix, PrefixOptions, beginning
from tests.routing.asking import asked, healthy

MODELS = tuple(f"replica-{at}" for at in range(5))
PROMPTS = [f"Conversation {at} begins here" for at in range(2_000)]
PINNED = (1, 1, 3, 4, 3, 1)  # replicas of the first prompts: a restart must not move conversations


def chosen(
    features: Features, candidates: Sequence[str] = MODELS, calls: Mapping[str, int] = {}, **options: Any
) -> Decision:
    strategy = Prefix(PrefixOptions(models=MODELS, **options), {})
    return strategy.choose(candidates, features, healthy(candidates, calls=calls), Random(1))


def turns(*more: tuple[str, Any], system: Any = "You bake.", first: Any = "How long does rye bread rise?") -> Features:
    said = [("system", system), ("user", first), *more]
    return asked(messages=[{"role": role, "content": content} for role, content in said])


def test_a_model_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        PrefixOptions(models=("a", "a"))


def test_a_conversation_stays_where_it_began() -> None:
    first = chosen(turns())
    later = turns(("assistant", "Ten hours."), ("user", "And wheat?"), ("assistant", "Two."), ("user", "Why?"))
    assert chosen(later) == first
    assert first.reason.endswith("first of 5")


def test_the_replica_is_the_same_in_every_process() -> None:
    assert [chosen(asked(text)).model for text in PROMPTS[:6]] == [f"replica-{at}" for at in PINNED]


def test_each_replica_gets_its_share() -> None:
    counts = Counter(chosen(asked(text)).model for text in PROMPTS)
    expected = len(PROMPTS) / len(MODELS)
    assert sum((counts[name] - expected) ** 2 / expected for name in MODELS) < 18.5  # chi-square, 4, p = 0.001


def test_losing_one_moves_its_own_alone_and_gives_everyone_a_part_of_them() -> None:
    left = [name for name in MODELS if name != "replica-2"]
    moves = [(chosen(asked(text)).model, chosen(asked(text), left).model) for text in PROMPTS]
    assert {before for before, after in moves if before != after} == {"replica-2"}
    assert {after for before, after in moves if before == "replica-2"} == set(left)


def test_one_with_too_much_to_do_is_passed_over() -> None:
    first = chosen(asked()).model
    busy = dict.fromkeys(MODELS, 4)
    assert chosen(asked(), calls={**busy, first: 6}).model == first  # 1.25 times a mean of 4.4, and one: 6.5
    decision = chosen(asked(), calls={**busy, first: 7})
    assert decision.model != first
    assert decision.reason.endswith(f"{first} has 7 calls, the limit is 6.8")
    assert chosen(asked(), calls={**busy, first: 7}, max_load=None).model == first


def test_the_next_one_is_where_it_would_go_without_the_first() -> None:
    first = chosen(asked()).model
    without = chosen(asked(), [name for name in MODELS if name != first]).model
    assert chosen(asked(), calls={first: 9}).model == without


@given(st.lists(st.integers(0, 1_000), min_size=5, max_size=5), st.floats(1, 10))
def test_there_is_always_one_below_the_limit(calls: list[int], factor: float) -> None:
    under_way = dict(zip(MODELS, calls, strict=True))
    model = chosen(asked(), calls=under_way, max_load=factor).model
    assert under_way[model] <= factor * sum(calls) / 5 + 1


def test_only_the_first_bytes_count() -> None:
    long = "x" * 3_000
    assert beginning(asked(long + "a"), 2048) == beginning(asked(long + "b"), 2048)
    assert beginning(asked(long + "a"), 4096) != beginning(asked(long + "b"), 4096)
    assert len(beginning(asked("\u20ac" * 3_000), 2048)) == 2048


def test_a_text_is_the_same_in_parts_and_where_a_client_moves_its_cache_mark() -> None:
    part = {"type": "text", "text": "How long does rye bread rise?"}
    marked = {**part, "cache_control": {"type": "ephemeral"}}
    assert beginning(turns(), 2048) == beginning(turns(first=[part]), 2048) == beginning(turns(first=[marked]), 2048)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (turns(), turns(system="You do not.")),
        (turns(), turns(first="Other")),
        (turns(first=[{"image_url": {"url": "data:a"}}]), turns(first=[{"image_url": {"url": "data:b"}}])),
        (asked(operation="completion", prompt=[1, 2]), asked(operation="completion", prompt=[1, 3])),
        (
            asked(operation="completion", prompt=[1234567, 10**400]),
            asked(operation="completion", prompt=[1234568, 10**400]),
        ),
        (asked(operation="embedding", input="a"), asked(operation="embedding", input="b")),
        (turns(system="ab", first="c"), turns(system="a", first="bc")),
    ],
)
def test_what_differs_early_differs(one: Features, other: Features) -> None:
    assert beginning(one, 2048) != beginning(other, 2048)


def test_endless_nesting_ends() -> None:
    deep: Any = "x"
    for _ in range(2_000):
        deep = [deep]
    assert beginning(turns(first=deep), 2048)


@pytest.mark.parametrize("part", [[[[[[[["x"]]]]]]], [], {}, {"type": "text"}, None, {"text": ""}])
def test_parts_without_text_cost_no_more_than_others(part: Any) -> None:
    looked = []

    class Parts(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            for one in super().__iter__():
                looked.append(one)
                yield one

    beginning(turns(first=Parts([part] * 10_000)), 2048)
    assert len(looked) <= 2048
