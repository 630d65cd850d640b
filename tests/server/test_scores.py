"""Live answers are scored as the configuration says, by judges that the gateway itself asks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.errors import ConfigError
from llmctl.gateway.asking import Call
from llmctl.gateway.local import LocalGateway
from llmctl.gateway.reload import Live
from llmctl.net.pool import Pool
from llmctl.scoring.base import Unscorable
from llmctl.scoring.online import OnlineScores
from llmctl.server.scores import Asking, online_scores
from llmctl.testing.config import loaded
from llmctl.testing.gateway import Remember, surroundings

CONFIG = """\
providers: {up: {kind: scripted}}
models: {m: {provider: up}, judge: {provider: up}}
guardrails: {preset: none}
"""


def scores(config: Loaded) -> OnlineScores | None:
    clock, warned = SystemClock(), list[str]()
    return online_scores(config, Asking(clock, Random(0)), Random(0), clock, warned.append)


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.01)


def test_without_evals_there_is_none(tmp_path: Path) -> None:
    assert scores(loaded(CONFIG, tmp_path)) is None


async def test_answers_are_scored(tmp_path: Path) -> None:
    listed = "scorers: [{kind: not-refusal}, {kind: words, most: 1, name: short}]"
    config = loaded(CONFIG + f"evals: {{polite: {{sample: 1, models: [m], {listed}}}}}\n", tmp_path)
    sink = scores(config)
    assert sink is not None
    assert sink.counts("passed") == {"polite/not-refusal": 0, "polite/short": 0}
    gateway = LocalGateway(config, sinks=(sink,))
    await gateway.start()
    for model in ("m", "m", "judge"):
        await gateway.ask(Call({"model": model, "messages": [{"role": "user", "content": "Hello"}]}))
    await until(lambda: sum(sink.counts("passed").values()) + sum(sink.counts("failed").values()) == 4)
    assert sink.counts("passed") == {"polite/not-refusal": 2, "polite/short": 0}
    assert sink.counts("failed") == {"polite/not-refusal": 0, "polite/short": 2}
    assert sink.counts("value") == {"polite/not-refusal": 2, "polite/short": 0}
    await gateway.close()
    sink.close()


@pytest.mark.parametrize(
    ("evals", "said"),
    [
        ("a: {scorers: [{kind: equal}]}", "evals.a.scorers[0].kind: no scorer is called 'equal'; did you mean equals?"),
        ("a: {scorers: [{kind: words, mosst: 1}]}", "evals.a.scorers[0].mosst"),
        ("a: {judge: nobody, scorers: [{kind: words}]}", "no model 'nobody' is configured"),
        ("a: {scorers: [{name: words}]}", "evals.a.scorers"),
        ("a: {scorers: [{kind: factuality, judge: x}]}", "no model 'x' is configured"),
    ],
)
def test_mistakes_have_their_place(evals: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        scores(loaded(CONFIG + f"evals: {{{evals}}}\n", tmp_path))
    assert said in str(told.value)
    assert "gateway.yaml:4" in str(told.value)


def test_what_is_not_kept_cannot_be_scored(tmp_path: Path) -> None:
    text = CONFIG + "records: {content: none}\nevals: {a: {scorers: [{kind: words}]}}\n"
    with pytest.raises(ConfigError, match=r"records\.content: redacted"):
        scores(loaded(text, tmp_path))


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[tuple[Live, Remember]]:
    clock, sink = SystemClock(), Remember()
    live = Live(lambda: loaded(CONFIG, folder), surroundings(Pool(clock), sink, clock), lambda event, **_: None)
    await live.start(loaded(CONFIG, folder))
    try:
        yield live, sink
    finally:
        await live.close(drain=0)


async def test_a_judge_is_asked_from_another_thread_and_recorded_as_a_shadow(tmp_path: Path) -> None:
    async with living(tmp_path) as (live, sink):
        asking = Asking(SystemClock(), Random(0))
        asking.through(live)
        messages = [{"role": "user", "content": "Is this polite? Yes or no."}]

        def elsewhere() -> str:
            return asyncio.run(asking.ask("judge", messages, {"max_tokens": 5})).text

        assert await asyncio.to_thread(elsewhere)
        (record,) = sink.records
        assert (record.requested_model, record.model, record.tenant) == ("judge", "judge", "evals")
        assert record.shadow_of


async def test_before_it_serves_there_is_no_judge() -> None:
    with pytest.raises(Unscorable, match="does not serve yet"):
        await Asking(SystemClock(), Random(0)).ask("judge", [], {})
