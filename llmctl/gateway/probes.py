"""Free requests to models that are due to be tried again, so that no client's request is spent on one still dead."""

import asyncio
from collections.abc import Callable, Iterable

from llmctl.errors import UpstreamError
from llmctl.gateway.target import Target

PROBE_TIMEOUT = 5.0


class Prober:
    """Asks whether anybody is there. A yes lets clients' requests decide; a no keeps the breaker open for longer."""

    def __init__(self, targets: Iterable[Target], every: float, now: Callable[[], float]) -> None:
        self._targets = tuple(targets)
        self._every = every
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            due = [target for target in self._targets if target.standing.breaker.state == "open"]
            if due:
                ended = await asyncio.gather(*map(self.probe, due), return_exceptions=True)
                for bug in filter(None, ended):
                    context = {"message": "a bug in a probe of a model that is down", "exception": bug}
                    asyncio.get_running_loop().call_exception_handler(context)

    async def probe(self, target: Target) -> None:
        """Ask one of them, if its time has come."""
        breaker = target.standing.breaker
        request = target.provider.probe(self._now() + PROBE_TIMEOUT)
        if request is None or breaker.retry_after() > 0 or not (ticket := breaker.allow()):
            return
        began = self._now()
        try:
            response = await target.transport.send(request)
            alive = response.status < 500
            await response.read()
        except UpstreamError:
            alive = False
        except BaseException:
            breaker.cancelled(ticket)
            raise
        if alive:
            breaker.cancelled(ticket)
        else:
            breaker.record(False, self._now() - began, ticket)
