"""A replay, through a gateway in this process."""

import asyncio
import io
from pathlib import Path
from random import Random

import msgspec
import pytest

from llmctl.clock import SystemClock
from llmctl.errors import StoreError
from llmctl.gateway.asking import Call
from llmctl.gateway.local import LocalGateway
from llmctl.replay.records import read
from llmctl.replay.report import figures, lines
from llmctl.replay.run import RECORDED, REPLAYED, Plan, Replay, about, expected_cost
from llmctl.replay.source import Entry
from llmctl.scoring.base import Assertion, Tools
from llmctl.scoring.grade import Grader
from llmctl.scoring.result import Result, Run
from llmctl.testing.config import loaded
from tests.replay.conftest import CONFIG, COUNT
from tests.replay.test_difference import embed


async def replayed(folder: Path, records: Path, plan: Plan, **more: object) -> tuple[Replay, Run, list[Result]]:
    gateway, out = LocalGateway(loaded(CONFIG, folder)), io.BytesIO()
    grader = Grader([Assertion(kind="levenshtein")], Tools(folder, Random(0), None, embed))
    replay = Replay(gateway, SystemClock(), embed, plan, out, grader)
    await gateway.start()
    await replay.run(read(records, None), about(records, "here", 0, SystemClock()))
    await gateway.close()
    head, *rest = out.getvalue().splitlines()
    return replay, msgspec.json.decode(head, type=Run), [msgspec.json.decode(line, type=Result) for line in rest]


async def test_the_same_configuration_says_the_same(records: Path, tmp_path: Path) -> None:
    replay, run, results = await replayed(tmp_path, records, Plan(speed=1000.0))
    assert run.variants == [RECORDED, REPLAYED]
    assert replay.tally.states == {"ok": COUNT, "blocked": 1}
    assert (replay.tally.errors_before, replay.tally.same_state) == (1, COUNT + 1)
    assert replay.differences.exact == replay.differences.compared == COUNT
    assert {one.variant for one in results} == {RECORDED, REPLAYED}
    by_item = {one.item: one for one in results if one.variant == REPLAYED}
    for then in (one for one in results if one.variant == RECORDED and not one.error):
        now = by_item[then.item]
        assert (now.output, now.number, now.cluster) == (then.output, then.number, then.cluster)
        assert now.score == then.score == 1.0
        assert now.cost.usd == then.cost.usd
    told = figures(replay)
    assert told["usd"]["difference"]["estimate"] == pytest.approx(0.0)
    assert told["answers"]["exact"]["n"] == COUNT
    assert any("the same" in line for line in lines(told))


async def test_money_stops_it(records: Path, tmp_path: Path) -> None:
    replay, _, results = await replayed(tmp_path, records, Plan(clients=1, max_cost=1e-9))
    assert replay.tally.asked == 1
    assert "--max-cost" in replay.tally.stopped
    assert len(results) == 2


async def test_what_it_will_cost_is_known_before(records: Path) -> None:
    cost, count, unpriced = expected_cost(read(records, None))
    assert cost.usd is not None
    assert cost.usd > 0
    assert count == COUNT + 1
    assert unpriced <= 1


async def test_results_that_cannot_be_written_end_it(records: Path, tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    gateway = LocalGateway(loaded(CONFIG, tmp_path))
    replay = Replay(gateway, SystemClock(), embed, Plan(), Full())
    with pytest.raises(StoreError, match="No space left"):
        await replay.run(read(records, None), about(records, "here", 0, SystemClock()))
    await gateway.close()


async def test_what_cannot_be_asked_is_counted(tmp_path: Path) -> None:
    gateway = LocalGateway(loaded(CONFIG, tmp_path))
    replay = Replay(gateway, SystemClock(), embed, Plan(clients=2), None)
    entries = iter([Entry("a", 0.0, "s", None, "gone"), Entry("b", 0.0, "s", None, "gone")])
    await replay.run(entries, about(tmp_path, "here", 0, SystemClock()))
    await gateway.close()
    assert replay.tally.not_askable == {"gone": 2}
    assert list(lines(figures(replay)))[:2] == ["asked       0: nothing (then 0 failed)", "not asked   2: gone"]


async def test_stopping_does_not_wait_for_what_is_due_in_an_hour(tmp_path: Path) -> None:
    gateway = LocalGateway(loaded(CONFIG, tmp_path))
    replay = Replay(gateway, SystemClock(), embed, Plan(), None)
    call = Call({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    entries = iter([Entry("now", 0.0, "s", call), Entry("later", 3600.0, "s", call)])
    running = asyncio.create_task(replay.run(entries, about(tmp_path, "here", 0, SystemClock())))
    while not replay.tally.asked:
        await asyncio.sleep(0.001)
    replay.stop("interrupted")
    await asyncio.wait_for(running, 5.0)
    await gateway.close()
    assert (replay.tally.asked, replay.tally.stopped) == (1, "interrupted")
