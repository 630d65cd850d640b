"""Savings against a declared baseline: in one order, only what records hold, the rest counted."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.model.pricing import Price, Tier
from llmctl.model.record import CacheOutcome, Record
from llmctl.model.usage import UNPRICED, Cost, Usage
from llmctl.reports.columns import BUCKETS
from llmctl.reports.duck import database
from llmctl.reports.ledger import open_ledger
from llmctl.reports.savings import CAVEATS, COLUMNS, ORDER, Savings, savings
from tests.reports.keeping import record, write

# A dollar a token read, ten a token written: figures that can be added up in the head.
PRICE = Price((Tier(1.0, 10.0, 0.5, 2.0),), "v1")


def found(tmp_path: Path, *records: Record | dict[str, Any], price: Price = PRICE) -> Savings:
    path = write(tmp_path, [record(0)])
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records))
    with database(memory_mb=300, threads=1) as db:
        open_ledger(tmp_path, db, COLUMNS)
        return savings(db, "strong", price)


def used(*tokens: int) -> Usage:
    return Usage(**dict(zip(BUCKETS, tokens, strict=True)), source="provider")


def with_more(base: Record, **more: Any) -> dict[str, Any]:
    return dict(json.loads(msgspec.json.encode(base)) | more)


def parts(of: Savings) -> dict[str, tuple[float, int]]:
    return {part.layer: (float(part.usd), part.requests) for part in of.parts}


def test_routing_is_the_baselines_price_of_the_same_tokens_less_what_was_paid(tmp_path: Path) -> None:
    of = found(tmp_path, record(0, usage=Usage(10, 4, 3, 2, 1, "provider"), cost=Cost(20.0, "exact", "p")))
    assert of.baseline == 10 + 4 * Decimal("0.5") + 3 * 2 + 3 * 10
    assert parts(of)["routing"] == (float(of.baseline - 20), 1)
    assert of.share == (of.baseline - 20) / of.baseline


def test_each_layer_gets_its_own(tmp_path: Path) -> None:
    usage, cost = Usage(10, 0, 0, 1, 0, "provider"), Cost(5.0, "exact", "p")
    bare = record(1, usage=Usage(), cost=UNPRICED, attempts=[])
    of = found(
        tmp_path,
        with_more(bare, cache={"kind": "exact", "saved": {"input": 7, "output": 1}}),
        with_more(record(2, usage=usage, cost=cost), compression={"before": 30, "after": 10}),
        record(3, usage=usage, cost=cost),
        record(4, usage=usage, cost=cost, degraded="cheaper"),
    )
    assert parts(of) == {"cache": (17, 1), "compression": (20, 1), "routing": (30, 2), "degraded": (15, 1)}
    assert (float(of.baseline), float(of.actual), of.compared) == (97, 15, 4)
    assert of.baseline - sum(part.usd for part in of.parts) == of.actual


def test_the_baseline_would_not_have_made_what_was_thrown_away(tmp_path: Path) -> None:
    made = record(0, usage=used(30, 0, 0, 9, 0), discarded=used(20, 0, 0, 6, 0), cost=Cost(25.0, "exact", "p"))
    of = found(tmp_path, made)
    assert (float(of.baseline), parts(of)["routing"]) == (40, (15, 1))


def test_what_is_not_known_is_counted_and_left_out(tmp_path: Path) -> None:
    hit = record(1, usage=Usage(), cost=UNPRICED, attempts=[], cache=CacheOutcome("semantic"))
    of = found(
        tmp_path,
        hit,
        record(2, cost=UNPRICED),
        record(3, cost=Cost(1.0, "partial", "p")),
        record(4, usage=Usage(), cost=UNPRICED, attempts=[], state="blocked"),
        record(5, usage=Usage(), cost=Cost(1.0, "exact", "p")),
        record(6, usage=Usage(cached_write=1, source="provider")),
        price=Price((Tier(1.0, 10.0, 0.5, None),), "v1"),
    )
    assert of.left_out == {
        "hit without tokens": 1,
        "unpriced": 1,
        "partial": 1,
        "not charged": 1,
        "without usage": 1,
        "no baseline price": 1,
    }
    assert (of.compared, of.share, of.baseline == of.actual == 0) == (0, None, True)


def test_shadows_and_audits_are_spent_besides(tmp_path: Path) -> None:
    of = found(tmp_path, record(0, shadow_of="x", cost=Cost(3.0, "exact", "p")))
    assert (of.compared, of.apart) == (0, Decimal(3))


def test_a_prompt_over_a_threshold_has_its_tiers_price(tmp_path: Path) -> None:
    price = Price((Tier(1.0, 10.0), Tier(2.0, 20.0, above=100)), "v1")
    usage = Usage(100, 0, 0, 1, 0, "provider")
    below = record(0, usage=usage, cost=Cost(0.0, "exact", "p"))
    of = found(tmp_path, below, record(1, usage=Usage(101, 0, 0, 1, 0, "provider"), cost=below.cost), price=price)
    assert of.baseline == 110 + 222
    of = found(tmp_path, with_more(below, compression={"before": 2, "after": 1}), price=price)
    assert (float(of.baseline), parts(of)["compression"]) == (222, (112, 1))


def test_a_layer_may_have_cost_more(tmp_path: Path) -> None:
    of = found(tmp_path, record(0, usage=Usage(1, source="provider"), cost=Cost(5.0, "exact", "p")))
    assert parts(of)["routing"] == (-4, 1)


def test_the_order_is_told() -> None:
    assert ORDER == ("cache", "compression", "routing", "degraded")
    assert any("another order" in caveat for caveat in CAVEATS)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.tuples(*[st.integers(0, 300)] * 5), st.integers(0, 10**9), st.booleans(), st.integers(0, 200)),
        min_size=1,
        max_size=20,
    )
)
def test_the_parts_add_up_and_the_baseline_is_what_the_price_says(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[tuple[int, ...], int, bool, int]]
) -> None:
    price = Price((Tier(2.5e-6, 1e-5, 1.25e-6, 3e-6), Tier(5e-6, 2e-5, 2.5e-6, 6e-6, above=500)), "v")
    kept: list[Record | dict[str, Any]] = []
    expected = 0.0
    for number, (tokens, nano, degraded, trimmed) in enumerate(rows):
        usage = used(*tokens)
        cost = Cost(nano / 1e9, "exact", "p")
        base = record(number, usage=usage, cost=cost, degraded="cheaper" if degraded else None)
        kept.append(with_more(base, compression={"before": trimmed, "after": 0}))
        expected += price.cost(used(tokens[0] + trimmed, *tokens[1:])).usd or 0.0
    of = found(tmp_path_factory.mktemp("savings"), *kept, price=price)
    assert of.baseline - sum(part.usd for part in of.parts) == of.actual
    assert of.actual == sum((Decimal(nano).scaleb(-9) for _, nano, _, _ in rows), Decimal(0))
    assert float(of.baseline) == pytest.approx(expected, abs=1e-9)
