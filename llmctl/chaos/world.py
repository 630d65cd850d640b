"""An experiment's world: a gateway process, imitated providers, a collector; on loopback, in a temporary folder."""

import asyncio
import json
import shutil
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llmctl.chaos.books import Charged
from llmctl.chaos.launch import Launcher, jump, launcher
from llmctl.chaos.load import Experiment
from llmctl.chaos.process import GatewayProcess
from llmctl.chaos.provider import Call, Provider
from llmctl.chaos.questions import tenant_name
from llmctl.chaos.settings import Tree, overlaid, settings
from llmctl.chaos.unhurried import unhurried
from llmctl.clock import Clock
from llmctl.config.keys import new_key
from llmctl.limits.budget_store import read
from llmctl.model.record import Record
from llmctl.providers.script import Script
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.collector import FakeCollector

LATENCY = 0.01
CRASHED_WITHIN = 0.1
"""The record store promises to lose no more than `flush_interval` (0.05 s) to SIGKILL; as much again is for the time
an answer takes to the client."""


class World:
    """Made by `async with`, which ends all of it. `clock` is the drill's own, not that of the gateway."""

    def __init__(self, experiment: Experiment, clock: Clock, launch: Launcher | None = None) -> None:
        """`launch` is the beginning of the gateway's command line, llmctl's own by default."""
        self._experiment, self.clock = experiment, clock
        self.folder = Path(tempfile.mkdtemp(prefix="llmctl-chaos-"))
        self.offset = self.folder / "clock"
        jump(self.offset, 0.0)
        self.gateway = GatewayProcess(launch or launcher(self.offset), self.folder / "gateway.yaml")
        self.providers: dict[str, Provider] = {}
        self.collector: FakeCollector | None = None
        self.keys: dict[str, str] = {}
        self.crashes: list[tuple[float, float]] = []
        self._changes: list[dict[str, Any]] = []
        self._tree: Tree = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._build()
        except BaseException:
            await unhurried(self._stop())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await unhurried(self._stop())

    async def _build(self) -> None:
        world = self._experiment.config.world
        for name in self._experiment.providers:
            script = world.providers.get(name) or Script.model_validate({"latency": LATENCY})
            self.providers[name] = await self._stack.enter_async_context(Provider(name, script))
        if world.collector:
            self.collector = await self._stack.enter_async_context(FakeCollector())
        entries = []
        for number in range(self._experiment.config.load.tenants):
            key, entry = new_key()
            self.keys[tenant_name(number)] = key
            entries.append({**entry, "tenant": tenant_name(number)})
        bases = {name: provider.base_url for name, provider in self.providers.items()}
        collector = self.collector.url if self.collector is not None else None
        self._tree = settings(self._experiment.tree, bases, world.options, entries, collector)
        self._write()
        await self.gateway.start()

    async def _stop(self) -> None:
        try:
            await self.gateway.end()
        finally:
            await self._stack.aclose()
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def _write(self) -> None:
        tree = self._tree
        for changes in self._changes:
            tree = overlaid(tree, changes)
        fresh = self.folder / "gateway.new"
        fresh.write_text(json.dumps(tree))
        fresh.replace(self.folder / "gateway.yaml")

    async def change(self, changes: dict[str, Any], *, signal: bool = True) -> None:
        """Change settings, by their dotted names, and have the gateway read them."""
        self._changes.append(changes)
        await self._changed(signal)

    async def unchange(self, changes: dict[str, Any], *, signal: bool = True) -> None:
        """Take a change back; again: only tell the gateway again."""
        if changes in self._changes:
            self._changes.remove(changes)
        await self._changed(signal)

    async def _changed(self, signal: bool) -> None:
        before = len(self.gateway.log)
        self._write()
        if signal:
            await self.gateway.reload()
        else:
            await self.gateway.wait_for("reloaded", before)

    # --- what it has come to

    async def get(self, target: str) -> tuple[int, bytes]:
        """Status and body of a GET from the gateway; status 0 where nobody answers."""
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
                try:
                    writer.write(f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return 0, b""
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0, body

    @property
    def calls(self) -> list[Call]:
        """What all providers were asked."""
        return [call for provider in self.providers.values() for call in provider.calls]

    def records(self) -> list[Record]:
        """What the record store holds; complete once the gateway has ended."""
        return list(RecordReader(self.folder / "records").read())

    def charged(self) -> list[Charged]:
        """What budgets say was spent, nothing where they say nothing; complete once the gateway has ended."""
        found = read(self.folder / "budgets") if (self.folder / "budgets").is_dir() else None
        saved = {one.name: one.rows for one in found.budgets} if found is not None else {}
        made = []
        for name, limit in ((self._tree.get("budgets") or {}).get("limits") or {}).items():
            per, hard = tuple(limit.get("per", ["tenant"])), bool(limit.get("hard", True))
            whole = not any(limit.get(part) for part in ("routes", "keys", "tenants"))
            rows = {row.subject: row for row in saved.get(name, ())}
            subjects = {*rows, *(((tenant,) for tenant in self.keys) if whole and per == ("tenant",) else ())}
            for subject in sorted(subjects):
                row = rows.get(subject)
                spent, reserved = (row.spent, row.reserved) if row is not None else (0.0, 0.0)
                made.append(Charged(name, per, subject, spent, limit["usd"], reserved, hard=hard, whole=whole))
        return made

    def warned(self) -> Counter[str]:
        """What the gateway's log has warned of, and how often."""
        return Counter(str(event["event"]) for event in self.gateway.log if event.get("level") in ("warning", "error"))

    def bugs(self) -> list[str]:
        """What the gateway's log says of bugs."""
        return [str(event.get("error") or event)[:300] for event in self.gateway.log if event.get("event") == "bug"]
