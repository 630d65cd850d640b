"""Asking until there is an answer, or no hope of one."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

from msgspec.structs import replace

from llmctl.clock import Clock
from llmctl.evals.answers import Answered
from llmctl.evals.budget import Pace, Sleep
from llmctl.evals.targets import Asked, answered
from llmctl.gateway.asking import Call, Reply
from llmctl.model.usage import Cost

FIRST, LONGEST = 0.5, 60.0
"""Seconds: the first wait at most, and the longest there is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take, and how often it is tried again after what may pass."""

    timeout: float
    retries: int
    pace: Pace
    clock: Clock
    random: Random
    sleep: Sleep = asyncio.sleep


async def ask(target: Asked, payload: dict[str, Any], tags: dict[str, str], patience: Patience) -> Answered:
    """What is kept of it; `attempts` counts all, and so does `cost`. Never raises for what the target does."""
    earlier: Cost | None = None
    attempt = 0
    call = Call(payload, tags=tags, timeout=patience.timeout)
    while True:
        await patience.pace.turn()
        reply = await target.ask(call)
        attempt += 1
        if reply.trouble is None or not reply.trouble.passing or attempt > patience.retries:
            found = answered(reply, attempt)
            return found if earlier is None else _with(found, earlier)
        if reply.cost.usd:
            earlier = reply.cost if earlier is None else earlier + reply.cost
        await patience.sleep(_wait(reply, attempt, patience.random))


def _wait(reply: Reply, attempt: int, random: Random) -> float:
    """What the other side asks for; else up to twice as long each time, at random: callers should not meet again."""
    after = reply.trouble.retry_after if reply.trouble is not None else None
    backoff = random.uniform(0.5, 1.0) * min(LONGEST, FIRST * 2.0 ** (attempt - 1))
    return backoff if after is None else min(LONGEST, max(after, 0.0)) + random.uniform(0.0, 0.1)


def _with(found: Answered, earlier: Cost) -> Answered:
    return replace(found, cost=found.cost + earlier)
