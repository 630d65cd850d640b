"""A suite whose target answers as a test says, a provider that counts what it is paid for, and a machine that dies."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from llmctl.batches.disk import write_all
from llmctl.config.secrets import Environment
from llmctl.evals.load import load_suite
from llmctl.evals.prepare import EVERYTHING, Choice, Prepared, prepare
from llmctl.evals.session import Around, Settings
from llmctl.evals.slots import Posed, Variant
from llmctl.evals.targets import Asked
from llmctl.gateway.asking import Call, Reply, Trouble
from llmctl.model.chat import AnswerBody, Message
from llmctl.model.chat import Choice as AnswerChoice
from llmctl.model.json import encode
from llmctl.model.usage import Cost, Usage
from llmctl.scoring.base import Output, Sample, Tools
from llmctl.scoring.grade import Graded
from llmctl.scoring.result import Scored
from llmctl.testing.clock import ManualClock

URL = '{kind: url, base_url: "http://127.0.0.1:9/v1", model: m}'
SUITE = f"""
name: tried
dataset: {{kind: inline, items: []}}
targets: {{up: {URL}}}
prompts: {{long: "Please: {{{{question}}}}", short: "{{{{question}}}}"}}
scorers: [{{kind: equals}}]
"""


class Dead(BaseException):
    """The process is killed here."""


class Machine:
    """Counts the steps of a process: writes, calls, and what is awaited. It dies at one, and then nothing works."""

    def __init__(self, dies_at: int | None = None, torn: float = 0.0) -> None:
        """`torn` is the share of a write that still reaches the disk."""
        self.dies_at, self.torn = dies_at, torn
        self.steps = 0
        self.dead = False

    def step(self) -> None:
        """One step."""
        if self.dead or self.steps == self.dies_at:
            self.dead = True
            raise Dead
        self.steps += 1

    def write(self, descriptor: int, data: bytes) -> None:
        """A write, which may be torn."""
        try:
            self.step()
        except Dead:
            if self.torn and self.steps == self.dies_at:
                self.dies_at = -1
                write_all(descriptor, data[: int(len(data) * self.torn)])
            raise
        write_all(descriptor, data)

    async def turn(self) -> None:
        """Something is awaited."""
        self.step()
        await asyncio.sleep(0)
        self.step()


class Provider:
    """Answers as `says` does, and counts what it charges: a call is charged when its reply is delivered."""

    def __init__(self, machine: Machine | None = None, says: Callable[[str], str | Trouble] = str.upper) -> None:
        self.machine, self.says = machine or Machine(), says
        self.charged: Counter[bytes] = Counter()
        self.calls: list[Call] = []
        self.price: float | None = 0.01
        self.at_once = self.most = 0

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def ask(self, call: Call) -> Reply:
        """What `says` makes of the last message."""
        self.calls.append(call)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.machine.turn()
        finally:
            self.at_once -= 1
        text = self.says(call.payload["messages"][-1]["content"])
        ident = f"req-{len(text) if isinstance(text, str) else 0}"
        if isinstance(text, Trouble):
            return Reply(ident, "failed", 0.5, trouble=text)
        self.charged[encode(call.payload)] += 1
        body = AnswerBody(choices=[AnswerChoice(message=Message(content=text), finish_reason="stop")])
        cost = Cost(self.price, "exact") if self.price is not None else Cost()
        return Reply(ident, "ok", 0.5, body, model="m", usage=Usage(3, output=2, source="provider"), cost=cost)


class Grading:
    """Scores 1 for an answer with an A; asks the target `judge` first, where there is one."""

    def __init__(self, tools: Tools, machine: Machine, judge: str = "") -> None:
        self.tools, self.machine, self.judge = tools, machine, judge

    async def grade(self, sample: Sample, output: Output) -> Graded:
        """One scorer's word."""
        await self.machine.turn()
        value = float("A" in output.text)
        scored = [Scored("a", "a", value, value == 1)]
        if not self.judge:
            return Graded(value, value == 1, scored)
        assert self.tools.ask is not None
        judged = await self.tools.ask(self.judge, [{"role": "user", "content": f"judge {output.text}"}], {})
        await self.machine.turn()
        return Graded(value, value == 1, [*scored, Scored("j", "j", 1.0, True, reason=judged.text)], judged.cost)


def posed(count: int, question: Callable[[int], str] = "what is {}?".format) -> list[Posed]:
    """So many items."""
    return [Posed(at, Sample(f"i{at}", {"question": question(at)}, expected=str(at))) for at in range(count)]


def prepared(
    folder: Path,
    provider: Provider,
    items: Sequence[Posed],
    text: str = SUITE,
    choice: Choice = EVERYTHING,
    **extra: Provider,
) -> Prepared:
    """The suite, its targets answered for by `provider`, and by `extra` under their own names."""
    path = folder / "suite.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    made = prepare(load_suite(path, Environment({})), items, Environment({}), ManualClock(), Random(1), choice)
    targets = {}
    for name, target in made.targets.items():
        assert isinstance(target, Asked)
        targets[name] = Asked(extra.get(name, provider), f"{name}:x", target.parameters, seed=target.seed)
    names = made.suite.variants
    variants = [Variant(v.name, targets[names[v.name].target], v.prompt, v.parameters) for v in made.variants]
    return Prepared(made.suite, made.items, variants, targets, made.digest)


def settings(folder: Path, concurrency: int = 2, *, cache: bool = True, max_cost: float | None = None) -> Settings:
    """In a folder of its own; `cache` beside it."""
    return Settings(folder / "out", folder / "kept" if cache else None, concurrency, max_cost)


def around(machine: Machine | None = None, judge: str = "") -> Around:
    """Nothing of the real world but the disk."""
    machine = machine or Machine()

    async def sleep(seconds: float) -> None:
        await machine.turn()

    return Around(
        ManualClock(), Random(1), sleep, grader=lambda tools: _all(Grading(tools, machine, judge)), write=machine.write
    )


def _all(grading: Grading) -> Callable[[Posed], Grading]:
    return lambda item: grading
