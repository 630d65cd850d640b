"""Sums by dimension: groups add up to the total, what is not known is never nothing."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from llmctl.errors import UsageError
from llmctl.model.record import Attempt, CacheOutcome
from llmctl.model.usage import UNPRICED, Cost, Usage
from llmctl.reports.cost import DIMENSIONS, Line, Sums, Unit, columns_for, costs, daily, dimension
from llmctl.reports.duck import database
from llmctl.reports.ledger import open_ledger
from tests.reports.keeping import asked, fixed, record, write


@pytest.mark.parametrize("by", [(), *((name,) for name in DIMENSIONS), ("model", "tenant"), ("tag:team", "day")])
def test_groups_add_up_to_the_total(tmp_path: Path, by: tuple[str, ...]) -> None:
    write(tmp_path, fixed())
    found = asked(tmp_path, *by)
    assert found.total.all == Sums(7, 6, 6, (401, 40, 4, 120, 20), Decimal("1.7501250375"))
    assert sum((line.all.usd for line in found.lines), Decimal(0)) == found.total.all.usd
    assert {line.booking for line in found.lines} == {"request"}
    assert {name: line.all.usd for name, line in found.apart.items()} == {
        "shadow": Decimal("0.5"),
        "audit": Decimal("0.125"),
    }
    assert sum(line.all.requests for line in found.days.values()) == 7


def test_what_is_unpriced_is_counted_and_never_nothing(tmp_path: Path) -> None:
    write(tmp_path, fixed())
    lines = {line.names[0]: line for line in asked(tmp_path, "model").lines}
    assert lines["local"].usd is None
    assert lines["local"].count("unpriced") == 1
    assert not lines["small"].whole
    assert lines["<script>alert(1)</script>"].whole
    assert {
        status: lines["small"].count(status) for status in ("exact", "estimated", "partial", "unpriced", "none")
    } == {
        "exact": 1,
        "estimated": 1,
        "partial": 1,
        "unpriced": 1,
        "none": 1,
    }


@pytest.mark.parametrize(
    ("attempt", "status"),
    [
        (Attempt("p", "m", 0, status=503), "none"),
        (Attempt("p", "m", 0, status=429), "none"),
        (Attempt("p", "m", 0, error="upstream_unreachable"), "none"),
        (Attempt("p", "m", 0, error="upstream_timeout"), "unpriced"),
        (Attempt("p", "m", 0, status=200, error="upstream_connection_lost"), "unpriced"),
    ],
)
def test_only_what_surely_was_not_billed_cost_nothing(tmp_path: Path, attempt: Attempt, status: str) -> None:
    write(tmp_path, [record(0, cost=UNPRICED, usage=Usage(), state="failed", attempts=[attempt])])
    assert asked(tmp_path).total.count(status) == 1


def test_what_reached_no_provider_cost_nothing(tmp_path: Path) -> None:
    write(tmp_path, [record(0, cost=UNPRICED, usage=Usage(), attempts=[], cache=CacheOutcome("exact"))])
    (line,) = asked(tmp_path, "cache").lines
    assert (line.names, line.usd, line.whole) == (("exact",), Decimal(0), True)


def test_unit_costs_are_of_those_whose_cost_is_known(tmp_path: Path) -> None:
    hit = record(3, cost=UNPRICED, usage=Usage(), attempts=[], cache=CacheOutcome("exact"))
    priced = record(0, cost=Cost(0.3, "exact", "p"), usage=Usage(600, 0, 0, 400, 0, "provider"))
    failed = record(1, cost=Cost(0.1, "exact", "p"), state="failed", usage=Usage(1000, 0, 0, 0, 0, "provider"))
    write(tmp_path, [priced, failed, record(2, cost=UNPRICED), hit, record(4, cost=Cost(9.0, "partial", "p"))])
    assert asked(tmp_path).total.units() == {
        "request": Unit(Decimal("0.4") / 3, 3),
        "answered": Unit(Decimal("0.2"), 2),
        "1k_tokens": Unit(Decimal("0.2"), 2000),
    }


def test_nothing_has_no_unit_cost() -> None:
    assert Line((), "request").units()["request"] == Unit(None, 0)


def test_an_empty_folder_has_no_lines(tmp_path: Path) -> None:
    found = asked(tmp_path, "model")
    assert (found.lines, found.days, found.total.all.requests) == ((), {}, 0)


def test_the_dearest_come_first_and_days_in_order(tmp_path: Path) -> None:
    write(tmp_path, [record(0, model="a"), record(1, model="b"), record(2, model="b")])
    write(tmp_path, [record(100, cost=Cost(5.0, "exact", "p"))])
    assert [line.names[0] for line in asked(tmp_path, "model").lines] == ["small", "b", "a"]
    assert [line.names[0] for line in asked(tmp_path, "day").lines] == ["2026-01-05", "2026-01-06"]


def test_tags_by_name_and_all_together(tmp_path: Path) -> None:
    tagged = [
        msgspec.json.decode(msgspec.json.encode(record(n))) | {"tags": tags}
        for n, tags in enumerate([{"team": "a", "env": "x"}, {"env": "x", "team": "a"}, {"team": "b"}])
    ]
    path = write(tmp_path, [record(9)])
    path.write_bytes(path.read_bytes() + b"".join(msgspec.json.encode(each) + b"\n" for each in tagged))
    counts = {line.names[0]: line.all.requests for line in asked(tmp_path, "tag:team").lines}
    assert counts == {"a": 2, "b": 1, "": 1}
    counts = {line.names[0]: line.all.requests for line in asked(tmp_path, "tag").lines}
    assert counts == {"env=x,team=a": 2, "team=b": 1, "": 1}
    assert sum(line.all.requests for line in asked(tmp_path, 'tag:it\'s "x"').lines) == 4


def test_an_unknown_dimension_names_the_known() -> None:
    with pytest.raises(UsageError, match=r"--by modle: give some of model, .*tag:NAME"):
        dimension("modle")
    with pytest.raises(UsageError, match="--by tag:"):
        columns_for(["tag:"])


def test_one_groups_days(tmp_path: Path) -> None:
    write(tmp_path, [record(0, model="a"), record(1, model="b")])
    write(tmp_path, [record(100, model="a")])
    with database(memory_mb=300, threads=1) as db:
        open_ledger(tmp_path, db, columns_for(["model"]))
        costs(db, ["model"])
        assert {str(day): line.all.requests for day, line in daily(db, 1, ("a",)).items()} == {
            "2026-01-05": 1,
            "2026-01-06": 1,
        }


def test_the_dearest_and_the_rest_are_everything(tmp_path: Path) -> None:
    write(tmp_path, fixed())
    everything = asked(tmp_path, "model", "tenant")
    with database(memory_mb=300, threads=1) as db:
        open_ledger(tmp_path, db, columns_for(["model", "tenant"]))
        for limit in (1, 2, 4):
            found = costs(db, ["model", "tenant"], limit)
            assert found.lines == everything.lines[:limit]
            assert found.others == 4 - limit
            rest = found.rest.all if found.rest else Sums()
            assert sum((line.all for line in found.lines), rest) == everything.total.all
            assert (found.rest is None) == (limit == 4)
