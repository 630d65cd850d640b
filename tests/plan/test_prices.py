"""What the recorded tokens cost now, and what another model's price would make of them."""

import math
from pathlib import Path

import pytest
from msgspec import structs

from llmctl.clock import SystemClock
from llmctl.model.record import Record
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage
from llmctl.plan.prices import Pricing
from tests.plan.recorded import TWO, asked, chats, configured

USED = Usage(1000, output=500, source="provider")


@pytest.fixture
def record(tmp_path: Path) -> Record:
    (one,) = asked(configured(tmp_path, "rec", TWO), chats(1, "small"))
    return structs.replace(one, usage=USED, cost=Cost(0.002, "exact", "x"))


def pricing(folder: Path, new: str) -> Pricing:
    return Pricing(configured(folder, "old", TWO), configured(folder, "new", new), SystemClock())


def test_prices_that_differ_scale_what_was_paid(tmp_path: Path, record: Record) -> None:
    assert pricing(tmp_path, TWO).recorded(record) == (0.002, 0.002)
    dearer = pricing(tmp_path, TWO.replace("small: {input: 1.0, output: 2.0}", "small: {input: 3.0, output: 2.0}"))
    assert dearer.recorded(record) == pytest.approx((0.002, 0.004))
    gone = pricing(tmp_path, TWO.replace("small: {input: 1.0, output: 2.0}, ", ""))
    assert math.isnan(gone.recorded(record)[1])


def test_what_has_no_price(tmp_path: Path, record: Record) -> None:
    found = pricing(tmp_path, TWO)
    unpriced = structs.replace(record, cost=UNPRICED)
    assert all(map(math.isnan, found.recorded(unpriced)))
    failed = structs.replace(unpriced, state="failed", usage=NO_USAGE)
    assert found.recorded(failed) == (0.0, 0.0)
    assert math.isnan(found.recorded(structs.replace(record, cost=Cost(0.002, "partial")))[0])


def test_what_another_model_would_take_for_them(tmp_path: Path, record: Record) -> None:
    found = pricing(tmp_path, TWO)
    assert found.assumed(record, {"small": 1.0}, 0.002) == 0.002
    assert found.assumed(record, {"small": 0.5, "large": 0.5}, 0.002) == pytest.approx(0.011)
    assert math.isnan(found.assumed(record, {"nobody": 1.0}, 0.002))
    assert math.isnan(found.assumed(record, {"small+large>x": 1.0}, 0.002))


def test_a_model_by_its_new_name(tmp_path: Path, record: Record) -> None:
    renamed = TWO.replace("small: {provider: up}", "tiny: {provider: up, model: small}").replace(
        "small: {input: 1.0, output: 2.0}", "tiny: {input: 2.0, output: 4.0}"
    )
    assert pricing(tmp_path, renamed).recorded(record) == pytest.approx((0.002, 0.004))
