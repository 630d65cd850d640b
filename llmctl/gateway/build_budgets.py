"""Makes the budgets of a configuration, and completes what was saved of them from the records."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmctl.config.load import Loaded
from llmctl.gateway.leases import Made
from llmctl.limits.budget import Account, Subject, zone_of
from llmctl.limits.budget_store import Book

if TYPE_CHECKING:
    from llmctl.gateway.build import Surroundings
    from llmctl.telemetry.reader import RecordReader

PATH = ("budgets", "limits")
OVERLAP = 5.0  # seconds by which records may stand in another order than that in which exchanges ended


class Budgets:
    """The accounts of one configuration. A `leases.Resource`."""

    def __init__(self, accounts: Sequence[Account], book: Book | None, records: Path | None) -> None:
        """`records` is the record store's folder, where there is one; without budgets there is no `book`."""
        self.accounts = tuple(accounts)
        self._book = book
        self._records = records

    async def start(self) -> None:
        """Read what was spent before. Raises StoreError where another gateway writes to the same folder."""
        if self._book is not None:
            await self._book.open()
            try:
                await self._complete(self._book)
            except BaseException:
                await self._book.close()
                raise

    async def close(self) -> None:
        """Save what is spent, where nobody else will."""
        if self._book is not None:
            await self._book.close()

    def spent(self) -> dict[str, float]:
        """By budget, dollars spent in the period that is now by the subject that has spent most."""
        return {
            account.name: max((one.spent for _, one in account.standings()), default=0.0) for account in self.accounts
        }

    def remaining(self) -> dict[str, float]:
        """By budget, the share that the subject with the least left has left; reservations count as spent."""
        return {
            account.name: 1.0 - min(max((one.share for _, one in account.standings()), default=0.0), 1.0)
            for account in self.accounts
        }

    async def _complete(self, book: Book) -> None:
        """Exchanges that ended after the last save, and the whole period of a budget that was never saved."""
        since = {account: book.fill(account.name, account.config) for account in self.accounts}
        missing = {account: at for account, at in since.items() if at is not None}
        if missing and self._records is not None:
            from llmctl.telemetry.reader import RecordReader

            for account, subject, usd in await asyncio.to_thread(_spent, missing, RecordReader(self._records)):
                account.charge(subject, usd)


def _spent(since: dict[Account, float], reader: "RecordReader") -> list[tuple[Account, Subject, float | None]]:
    """What records say was spent after these times."""
    found = []
    earliest = min(since.values())
    for record in reader.newest():
        ended = record.started + record.duration_us / 1e6
        if ended < earliest - OVERLAP:
            break
        usd = record.cost.usd
        if usd is None and record.usage.source == "none":
            continue
        for account, at in since.items():
            if ended > at:
                subject = account.subject(record.tenant, record.key, record.requested_model)
                if subject is not None:
                    found.append((account, subject, usd))
    return found


def budgets(loaded: Loaded, around: "Surroundings", trouble: list[str]) -> tuple[Budgets, dict[Made, Budgets]]:
    """The accounts, and what has to be started and closed. What is wrong goes to `trouble` as complete lines."""
    config = loaded.config.budgets
    if not config.limits:
        return Budgets((), None, None), {}
    _check(loaded, trouble)
    if trouble:
        return Budgets((), None, None), {}
    records = loaded.config.records
    made = Made.of("budgets", "budgets", {**config.model_dump(), "records": records.dir if records.enabled else None})
    running: Budgets | None = around.leases.running(made)
    if running is None:
        folder = Path(config.dir)
        book = around.kept.of(("budgets", str(folder.resolve())), lambda: Book(folder, around.clock.wall, around.warn))
        accounts = [Account(name, one, book.sums(name, one), around.warn) for name, one in config.limits.items()]
        running = Budgets(accounts, book, Path(records.dir) if records.enabled else None)
    return running, {made: running}


def _check(loaded: Loaded, trouble: list[str]) -> None:
    config = loaded.config
    known = {
        "routes": {*config.models, *config.routes},
        "tenants": {key.tenant for key in config.keys} | {"default"},
        "keys": {key.id for key in config.keys},
    }
    if config.server.workers > 1:
        why = "each worker would count for itself: run one worker (server.workers: 1), or wait for state: redis"
        trouble.append(loaded.finding(("budgets",), why))
    for name, one in config.budgets.limits.items():
        for part, names in known.items():
            for at, given in enumerate(getattr(one, part) or ()):
                if given not in names:
                    there = f"there are {', '.join(sorted(names))}" if names else "there are none"
                    trouble.append(loaded.finding((*PATH, name, part, at), f"there is no {given!r} here; {there}"))
        if len(set(one.per)) < len(one.per):
            trouble.append(loaded.finding((*PATH, name, "per"), "names the same thing twice; once is enough"))
        try:
            zone_of(one.timezone)
        except ValueError as error:
            trouble.append(loaded.finding((*PATH, name, "timezone"), str(error)))
