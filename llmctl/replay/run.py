"""A replay: recorded requests asked again, what came of them beside what was answered then."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from llmctl import __version__
from llmctl.clock import Clock
from llmctl.errors import StoreError
from llmctl.gateway.asking import Asker, Call, Reply
from llmctl.model.chat import text_of
from llmctl.model.json import encode
from llmctl.model.usage import UNPRICED, Cost
from llmctl.replay.difference import Difference, Differences, calls_of, differ
from llmctl.replay.pace import Times, closed, open_loop
from llmctl.replay.source import Before, Entry
from llmctl.scoring.base import Embed, Output, Sample, ToolCalled
from llmctl.scoring.grade import Grader
from llmctl.scoring.result import Result, Run, Scored

RECORDED, REPLAYED = "recorded", "replayed"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to replay: open loop at `speed`, or closed with `clients`. `max_cost` is in US dollars."""

    speed: float = 1.0
    clients: int | None = None
    max_cost: float | None = None
    timeout: float = 120.0


@dataclass(slots=True)
class Tally:
    """What came of it."""

    asked: int = 0
    not_askable: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    errors_before: int = 0
    same_state: int = 0
    usd: float = 0.0
    unpriced: int = 0
    cache: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    stopped: str = ""


class Replay:
    """Asks the entries through `asker` and writes two lines of results for each to `out`, then and now."""

    def __init__(
        self, asker: Asker, clock: Clock, embed: Embed, plan: Plan, out: IO[bytes] | None, grader: Grader | None = None
    ) -> None:
        """`grader` scores both answers, where it can."""
        self._asker = asker
        self._clock = clock
        self._embed = embed
        self._plan = plan
        self._out = out
        self._grader = grader
        self._number = 0
        self._stopping = asyncio.Event()
        self.times, self.tally, self.differences = Times(), Tally(), Differences()

    def stop(self, why: str) -> None:
        """Send nothing more; what is under way ends."""
        self.tally.stopped = self.tally.stopped or why
        self._stopping.set()

    async def run(self, entries: Iterator[Entry], about: Run) -> None:
        """All of them, or up to `stop`. Raises StoreError where `out` does not take the results."""
        self._write(about)
        sendable = self._askable(entries)
        with suppress(asyncio.CancelledError):
            if self._plan.clients is not None:
                await closed(sendable, self._plan.clients, self._send, self._clock, self.times)
            else:
                stopped = self._stopping.is_set
                await open_loop(sendable, self._plan.speed, self._send, self._clock, self.times, self._sleep, stopped)

    async def _sleep(self, seconds: float) -> None:
        """Until then, or until `stop`: an entry may be due in an hour."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _askable(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if self._stopping.is_set():
                return
            if entry.call is None:
                self.tally.not_askable[entry.why_not] = self.tally.not_askable.get(entry.why_not, 0) + 1
                continue
            yield entry

    async def _send(self, entry: Entry) -> None:
        assert entry.call is not None
        number, self._number = self._number, self._number + 1
        call = msgspec.structs.replace(entry.call, timeout=self._plan.timeout, tags={"replay": entry.id[:100]})
        reply = await self._asker.ask(call)
        self._count(entry.before, reply)
        calls = calls_of(reply)
        found = Difference()
        if reply.answer is not None and entry.before.text is not None:
            found = await differ(entry.before, reply.text, calls, self._embed)
            self.differences.add(entry.id, found, entry.before.text, reply.text)
        await self._results(entry, number, call, reply, calls, found)

    def _count(self, before: Before, reply: Reply) -> None:
        tally, differences = self.tally, self.differences
        tally.asked += 1
        _more(tally.states, reply.state)
        tally.errors_before += bool(before.error)
        tally.same_state += bool(before.error) == (reply.trouble is not None)
        if reply.trouble is not None:
            _more(tally.errors, reply.trouble.code)
        if reply.model:
            _more(tally.models, reply.model)
        if reply.cache is not None:
            _more(tally.cache, reply.cache)
        if reply.cost.usd is not None:
            tally.usd += reply.cost.usd
            if self._plan.max_cost is not None and tally.usd >= self._plan.max_cost:
                self.stop(f"--max-cost: ${tally.usd:.4f} are spent")
        elif reply.trouble is None:
            tally.unpriced += 1
        if reply.trouble is None and not before.error:
            differences.seconds.add(before.seconds, reply.seconds)
            differences.cost.add(before.cost.usd, reply.cost.usd)
            if before.usage.source != "none" and reply.usage.source != "none":
                differences.tokens.add(before.usage.completion, reply.usage.completion)

    async def _results(
        self, entry: Entry, number: int, call: Call, reply: Reply, calls: Sequence[ToolCalled], found: Difference
    ) -> None:
        messages = [one for one in call.payload.get("messages") or [] if isinstance(one, dict)]
        before = entry.before
        if before.text is not None or before.error:
            then = Output(before.text or "", before.tool_calls, seconds=before.seconds, ttft=before.ttft,
                          usage=before.usage, cost=before.cost, error=before.error)  # fmt: skip
            self._write(await self._result(entry, number, RECORDED, messages, then, before.model, ()))
        choice = reply.answer.choices[0] if reply.answer is not None and reply.answer.choices else None
        error = reply.trouble.code if reply.trouble is not None else ""
        finish = choice.finish_reason if choice is not None else None
        now = Output(reply.text, tuple(calls), (), (), reply.seconds, reply.ttft, reply.usage, reply.cost, finish,
                     error=error)  # fmt: skip
        self._write(await self._result(entry, number, REPLAYED, messages, now, reply.model, _differences(found)))

    async def _result(
        self,
        entry: Entry,
        number: int,
        variant: str,
        messages: list[dict[str, Any]],
        output: Output,
        model: str,
        differences: Sequence[Scored],
    ) -> Result:
        score: float | None = None
        passed: bool | None = None
        scored, judging = list[Scored](), UNPRICED
        if self._grader is not None:
            asked = [text_of(one.get("content")) for one in messages if one.get("role") == "user"]
            sample = Sample(entry.id, {"question": asked[-1] if asked else ""}, expected=entry.before.text)
            full = msgspec.structs.replace(output, messages=tuple(messages))
            score, passed, scored, judging = await self._grader.grade(sample, full)
        return Result(
            entry.id,
            number,
            0,
            variant,
            score,
            passed,
            entry.session,
            messages=messages,
            output=output.text,
            tool_calls=[{"name": one.name, "arguments": one.arguments} for one in output.tool_calls],
            scored=[*scored, *differences],
            error=output.error,
            seconds=output.seconds,
            ttft=output.ttft,
            usage=output.usage,
            cost=output.cost,
            judging=judging,
            model=model,
        )

    def _write(self, line: Run | Result) -> None:
        if self._out is None:
            return
        try:
            self._out.write(encode(line) + b"\n")
        except OSError as error:
            raise StoreError(f"results cannot be written: {error.strerror or error}") from None


def about(source: Path, target: str, seed: int, clock: Clock) -> Run:
    """The first line of the results."""
    name = f"replay of {source} by {target}"
    return Run(name, "", [RECORDED, REPLAYED], 0, 1, seed, clock.wall(), __version__)


def expected_cost(entries: Iterator[Entry]) -> tuple[Cost, int, int]:
    """(what the entries cost then, how many can be asked, how many of those have no price)."""
    total, count, unpriced = 0.0, 0, 0
    for entry in entries:
        if entry.call is None:
            continue
        count += 1
        if entry.before.cost.usd is None:
            unpriced += 1
        else:
            total += entry.before.cost.usd
    return Cost(total, "partial" if unpriced else "estimated"), count, unpriced


def _differences(found: Difference) -> list[Scored]:
    told: Mapping[str, Any] = json.loads(msgspec.json.encode(found))
    return [Scored(f"same/{name}", "replay", float(value), None, 0.0) for name, value in told.items()]


def _more(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
