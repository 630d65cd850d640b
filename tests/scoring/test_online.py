"""A sample of live answers, scored in a thread."""

import time
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from llmctl.config.schema_evals import OnlineEvalConfig
from llmctl.model.record import Record
from llmctl.scoring.base import Assertion
from llmctl.scoring.grade import Grader
from llmctl.scoring.online import QUEUE, OnlineScores
from llmctl.testing.clock import ManualClock
from tests.scoring.made import tools
from tests.scoring.test_recorded import record


class Broken(Grader):
    """Raises for the first, then grades."""

    tried = 0

    async def grade(self, sample: object, output: object) -> object:  # type: ignore[override]
        self.tried += 1
        if self.tried == 1:
            raise RuntimeError("a bug")
        return await super().grade(sample, output)  # type: ignore[arg-type]


def live(**more: object) -> Record:
    return msgspec.structs.replace(record(), **{"operation": "chat", "requested_model": "m", **more})


def scores(sample: float = 1.0, per_minute: int = 1000, models: list[str] | None = None,
           kind: type[Grader] = Grader) -> tuple[OnlineScores, ManualClock, list[str]]:  # fmt: skip
    listed = [Assertion(kind="not-refusal"), Assertion.model_validate({"kind": "words", "most": 0, "name": "short"})]
    config = OnlineEvalConfig(sample=sample, per_minute=per_minute, models=models, scorers=[{"kind": "words"}])
    clock, warned = ManualClock(), list[str]()
    return OnlineScores({"a": (config, kind(listed, tools()))}, Random(0), clock, warned.append), clock, warned


def until(done: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_counts_by_metric() -> None:
    sink, _, warned = scores()
    for _ in range(3):
        sink.write(live())
    until(lambda: sink.counts("failed")["a/short"] == 3)
    assert sink.counts("passed") == {"a/not-refusal": 3, "a/short": 0}
    assert sink.counts("value") == {"a/not-refusal": 3, "a/short": 0}
    assert not warned
    sink.close()


@pytest.mark.parametrize(
    "more", [{"state": "failed"}, {"shadow_of": "x"}, {"requested_model": "other"}, {"operation": "embedding"}]
)
def test_what_is_not_looked_at(more: dict[str, str]) -> None:
    sink, _, _ = scores(models=["m"])
    sink.write(live(**more))
    assert not sink._queue
    sink.close()


def test_what_was_not_kept_is_counted() -> None:
    sink, _, warned = scores()
    sink.write(live(response=None))
    until(lambda: sink.counts("unscored")["a/short"] == 1)
    assert "could not be scored" in warned[0]
    sink.close()


def test_at_most_so_many_a_minute() -> None:
    sink, clock, _ = scores(per_minute=2)
    for _ in range(5):
        sink.write(live())
    assert sink.dropped["over_rate"] == 3
    clock.advance(60)
    sink.write(live())
    assert sink.dropped["over_rate"] == 3
    sink.close()


def test_a_full_queue_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, _, _ = scores(per_minute=10_000)
    monkeypatch.setattr(sink._thread, "start", lambda: None)
    for _ in range(QUEUE + 3):
        sink.write(live())
    assert sink.dropped["queue_full"] == 3


def test_a_share_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, _, _ = scores(sample=0.1, per_minute=10_000)
    monkeypatch.setattr(sink._thread, "start", lambda: None)
    for _ in range(1000):
        sink.write(live())
    assert 70 < len(sink._queue) < 130


def test_a_bug_does_not_end_it() -> None:
    sink, _, warned = scores(kind=Broken)
    sink.write(live())
    sink.write(live())
    until(lambda: sink.counts("failed")["a/short"] == 1)
    assert "RuntimeError: a bug" in warned[0]
    sink.close()
