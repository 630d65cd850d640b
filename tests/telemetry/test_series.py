"""Sums of series are the sums of what was counted."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.telemetry.series import Cell, Families, Family, lasting, merged

BOUNDS = (0.1, 1.0)


def family(**values: float) -> Family:
    out = Family("n", "help", "counter", ("model",))
    for model, value in values.items():
        out.cell(model).value = value
    return out


def test_a_series_is_made_once() -> None:
    requests = family()
    requests.cell("a").value += 1
    requests.cell("a").value += 1
    assert requests.cells == {("a",): Cell(2.0)}
    assert Family("h", "", "histogram", (), BOUNDS).cell().counts == [0, 0, 0]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 100)), max_size=4))
def test_merging_adds_and_leaves_its_parts_alone(parts: list[dict[str, int]]) -> None:
    families: list[Families] = [{"n": family(**part)} for part in parts]
    before = msgspec.msgpack.encode(families)
    total = merged(families)
    for model in "abc":
        expected = sum(part.get(model, 0) for part in parts)
        cell = total["n"].cells.get((model,)) if parts else None
        assert (cell.value if cell else 0) == expected
    assert msgspec.msgpack.encode(families) == before


def test_another_versions_buckets_are_not_mixed_in() -> None:
    mine, theirs = Family("h", "", "histogram", (), BOUNDS), Family("h", "", "histogram", (), (5.0,))
    mine.cell().counts[0] = theirs.cell().counts[0] = 1
    assert merged([{"h": mine}, {"h": theirs}])["h"].cells[()].counts == [1, 0, 0]


def test_projecting_sums_over_what_is_left_out() -> None:
    wide = Family("h", "", "histogram", ("a", "b"), BOUNDS)
    for a, b, place in (("x", "1", 0), ("x", "2", 2), ("y", "1", 1)):
        wide.cell(a, b).counts[place] += 1
        wide.cell(a, b).value += 0.5
    narrow = wide.project("alias", "histogram", "a")
    assert narrow.cells == {("x",): Cell(1.0, [1, 0, 1]), ("y",): Cell(0.5, [0, 1, 0])}
    assert wide.cells["x", "1"].value == 0.5


def test_gauges_do_not_last() -> None:
    families = {kind: Family(kind, "", kind) for kind in ("counter", "gauge", "histogram", "info", "unknown")}
    assert set(lasting(families)) == {"counter", "histogram", "unknown"}


@pytest.mark.parametrize(
    ("kind", "name", "sample"),
    [("counter", "n_total", "n_total"), ("gauge", "n", "n"), ("info", "n_info", "n_info"), ("unknown", "n", "n")],
)
def test_kinds_as_prometheus_names_them(kind: str, name: str, sample: str) -> None:
    made = Family(name, "help", kind)  # type: ignore[arg-type]
    made.cell().value = 3
    (only,) = made.metric().samples
    assert (only.name, only.value) == (sample, 3)


def test_of_a_peak_the_highest_counts() -> None:
    parts: list[Families] = []
    for value in (0.1, 0.3, -0.2):
        one = Family("bound", "help", "peak", ("route",))
        one.cell("r").value = value
        parts.append({"bound": one})
    total = merged(parts)
    assert total["bound"].cell("r").value == 0.3
    assert merged(parts[2:])["bound"].cell("r").value == -0.2, "also where all are below 0"
    assert total["bound"].metric().type == "gauge"
    assert not lasting(total)
