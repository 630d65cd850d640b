"""`llmctl replay`: recorded traffic asked again."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import JsonOption, print_json
from llmctl.config.load import Loaded, load
from llmctl.config.secrets import Environment
from llmctl.errors import StoreError, UsageError

if TYPE_CHECKING:
    from llmctl.gateway.asking import Asker
    from llmctl.replay.source import Entry

Kind = Literal["records", "azure", "mooncake", "har"]
HERE = ("localhost", "127.0.0.1", "::1")
FREE = frozenset({"local", "scripted"})


def replay(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Record store, exported records, trace, or HAR.")],
    kind: Annotated[Kind | None, typer.Option(help="What SOURCE is. Default: by its name and content.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Ask this configuration, in process.")] = None,
    url: Annotated[str | None, typer.Option(help="Ask this gateway, or OpenAI-compatible endpoint.")] = None,
    key_env: Annotated[str | None, typer.Option(metavar="NAME", help="Variable that holds the URL's key.")] = None,
    model: Annotated[str | None, typer.Option(help="Ask this one instead of what was asked for.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="Times the pace of then.")] = 1.0,
    closed: Annotated[
        int | None, typer.Option(min=1, max=4096, metavar="CLIENTS", help="Ignore the pace: so many at a time.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help="Of records, as in `traces ls --where`.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Records begun at or after.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Records begun before.")] = None,
    sample: Annotated[float, typer.Option(min=0, max=1, help="Share of sessions; each is taken whole.")] = 1.0,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Requests at most.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    score: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Score both answers by it, as a suite would; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Results, for `llmctl eval compare`.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, metavar="USD", help="Stop when so much is spent.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend money without a limit.")] = False,
    json: JsonOption = False,
) -> None:
    """Ask recorded requests again and compare what comes.

    Calls of tools are compared, and never made: what tools answered then is sent as it was.
    """
    from llmctl.replay.report import figures, lines
    from llmctl.replay.run import Plan

    if (config is None) == (url is None):
        raise UsageError("whom to ask: --config FILE, or --url URL")
    now = SystemClock().wall()
    chosen = _Chosen(source, kind or _kind(source), model, where, since, until, sample, limit, seed, now)
    loaded = load(config, Environment.of_process()) if config is not None else None
    if not yes and max_cost is None and _costs(loaded, url):
        _say_price(chosen)
    plan, target = Plan(speed, closed, max_cost), str(config or url)
    told = figures(_ran(_run(chosen, plan, partial(_asker, loaded, url, key_env), score or [], out, target)))
    if json:
        print_json(told)
    else:
        print("\n".join(lines(told)))


class _Chosen:
    """The entries to ask; read anew each time."""

    def __init__(
        self, source: Path, kind: Kind, model: str | None, where: str | None, since: str | None, until: str | None,
        sample: float, limit: int | None, seed: int, now: float,
    ) -> None:  # fmt: skip
        from llmctl.telemetry.reader import Filter, parse_when

        if kind != "records" and (where or since or until):
            raise UsageError("--where, --since and --until choose among records")
        self.source, self.kind, self.model, self.seed = source, kind, model, seed
        self._sample, self._limit = sample, limit
        begin, end = (parse_when(text, now) if text else None for text in (since, until))
        self._filter = Filter(since=begin, until=end)
        self._holds: Callable[[Any], bool] = _holds(where) if where else lambda _: True

    def entries(self) -> "Iterator[Entry]":
        """Raises UsageError."""
        from llmctl.replay.source import chosen

        count = 0
        for entry in self._read():
            if self._sample < 1 and not chosen(entry.session, self._sample, self.seed):
                continue
            if self._limit is not None and count >= self._limit:
                return
            count += 1
            yield entry

    def _read(self) -> "Iterator[Entry]":
        from llmctl.replay import har, records, traces

        if self.kind == "records":
            return _asking(self.model, records.read(self.source, self.model, wanted=self._filter, holds=self._holds))
        by_kind = {"azure": traces.azure, "mooncake": traces.mooncake, "har": har.read}
        return by_kind[self.kind](self.source, self.model)


def _asking(model: str | None, entries: "Iterator[Entry]") -> "Iterator[Entry]":
    import msgspec

    for entry in entries:
        if model is None or entry.call is None:
            yield entry
        else:
            call = msgspec.structs.replace(entry.call, payload={**entry.call.payload, "model": model})
            yield msgspec.structs.replace(entry, call=call)


def _holds(where: str) -> Callable[[Any], bool]:
    from llmctl.reports.where import parse

    return parse(where, "--where").holds


def _kind(source: Path) -> Kind:
    if source.suffix == ".har":
        return "har"
    if source.is_dir():
        return "records"
    from llmctl.telemetry.rows import json_rows

    _, first = next(json_rows(source), ("", {}))
    if "context_tokens" in first:
        return "azure"
    return "mooncake" if "hash_ids" in first else "records"


def _costs(loaded: Loaded | None, url: str | None) -> bool:
    """Whether asking may cost money: whoever is asked is not on this machine."""
    if loaded is None:
        return urlsplit(url or "").hostname not in HERE
    for provider in loaded.config.providers.values():
        base = provider.options.get("base_url")
        if provider.kind not in FREE and (not isinstance(base, str) or urlsplit(base).hostname not in HERE):
            return True
    return False


def _say_price(chosen: _Chosen) -> None:
    from llmctl.replay.run import expected_cost

    cost, count, unpriced = expected_cost(chosen.entries())
    known = f"they cost ${cost.usd:.4f} then" + (f", {unpriced:,} without a known price" if unpriced else "")
    raise UsageError(
        f"{count:,} requests would be asked of models that may cost money; {known}. "
        "Give --max-cost USD, or --yes to spend without a limit"
    )


def _asker(loaded: Loaded | None, url: str | None, key_env: str | None) -> "Asker":
    if loaded is not None:
        from llmctl.gateway.local import LocalGateway

        return LocalGateway(loaded, limits=True)
    from llmctl.gateway.remote import RemoteGateway

    key = Environment.of_process().get(key_env) if key_env is not None else None
    if key_env is not None and not key:
        raise UsageError(f"--key-env: the environment has no {key_env}")
    asker = RemoteGateway(url or "", key)
    print(f"recorded requests are sent to {urlsplit(url or '').hostname}", file=sys.stderr)
    return asker


def _ran(running: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(running)
    except asyncio.CancelledError:  # interrupted twice before anything was sent
        raise KeyboardInterrupt from None


async def _run(
    chosen: _Chosen, plan: Any, make: "Callable[[], Asker]", kinds: list[str], out: Path | None, target: str
) -> Any:
    from llmctl.replay.run import Replay, about
    from llmctl.scoring.base import Assertion, Tools
    from llmctl.scoring.grade import Grader, Wrong
    from llmctl.scoring.vectors import Vectors

    embed, clock, asker = Vectors().embed, SystemClock(), make()

    try:
        tools = Tools(Path(), Random(chosen.seed), None, embed)
        grader = Grader([Assertion(kind=kind) for kind in kinds], tools) if kinds else None
    except Wrong as error:
        raise UsageError(f"--score {kinds[error.index]}: {error.message}") from None
    file = _opened(out)
    try:
        done = Replay(asker, clock, embed, plan, file, grader)
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _interrupter(done))
        await asker.start()
        try:
            await done.run(chosen.entries(), about(chosen.source, target, chosen.seed, clock))
        finally:
            await asker.close()
    finally:
        if file is not None:
            file.close()
            print(f"results: {out}", file=sys.stderr)
    return done


def _interrupter(done: Any) -> Callable[[], None]:
    """Ctrl-C ends the sending, what is under way ends; a second one does not wait for that."""
    task = asyncio.current_task()

    def interrupt() -> None:
        if done.tally.stopped and task is not None:
            task.cancel()
        done.stop("interrupted")

    return interrupt


def _opened(out: Path | None) -> Any:
    if out is None:
        return None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return out.open("xb")
    except FileExistsError:
        raise UsageError(f"--out: {out} is there already; name another") from None
    except OSError as error:
        raise StoreError(f"--out: {out} cannot be written: {error.strerror or error}") from None
