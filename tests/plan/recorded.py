"""Recorded traffic for tests: asked of a real gateway in this process, with a script for a provider."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from msgspec import structs
from msgspec.json import encode

from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.gateway.asking import Call
from llmctl.gateway.local import LocalGateway
from llmctl.model.record import Record
from llmctl.plan.plan import Question, plan
from llmctl.plan.report import Figure, Plan
from llmctl.testing.config import loaded
from llmctl.testing.gateway import Remember

TWO = """\
providers: {up: {kind: scripted}}
models: {small: {provider: up}, large: {provider: up}}
prices: {models: {small: {input: 1.0, output: 2.0}, large: {input: 10.0, output: 20.0}}}
"""
TEXTS = ("What is the capital of France?", "Write a haiku about rain.", "Sum 2 and 3.", "Name a colour, please.")


def configured(folder: Path, name: str, text: str) -> Loaded:
    """The configuration in `text`, in a folder of its own."""
    own = folder / name
    own.mkdir(exist_ok=True)
    return loaded(text, own)


def asked(old: Loaded, calls: Sequence[Call], *, seed: int = 0, limits: bool = False) -> list[Record]:
    """What a gateway of OLD records of these calls, one after the other."""
    sink = Remember()

    async def run() -> None:
        gateway = LocalGateway(old, sinks=[sink], random=Random(seed), limits=limits)
        await gateway.start()
        for call in calls:
            await gateway.ask(call)
        await gateway.close()
        assert not gateway.bugs

    asyncio.run(run())
    # As they come out of the store: what is raw JSON there is a tree here.
    from llmctl.model.record import decoder

    return [decoder.decode(encode(record)) for record in sink.records]


def chats(count: int, model: str = "auto", texts: Sequence[str] = TEXTS, **rest: object) -> list[Call]:
    """So many chats, which say one of the texts after the other."""
    return [
        Call({"model": model, "messages": [{"role": "user", "content": texts[at % len(texts)]}]}, **rest)  # type: ignore[arg-type]
        for at in range(count)
    ]


def at(records: Sequence[Record], seconds: Sequence[float], duration: float = 0.5) -> list[Record]:
    """The same, started at other times, each having taken so long."""
    return [
        structs.replace(record, started=1_790_000_000.0 + second, duration_us=int(duration * 1e6))
        for record, second in zip(records, seconds, strict=True)
    ]


def kept(folder: Path, records: Sequence[Record]) -> Path:
    """A record store that holds these."""
    day = folder / "records" / f"{datetime.now(UTC):%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    (day / "000000-1-0.jsonl").write_bytes(b"".join(encode(record) + b"\n" for record in records))
    return folder / "records"


def planned(old: Loaded, new: Loaded, records: Sequence[Record], *, any_policy: bool = False, **rest: object) -> Plan:
    """The plan over these."""
    return plan(Question(old, new, "records", any_policy, **rest), records, SystemClock())  # type: ignore[arg-type]


def found(made: Plan, name: str) -> Figure:
    """A figure that must be there."""
    one = made.figure(name)
    assert one is not None, name
    return one
