"""A sample of recorded requests asked again under NEW: priced first, measured, compared with what was recorded."""

import asyncio
import math
from collections.abc import Sequence
from random import Random

import numpy as np
from msgspec import Struct

from llmctl.config.load import Loaded
from llmctl.errors import InvalidRequest, UnknownModel
from llmctl.gateway.asking import Asker, Call, Reply
from llmctl.gateway.odds import RouteOdds, Untold
from llmctl.model.chat import Operation
from llmctl.model.json import JsonObject
from llmctl.plan.identity import renamed, translated
from llmctl.plan.prices import Pricing
from llmctl.plan.report import Figure, Stage, Unit, figure, untold
from llmctl.plan.shares import share
from llmctl.plan.traffic import Seen
from llmctl.statistics.paired import paired_difference

TAG = "llmctl-plan"
OVER = "the budget was spent before these were asked"


class Drawn(Struct, frozen=True):
    """A request of the sample and what became of it; dollars and seconds, NaN where not known.

    `price` is what asking it again is expected to cost, at the recorded tokens.
    """

    id: str
    payload: JsonObject
    operation: Operation
    key: str
    tenant: str
    model: str
    cost: float
    seconds: float
    ok: bool
    price: float


class Sample:
    """So many requests of all that could be asked again, each as likely as any other."""

    def __init__(self, most: int, old: Loaded, new: Loaded, odds: RouteOdds, pricing: Pricing, seed: int = 0) -> None:
        """`odds` are NEW's."""
        self._most = most
        self._odds, self._pricing = odds, pricing
        self._names = renamed(old, new)
        self._random = Random(seed)
        self._possible = 0
        self.drawn: list[Drawn] = []

    def see(self, seen: Seen) -> None:
        """One request. Not those that have no content, that redaction changed, or that no model was asked for."""
        record, payload = seen.record, seen.payload
        if payload is None or seen.redacted or record.decision is None or record.compression is not None:
            return
        self._possible += 1
        at = len(self.drawn) if len(self.drawn) < self._most else self._random.randrange(self._possible)
        if at >= self._most:
            return
        cost, repriced = self._pricing.recorded(record)
        one = Drawn(
            record.id, {**payload, "model": record.requested_model, "stream": False}, seen.features.operation,
            record.key, record.tenant, record.model, cost, record.duration_us / 1e6, record.state == "ok",
            self._price(seen, repriced),
        )  # fmt: skip
        if at == len(self.drawn):
            self.drawn.append(one)
        else:
            self.drawn[at] = one

    def price(self) -> float:
        """Dollars that asking all of it is expected to cost; NaN where some price is not known."""
        return sum(one.price for one in self.drawn)

    def _price(self, seen: Seen, repriced: float) -> float:
        try:
            odds = self._odds.of(seen.record.requested_model, seen.features).given
        except (UnknownModel, InvalidRequest):
            return 0.0
        except Untold as untold:  # the dearest it may be
            if not untold.models:
                return math.nan
            odds = dict.fromkeys(untold.models, 1.0)
        known = {translated(action, self._names): share for action, share in odds.items()}
        return self._pricing.assumed(seen.record, known, repriced)


async def replay(sample: Sequence[Drawn], asker: Asker, max_cost: float, concurrency: int = 4) -> Stage:
    """Ask, no more than is paid for, and compare. Raises LlmctlError where the asker cannot start."""
    await asker.start()
    gate, spent, reserved = asyncio.Semaphore(concurrency), 0.0, 0.0
    replies: dict[int, Reply] = {}

    async def ask(at: int, one: Drawn) -> None:
        nonlocal spent, reserved
        async with gate:
            if spent + reserved + one.price > max_cost * (1 + 1e-9):
                return
            reserved += one.price
            tags = {TAG: one.id}
            replies[at] = reply = await asker.ask(
                Call(one.payload, one.operation, tags, key=one.key, tenant=one.tenant)
            )
            reserved -= one.price
            spent += reply.cost.usd if reply.cost.usd is not None else one.price

    try:
        await asyncio.gather(*(ask(at, one) for at, one in enumerate(sample)))
    finally:
        await asker.close()
    return _stage(sample, replies, spent)


def _stage(sample: Sequence[Drawn], replies: dict[int, Reply], spent: float) -> Stage:
    pairs = [(sample[at], replies[at]) for at in sorted(replies)]
    unit: Unit = "USD"
    figures = [
        _measured("cost, measured", unit, [(one.cost, _usd(reply)) for one, reply in pairs]),
        _measured("latency, measured", "s", [(one.seconds, reply.seconds) for one, reply in pairs]),
        share("answered, measured", [float(reply.trouble is None) for _, reply in pairs]),
    ]
    left_out = {OVER: len(sample) - len(pairs)} if len(pairs) < len(sample) else {}
    notes = [f"spent ${spent:.4g}; without NEW's limits and budgets, its cache empty; latency is that of today"]
    return Stage("replay", "evaluated", "", len(pairs), figures, left_out=left_out, notes=notes)


def _measured(name: str, unit: Unit, pairs: Sequence[tuple[float, float]]) -> Figure:
    known = np.array([pair for pair in pairs if all(map(math.isfinite, pair))]).reshape(-1, 2)
    if len(known) < 2:
        return untold(name, unit, "not evaluated", "fewer than two requests have this figure on both sides", len(known))
    found = paired_difference(known[:, 1], known[:, 0])
    return figure(name, unit, found, len(known), base=float(known[:, 0].mean()))


def _usd(reply: Reply) -> float:
    return math.nan if reply.cost.usd is None else reply.cost.usd
