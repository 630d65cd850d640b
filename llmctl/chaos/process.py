"""The gateway of a drill: a process of its own, which is started, told to reload, killed and started again."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmctl.errors import LlmctlError
from llmctl.model.json import UNDECODABLE, decode

WITHIN = 30.0


class WorldFailed(LlmctlError):
    """The world of an experiment could not be made, or did not do as it was told."""

    code = "world_failed"


class GatewayProcess:
    """One at a time, always on the same port. `log` holds all that its operational log has said, `starts` how often."""

    def __init__(self, launch: Sequence[str], config: Path) -> None:
        self._launch, self._config = tuple(launch), config
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said = asyncio.Event()
        self.log: list[dict[str, Any]] = []
        self.port = 0
        self.starts = 0

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start, and wait until it serves. Raises WorldFailed with what it said."""
        folder = self._config.parent
        before = len(self.log)
        with (folder / "stderr.txt").open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                *self._launch,
                "serve",
                "-c",
                str(self._config),
                "--port",
                str(self.port),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=stderr,
                cwd=folder,
                env={"PATH": os.defpath, "HOME": str(folder)},
                start_new_session=True,  # an interrupt of ours must not stop it before the rollback
            )
        self._reading = asyncio.create_task(self._read(self._process))
        self.starts += 1
        event = await self.wait_for("serving", before)
        self.port = event["port"]

    async def wait_for(self, name: str, since: int) -> dict[str, Any]:
        """The first event of this name after `since` lines of the log. Raises WorldFailed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHIN):
                while True:
                    for event in self.log[since:]:
                        if event.get("event") == name:
                            return event
                    if not self.running and self._reading is not None and self._reading.done():
                        break
                    self._said.clear()
                    await self._said.wait()
        said = (self._config.parent / "stderr.txt").read_text("utf-8", "replace")[-2000:]
        raise WorldFailed(f"the gateway did not say {name!r}: {said} {self.log[since:][-5:]}")

    async def reload(self) -> None:
        """Have it read its configuration. Raises WorldFailed where it does not take it."""
        before = len(self.log)
        self.send(signal.SIGHUP)
        for event in (await self.wait_for_any({"reloaded", "reload_failed"}, before),):
            if event["event"] == "reload_failed":
                raise WorldFailed(f"the gateway does not take the configuration: {event.get('error')}")

    async def wait_for_any(self, names: set[str], since: int) -> dict[str, Any]:
        """The first event of any of these names."""
        waits = [asyncio.create_task(self.wait_for(name, since)) for name in names]
        done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        return done.pop().result()

    def send(self, number: int) -> None:
        """Send one; nothing to one that has ended."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and wait for the end; after a while by SIGKILL."""
        if self._process is None:
            return
        self.send(number)
        try:
            async with asyncio.timeout(WITHIN):
                await self._process.wait()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                with suppress(*UNDECODABLE):
                    event = decode(line)
                    if isinstance(event, dict):
                        self.log.append(event)
                        self._said.set()
        finally:
            await process.wait()
            asyncio.get_running_loop().call_soon(self._said.set)
