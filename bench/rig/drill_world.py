"""A gateway process before three providers that can be told to fail, and the records it leaves."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rig.processes import BenchFailed, Command, answers, free_port, process
from bench.rig.report import ROOT
from bench.rig.served import LLMCTL
from llmctl.model.json import decode, encode
from llmctl.model.record import Record
from llmctl.telemetry.reader import RecordReader

Options = dict[str, Any]
NAMES = ("a", "b", "c")
SOUND: Options = {
    "echo": True,
    "latency": {"kind": "lognormal", "median": 0.02, "sigma": 0.3},
    "token_rate": 500,
}
"""A fast model: 20 ms to the first token, then two a millisecond apart."""

FAULTS: Mapping[str, Options] = {
    "dead": {"kind": "error", "status": 500},
    "flaky": {"kind": "error", "status": 500, "probability": 0.3},
    "hang": {"kind": "hang"},
    "limited": {"kind": "rate_limit", "retry_after": 1},
    "cut": {"kind": "cut", "after_chunks": 1},
    "garbage": {"kind": "garbage"},
    "slow": {"kind": "slow_first", "delay": 3},
    "sluggish": {"kind": "slow_first", "delay": 0.6},
}
ODD: Mapping[str, Options] = {
    "lagging": {"kind": "slow_first", "delay": 0.4},
    "moody": {"kind": "slow_first", "delay": 0.4, "probability": 0.03},
    "drip": {"kind": "drip", "delay": 0.05},
}
RESILIENCE: Options = {"breaker": {"error_rate": 0.25, "window": 10, "slow_call": 0.4, "slow_rate": 0.5}}
WAITS = {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 2}


def routes() -> Options:
    """What a user would write who wants an answer whatever fails: one preferred model, or any of three."""
    again: Options = {"attempt_timeout": 1, "resume": True}
    chain: Options = {"kind": "fixed", "model": "a", "fallbacks": ["b", "c"], **again}
    spread: Options = {"kind": "latency", "models": list(NAMES), **again}
    return {
        "chain": chain,
        "spread": spread,
        "hedged": {**spread, "hedge": {}},
        "abandoning": {**chain, "resume": False},
    }


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers' ports."""

    ports: tuple[int, ...]

    async def behave(self, *faults: Sequence[Options], seed: int = 0) -> None:
        """What each does from now on; those without faults are sound."""
        for port, own in zip(self.ports, [*faults, *[()] * len(self.ports)], strict=False):
            await _control(port, {**SOUND, "faults": list(own), "seed": seed})

    async def asked(self) -> list[tuple[str, str, str]]:
        """Every POST that came: to which provider, the exchange's id, how its answer went."""
        found = []
        for name, port in zip(NAMES, self.ports, strict=True):
            found += [(name, id_, outcome) for id_, outcome in await _control(port)]
        return found


async def _control(port: int, script: Options | None = None) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        body = b"" if script is None else encode(script)
        method = b"GET" if script is None else b"POST"
        head = b"%b /drill HTTP/1.1\r\nhost: drill\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % (method, len(body)) + body)
        answer = await reader.read()
    finally:
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise BenchFailed(f"a provider does not do as it is told: {answer[:300]!r}")
    return decode(answer.partition(b"\r\n\r\n")[2])


@contextmanager
def providers(scratch: Path) -> Iterator[Providers]:
    """Three sound ones, in one process."""
    ports = tuple(free_port() for _ in NAMES)
    script = ROOT / "bench" / "rig" / "drill_upstream.py"
    command: Command = [sys.executable, script, *map(str, ports)]
    with process(command, scratch, lambda: all(answers(port, "/health") for port in ports)):
        yield Providers(ports)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway process. Its records are complete once it has ended."""

    port: int
    folder: Path

    def records(self) -> list[Record]:
        """All of them."""
        return list(RecordReader(self.folder / "records").read())

    def bugs(self) -> list[str]:
        """Lines of its log that tell of a bug."""
        lines = [line for path in self.folder.glob("*.log") for line in path.read_text("utf-8", "replace").splitlines()]
        return [line for line in lines if '"bug"' in line or "Traceback" in line]


@contextmanager
def gateway(scratch: Path, found: Providers, **more: Any) -> Iterator[Gateway]:
    """One with the drill's routes; `more` is more of its configuration, or other than the drill's."""
    port = free_port()
    folder = scratch / f"drill-{port}"
    folder.mkdir()
    base = {
        name: {"kind": "openai", "base_url": f"http://127.0.0.1:{own}/v1", **WAITS}
        for name, own in zip(NAMES, found.ports, strict=True)
    }
    config = {
        "server": {"port": port, "request_timeout": 10},
        "providers": base,
        "models": {name: {"provider": name} for name in NAMES},
        "routes": routes(),
        "resilience": RESILIENCE,
        "guardrails": {"preset": "none"},
        "records": {"dir": "records", "content": "none"},
        **more,
    }
    path = folder / "gateway.yaml"
    path.write_text(json.dumps(config))
    with process([LLMCTL, "serve", "--config", path], folder, lambda: answers(port, "/readyz")):
        yield Gateway(port, folder)
