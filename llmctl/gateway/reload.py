"""The gateway that is live, and its replacement: build the new one, start it, swap, drain the old.

A configuration that cannot be loaded, built or started leaves the old gateway serving, and `failure` says why.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from llmctl.config.load import Loaded
from llmctl.errors import ConfigError, LlmctlError
from llmctl.gateway.build import Surroundings, build
from llmctl.gateway.gateway import Gateway

POLL = 1.0
SETTLE = 60.0
SETTLE_POLL = 0.05

Stamp = tuple[int, int, int]


class Live:
    """Holds the current gateway. `log` takes an event's name and its fields."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        around: Surroundings,
        log: Callable[..., None],
        apply: Callable[[Loaded], None] = lambda loaded: None,
    ) -> None:
        """`apply` is told of each configuration that goes live, the first included."""
        self._load = load
        self._around = around
        self._log = log
        self._apply = apply
        self._lock = asyncio.Lock()
        self._draining: set[asyncio.Task[None]] = set()
        self._seen: dict[Path, Stamp | None] = {}
        self._gateway: Gateway | None = None
        self.failure: str | None = None
        self.loaded_at = 0.0
        self.draining = False

    @property
    def gateway(self) -> Gateway:
        """The current one."""
        assert self._gateway is not None, "Live.start has not run"
        return self._gateway

    async def start(self, loaded: Loaded) -> None:
        """Build and start the first gateway. Raises ConfigError."""
        self._seen = _stamps(loaded.sources)
        await self._swap(loaded)

    async def reload(self) -> bool:
        """Replace the gateway by what the files say now; True if it went live."""
        async with self._lock:
            if self.draining:
                return False
            # Taken before reading: a file that changes while it is read must be seen to have changed.
            before = _stamps(self._seen)
            try:
                loaded = self._load()
                self._watch_from_now(loaded.sources, before)
                if loaded.tree == self.gateway.loaded.tree:
                    self.failure = None
                    return False
                await self._swap(loaded)
            except Exception as error:  # whatever went wrong, the old gateway serves and the next change is looked at
                if isinstance(error, ConfigError):
                    self._watch_from_now(error.sources, before)
                elif not isinstance(error, LlmctlError | OSError):
                    self._around.bug("reload", error)
                self.failure = str(error) or type(error).__name__
                self._log("reload_failed", error=self.failure, serving=self.gateway.policy)
                return False
            self.failure = None
            self._log("reloaded", policy=loaded.digest)
            return True

    async def watch(self) -> None:
        """Reload when one of the configuration's files changes. Runs until cancelled."""
        while True:
            await asyncio.sleep(POLL)
            if _stamps(self._seen) != self._seen:
                await self.reload()

    async def close(self, drain: float) -> None:
        """Stop for good."""
        self.draining = True
        await self.gateway.close(drain)
        for task in self._draining:
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)

    def _watch_from_now(self, sources: Iterable[Path], before: dict[Path, Stamp | None]) -> None:
        """Watch the files that were read, and those of the gateway that still serves if they were not all found."""
        files = {*sources, *self.gateway.loaded.sources}
        self._seen = {path: before[path] if path in before else _stamp(path) for path in files}

    async def _swap(self, loaded: Loaded) -> None:
        new = build(loaded, self._around)
        await new.start()
        try:
            if self._gateway is not None:
                await self._settle(new)
            self._apply(loaded)
        except BaseException:
            await new.close()
            raise
        old, self._gateway = self._gateway, new
        self.loaded_at = self._around.clock.wall()
        if old is not None:
            task = asyncio.create_task(self._retire(old))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)

    async def _settle(self, new: Gateway) -> None:
        """Let a model that the new gateway has started load while the old one serves."""
        give_up = self._around.clock.monotonic() + SETTLE
        while new.unready() and not self.draining and self._around.clock.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(SETTLE_POLL)  # readiness is a question, not an event

    async def _retire(self, old: Gateway) -> None:
        try:
            await old.close(old.config.server.request_timeout)
        finally:
            self._log("drained", policy=old.policy)


def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp | None]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
