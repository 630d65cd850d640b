"""Threads for code that may hang: few, its own, and never waited for.

Python cannot end a thread. So a call whose caller has gone (the stage's deadline, a client that left) keeps its thread
until it returns by itself; when every thread is kept so, further calls fail at once instead of queueing behind.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from llmctl.errors import Unavailable

T = TypeVar("T")

MOST_WAITING = 256  # calls; beyond it they would only wait for their deadline
GRACE = 0.25  # seconds for a loop to say that it is alive


class ForeignExit(Exception):
    """Foreign code raised what would end the process or the caller's task (SystemExit, CancelledError)."""


class _Job(Generic[T]):
    """One call. `lock` of the workers guards its state."""

    def __init__(self, call: Callable[[], T]) -> None:
        self.call = call
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[tuple[bool, Any]] = self.loop.create_future()
        self.running = False
        self.abandoned = False


class Workers:
    """`size` daemon threads, started by the first call."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: set[_Job[Any]] = set()
        self._kept = 0
        self._started = False
        self._closed = False

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises. Raises Unavailable where no thread will come free."""
        job = _Job(call)
        with self._lock:
            if self._closed:
                raise Unavailable(f"guard {self._name} is closed")
            if self._kept >= self._size:
                raise self._all_hang()
            if len(self._waiting) >= MOST_WAITING:
                raise Unavailable(
                    f"guard {self._name}: {MOST_WAITING} calls wait already; it is slower than the traffic"
                )
            self._waiting.add(job)
            if not self._started:
                self._start()
        self._jobs.put(job)
        try:
            well, found = await job.answer
        except asyncio.CancelledError:
            self._abandon(job)
            raise
        if not well:
            raise found
        answer: T = found
        return answer

    def close(self) -> None:
        """End the threads once they are free. What waits is still done. May be called twice."""
        with self._lock:
            first, self._closed = not self._closed, True
        if first and self._started:
            for _ in range(self._size):
                self._jobs.put(None)

    def _start(self) -> None:
        self._started = True
        for number in range(self._size):
            threading.Thread(target=self._work, name=f"guard-{self._name}-{number}", daemon=True).start()

    def _all_hang(self) -> Unavailable:
        return Unavailable(
            f"guard {self._name}: all of its {self._size} threads hang in calls that were given up; "
            "find out what they wait for, give its code timeouts of its own, or raise `threads`"
        )

    def _abandon(self, job: _Job[Any]) -> None:
        with self._lock:
            self._waiting.discard(job)
            if not job.running or job.abandoned:
                job.abandoned = True
                return
            job.abandoned = True
            self._kept += 1
            left = list(self._waiting) if self._kept >= self._size else []
            self._waiting.difference_update(left)
        for other in left:
            other.abandoned = True
            _tell(other, (False, self._all_hang()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._waiting.discard(job)
                if job.abandoned:
                    continue
                job.running = True
            outcome = _outcome(job.call)
            with self._lock:
                job.running = False
                if job.abandoned:
                    self._kept -= 1
            _tell(job, outcome)
            del job, outcome  # not kept until the next call


def _outcome(call: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return True, call()
    except Exception as error:
        return False, error
    except BaseException as error:
        return False, ForeignExit(f"foreign code raised {type(error).__name__}")


def _tell(job: _Job[Any], outcome: tuple[bool, Any]) -> None:
    def settle() -> None:
        if not job.answer.done():
            job.answer.set_result(outcome)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        job.loop.call_soon_threadsafe(settle)


class LoopThread:
    """An event loop in a thread of its own, for foreign coroutines: one that blocks stops only its own kind."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._abandoned: Future[None] | None = None
        self._closed = False

    async def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the coroutine returns or raises. Raises Unavailable where a call given up earlier blocks the loop."""
        if self._closed:
            raise Unavailable(f"guard {self._name} is closed")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_serve, args=(self._loop,), name=f"guard-{self._name}", daemon=True).start()
        await self._alive()

        running = asyncio.run_coroutine_threadsafe(_contained(make), self._loop)
        try:
            well, found = await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                raise Unavailable(f"guard {self._name} is closed") from None
            self._abandoned = self._ping()
            raise
        if not well:
            raise found
        answer: T = found
        return answer

    def close(self) -> None:
        """End the loop and what still runs on it. May be called twice."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)

    async def _alive(self) -> None:
        if self._abandoned is None:
            return
        done = asyncio.wrap_future(self._abandoned)
        await asyncio.wait([done], timeout=GRACE)
        if not done.done():
            raise Unavailable(
                f"guard {self._name}: a call that was given up blocks its event loop; "
                "its `async def` must await what takes time, with timeouts of its own"
            )
        self._abandoned = None

    def _ping(self) -> Future[None]:
        answered: Future[None] = Future()
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(answered.set_result, None)
        return answered


async def _contained(make: Callable[[], Coroutine[Any, Any, T]]) -> tuple[bool, Any]:
    try:
        return True, await make()
    except Exception as error:
        return False, error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():  # we were asked to stop
            raise
        return False, ForeignExit("foreign code raised CancelledError")
    except BaseException as error:
        return False, ForeignExit(f"foreign code raised {type(error).__name__}")


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        loop.close()
