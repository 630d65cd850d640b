"""Budgets from a configuration: what is wrong with them, what a restart, a crash and a reload leave of them."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from llmctl.gateway.build import build
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.store import RecordStore
from llmctl.testing.asking import ONE_MODEL, Bench
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from tests.gateway.stages.test_budget import account, bench, budget, declared


def records(folder: Path) -> str:
    return f"{{dir: {folder}/records}}"


def recorded(folder: Path, clock: ManualClock) -> Bench:
    return Bench(
        folder, "{preset: none}", clock=clock, budgets=budget(folder), records=records(folder), prices=declared("m")
    )


async def test_after_a_crash_records_say_what_the_file_does_not(tmp_path: Path) -> None:
    clock = ManualClock()
    one = recorded(tmp_path, clock)
    await one.gateway.start()
    store = RecordStore(one.loaded.config.records, Redactor([]), clock, lambda message: None)
    book = one.gateway._budgets._book  # type: ignore[union-attr]
    for saved in (True, False):
        clock.advance(60)
        await one.say("hello")
        store.write(one.sink.records[-1])
        if saved:
            await book.save()  # type: ignore[union-attr]
    store.close()
    book._task.cancel()  # type: ignore[union-attr]  # the crash: nothing is saved any more
    os.close(book._lock)  # type: ignore[union-attr]
    clock.advance(60)
    two = recorded(tmp_path, clock)
    await two.gateway.start()
    spent = account(two.gateway).standing(("default",)).spent
    assert spent == pytest.approx(sum(record.cost.usd or 0 for record in one.sink.records))
    await two.gateway.close()


async def test_a_reload_keeps_what_was_spent_under_a_new_limit(tmp_path: Path) -> None:
    one = bench(tmp_path)
    await one.gateway.start()
    await one.say("hello")
    text = ONE_MODEL + f"budgets: {budget(tmp_path, usd=5)}\nrecords: {{enabled: false}}\nprices: {declared('m')}\n"
    new = build(loaded(text, tmp_path), one.around)
    await new.start()
    await one.gateway.close()
    standing = account(new).standing(("default",))
    assert (standing.limit, standing.spent) == (5, one.sink.records[-1].cost.usd)
    assert new.budgets_spent() == {"b": standing.spent}
    assert new.budgets_remaining()["b"] == pytest.approx(1 - standing.spent / 5)
    await new.close()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("server: {workers: 2}", "budgets: each worker would count for itself"),
        ("tenants: [x]", "tenants: there is no 'x'"),
        ("keys: [x]", "keys: there is no 'x'"),
        ("routes: [x]", "routes: there is no 'x'"),
        ("timezone: Mars", "timezone: no time zone 'Mars'"),
        ("per: [key, key]", "names the same thing twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, more: str, where: str) -> None:
    server, own = (more, {}) if more.startswith("server") else ("", dict([more.split(": ", 1)]))
    text = ONE_MODEL + f"budgets: {budget(tmp_path, **own)}\n{server}\n"
    around = replace(bench(tmp_path).around)
    with pytest.raises(ConfigError) as caught:
        build(loaded(text, tmp_path), around)
    head, _, tail = where.rpartition(": ")
    assert tail.split("'")[0] in str(caught.value)
    assert "gateway.yaml:" in str(caught.value)
    assert head in str(caught.value)
