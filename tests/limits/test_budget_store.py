"""What was spent is there again after a restart."""

import os
from pathlib import Path

import pytest

from llmctl.config.schema_cost import BudgetConfig
from llmctl.errors import StoreError
from llmctl.limits.budget_store import FILE, Book, read
from llmctl.testing.clock import ManualClock

CONFIG = BudgetConfig(usd=1.0)


def book(folder: Path, clock: ManualClock, warned: list[str] | None = None) -> Book:
    made = Book(folder / "budgets", clock.wall, (warned if warned is not None else []).append)
    made.sums("b", CONFIG)
    return made


async def test_sums_survive_a_restart_and_belong_to_their_owner(tmp_path: Path) -> None:
    clock = ManualClock()
    one = book(tmp_path, clock)
    await one.open()
    assert one.fill("b", CONFIG) == clock.wall()  # the month has just begun
    one.sums("b", CONFIG).add(("t",), 0.25)
    await one.close()
    assert (tmp_path / "budgets").stat().st_mode & 0o777 == 0o700
    clock.advance(60)
    two = book(tmp_path, clock)
    await two.open()
    assert two.fill("b", CONFIG) == clock.wall() - 60
    assert two.fill("b", CONFIG) is None
    assert two.sums("b", CONFIG).row(("t",)).spent == 0.25
    await two.close()


async def test_another_limit_goes_on_and_another_period_begins_anew(tmp_path: Path) -> None:
    one = book(tmp_path, ManualClock())
    assert one.sums("b", BudgetConfig(usd=9.0)) is one.sums("b", CONFIG)
    assert one.sums("b", BudgetConfig(usd=1.0, every="day")) is not one.sums("b", CONFIG)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"at": 1, "budgets": [], "v": 9}', b"\xff"])
async def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    warned: list[str] = []
    one = book(tmp_path, ManualClock(), warned)
    (tmp_path / "budgets").mkdir()
    (tmp_path / "budgets" / FILE).write_bytes(damage)
    await one.open()
    await one.close()
    assert len(warned) == 1
    assert len(list((tmp_path / "budgets").glob("*.damaged-*"))) == 1
    assert read(tmp_path / "budgets") is not None


async def test_two_gateways_do_not_share_a_folder(tmp_path: Path) -> None:
    one, two = book(tmp_path, ManualClock()), book(tmp_path, ManualClock())
    await one.open()
    with pytest.raises(StoreError, match="another gateway"):
        await two.open()
    await one.close()
    await two.open()
    await two.close()


async def test_a_disk_that_takes_nothing_is_told_of_once_a_minute(tmp_path: Path) -> None:
    warned: list[str] = []
    one = book(tmp_path, ManualClock(), warned)
    await one.open()
    (tmp_path / "budgets" / "budgets.new").mkdir()
    await one.save()
    await one.save()
    assert len(warned) == 1
    os.rmdir(tmp_path / "budgets" / "budgets.new")
    await one.close()
