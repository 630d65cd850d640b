"""Texts that come at nearly the same time go in one call, because a call costs more than a further text in it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from llmctl.embedding.base import Vector
from llmctl.errors import Unavailable

MOST_WAITING = 256  # texts, or four batches of them; beyond it they would only wait for their deadline

Compute = Callable[[Sequence[str]], Awaitable[Sequence[Vector]]]


class _Wanted:
    """A text, who waits for it, and what they will be told."""

    __slots__ = ("future", "text", "waiters")

    def __init__(self, text: str, future: asyncio.Future[Vector]) -> None:
        self.text = text
        self.future = future
        self.waiters = 0


class Microbatch:
    """Collects texts for `window` seconds, or until there are `size`; then `compute` is called with them.

    A text that is collected or under way already is not computed again. With a window of 0 nothing waits, and only
    what comes in the same turn of the loop goes together. Where `calls` are under way the next one waits for one to
    end, and collects meanwhile. A waiter that is cancelled takes nobody else's answer, and a text that nobody waits
    for any more is not computed. For one event loop.
    """

    def __init__(self, name: str, compute: Compute, *, window: float, size: int, calls: int) -> None:
        """`compute` gives a vector for each text, in their order; what it raises goes to all who wait for the call."""
        self._name, self._compute = name, compute
        self._window, self._size, self._calls = window, size, calls
        self._most = max(MOST_WAITING, 4 * size)
        self._wanted: dict[str, _Wanted] = {}
        self._queue: deque[_Wanted] = deque()
        self._timer: asyncio.Handle | None = None
        self._due = False
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def vector(self, text: str) -> Vector:
        """The vector of `text`. Raises what `compute` raises, and Unavailable where too many wait or it is closed."""
        if self._closed:
            raise Unavailable(f"embedder {self._name} is closed")
        wanted = self._wanted.get(text)
        if wanted is None:
            if len(self._queue) >= self._most:
                raise Unavailable(
                    f"embedder {self._name}: {self._most} texts wait already; it is slower than the traffic"
                )
            wanted = self._wanted[text] = _Wanted(text, asyncio.get_running_loop().create_future())
            self._queue.append(wanted)
        wanted.waiters += 1
        self._arrange()
        try:
            return await asyncio.shield(wanted.future)
        finally:
            wanted.waiters -= 1

    async def close(self) -> None:
        """Stop. Who still waits gets Unavailable. May be called twice."""
        self._closed = True
        self._stop_timer()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._fail(tuple(self._wanted.values()), Unavailable(f"embedder {self._name} is closed"))
        self._queue.clear()

    def _arrange(self) -> None:
        if len(self._queue) >= self._size or self._due:
            self._send()
        elif self._queue and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._window, self._ripe) if self._window else loop.call_soon(self._ripe)

    def _ripe(self) -> None:
        self._timer = None
        self._due = True
        self._send()

    def _send(self) -> None:
        """Start as many calls as may be; what has waited its time goes even where it fills none."""
        while len(self._running) < self._calls and (self._due or len(self._queue) >= self._size):
            batch = self._next()
            if batch:
                task = asyncio.get_running_loop().create_task(self._run(batch))
                self._running.add(task)
                task.add_done_callback(self._ended)
            if not self._queue:
                self._due = False
                self._stop_timer()

    def _next(self) -> list[_Wanted]:
        batch: list[_Wanted] = []
        while self._queue and len(batch) < self._size:
            wanted = self._queue.popleft()
            if wanted.waiters:
                batch.append(wanted)
            else:
                del self._wanted[wanted.text]
        return batch

    async def _run(self, batch: Sequence[_Wanted]) -> None:
        try:
            vectors = await self._compute([wanted.text for wanted in batch])
            answers = list(zip(batch, vectors, strict=True))
        except asyncio.CancelledError:
            self._fail(batch, Unavailable(f"embedder {self._name} is closed"))
            raise
        except Exception as error:
            # What is no error of ours is a bug, and stays one: who waits raises it.
            self._fail(batch, error)
            return
        for wanted, vector in answers:
            del self._wanted[wanted.text]
            wanted.future.set_result(vector)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._closed:
            self._send()

    def _fail(self, batch: Sequence[_Wanted], error: Exception) -> None:
        for wanted in batch:
            if self._wanted.pop(wanted.text, None) is None:
                continue
            if wanted.waiters:
                wanted.future.set_exception(error)
            else:
                wanted.future.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
