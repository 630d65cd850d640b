"""`llmctl cache`: bench, stats, purge."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from llmctl.commands.options import ConfigOption, JsonOption, print_json
from llmctl.commands.rows import read_rows
from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.cache.measure import Outcome, Row
    from llmctl.cache.policies import Policy
    from llmctl.cache.store import Store

app = typer.Typer(help="Measure semantic caching; look into a cache.", no_args_is_help=True)

STATIC = (0.85, 0.95)
STATIC_SEEDS = 5  # they differ little
TEXTS = ("text", "prompt", "question")
LABELS = ("intent", "label", "answer")

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The cache's folder.")]


class _Plan(NamedTuple):
    name: str
    max_error: float | None
    make: "Callable[[Random], Policy]"


@app.command()
def bench(
    data: Annotated[
        Path,
        typer.Option("--data", help="JSON lines, also gzipped: text, and intent or label. Same label, same answer."),
    ],
    max_error: Annotated[
        float | None,
        typer.Option("--max-error", min=0.0001, max=0.5, help="False hits over all requests. Default: 0.02."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=-1, max=1, help="Measure this fixed similarity instead.")
    ] = None,
    guarantee: Annotated[
        str, typer.Option("--guarantee", help="`modelled`: audits test the bound; `certified`: they are the bound.")
    ] = "modelled",
    audit: Annotated[float, typer.Option("--audit", min=0.001, max=0.9, help="Share of would-be hits audited.")] = 0.05,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=1000, help="Shuffled streams; of static thresholds 5 at most.")
    ] = 20,
    never: Annotated[str, typer.Option("--never", help="Label whose rows have no answer in common.")] = "oos",
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Only so many rows of each stream.")] = None,
    json: JsonOption = False,
) -> None:
    """Replay labelled requests in shuffled order: hits, and how many were false. Static thresholds stand beside.

    An audit is a request that is not a hit. Exit code 3 if a stream's false hits are over --max-error.
    """
    if threshold is not None and max_error is not None:
        raise UsageError("give --max-error or --threshold, not both")
    if guarantee not in ("modelled", "certified"):
        raise UsageError(f"--guarantee {guarantee}: give modelled or certified")
    plans = _plans(0.02 if max_error is None else max_error, threshold, guarantee, audit)
    found = list(read_rows(data, lambda raw: _row(raw, never)))
    if len(found) < 2:
        raise UsageError(f"{data}: has {len(found)} rows; give at least two, better thousands")
    results = _measured(found, plans, range(seeds), rows, quiet=json)
    figures = [_figures(plan, outcomes) for plan, outcomes in zip(plans, results, strict=True)]
    if json:
        shape = {"data": str(data), "rows": len(found), "requests": results[0][0].requests, "seeds": seeds}
        print_json({**shape, "audit": audit, "policies": figures})
    else:
        print(f"{len(found)} rows, {results[0][0].requests} requests a stream, {seeds} streams; shares of all requests")
        for line in _lines(figures):
            print(line)
    if failed := figures[0].get("violations"):
        raise CheckFailed(f"{len(failed)} of {seeds} streams had more false hits than --max-error")


@app.command()
def stats(folder: FolderArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """What a cache's folder holds, by tenant and by age, and the error bound of each route. The gateway may be running.

    Bounds are as of the last saving, which is every five minutes; /metrics has them as they are.
    """
    from llmctl.cache import learnt
    from llmctl.clock import SystemClock

    now = SystemClock().wall()

    async def look(store: "Store") -> dict[str, Any]:
        kept = await store.stats()
        tenants: dict[str, int] = {}
        fresh = vectors = 0
        policies: list[dict[str, Any]] = []
        readable = 0
        for entry in await store.entries(with_raw=lambda entry: entry.operation == learnt.OPERATION):
            readable += 1
            if entry.operation == learnt.OPERATION:
                if (found := learnt.report(entry)) is not None:
                    policies.append({"tenant": entry.tenant, "route": entry.route, **found.told()})
                continue
            tenants[entry.tenant] = tenants.get(entry.tenant, 0) + 1
            fresh += entry.state(now) == "fresh"
            vectors += bool(entry.vector)
        shape = {"entries": (kept.disk_entries or 0) - len(policies), "bytes": kept.disk_bytes, "readable": readable}
        shape |= {"fresh": fresh, "semantic": vectors}
        return {"folder": str(folder), **shape, "tenants": dict(sorted(tenants.items())), "policies": policies}

    told = _with_store(folder, look, _secret(config))
    if json:
        print_json(told)
        return
    if told["entries"] and not told["readable"]:
        print("none of them can be read or served; where `cache.secret` is set, name the file with -c", file=sys.stderr)
    print(
        f"{told['entries']} entries, {told['bytes']:,} bytes; {told['fresh']} fresh, {told['semantic']} with a vector"
    )
    for tenant, count in told["tenants"].items():
        print(f"  {tenant:<24} {count}")
    for one in told["policies"]:
        print(
            f"  {one['tenant']} {one['route']}: {one['hits']} hits of {one['requests']} requests, "
            f"{one['wrong_audits']} of {one['audits']} audits wrong; false hits at most {one['bound']:.2%} of requests"
        )


@app.command()
def purge(
    folder: FolderArgument,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's answers.")] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Only what may no longer be served.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Remove answers from a cache's folder. A running gateway keeps what it has in memory."""
    if expired and tenant is not None:
        raise UsageError("give --tenant or --expired, not both")

    async def remove(store: "Store") -> int:
        return await (store.expire() if expired else store.purge(tenant))

    gone = _with_store(folder, remove, _secret(config))
    if json:
        print_json({"folder": str(folder), "removed": gone})
    else:
        print(f"removed {gone} entries; a running gateway keeps what it has in memory until it restarts")


def _secret(config: Path | None) -> bytes:
    """What entries are sealed with, by the configuration that was named."""
    if config is None:
        return b""
    from llmctl.config.load import load
    from llmctl.config.secrets import Environment

    cache = load(config, Environment.of_process()).config.cache
    return (cache.secret or "").encode() if cache is not None else b""


def _with_store(folder: Path, use: "Callable[[Store], Any]", secret: bytes = b"") -> Any:
    import asyncio

    from llmctl.cache.entry import Codec
    from llmctl.cache.store import Store
    from llmctl.cache.store_disk import DATABASE
    from llmctl.clock import SystemClock

    if not (folder / DATABASE).is_file():
        raise UsageError(f"{folder}: no cache there; give the folder that `cache.dir` names")

    async def run() -> Any:
        store = Store(0, SystemClock(), lambda said: print(f"warning: {said}", file=sys.stderr))
        await store.open(folder, 1 << 62, Codec(secret), guest=True)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _plans(max_error: float, threshold: float | None, guarantee: Any, audit: float) -> list[_Plan]:
    from llmctl.cache.bounded import BoundedPolicy
    from llmctl.cache.policies import Threshold

    def static(value: float) -> _Plan:
        return _Plan(f"threshold {value:g}", None, lambda random: Threshold(value, random=random))

    def bounded(random: Random) -> BoundedPolicy:
        return BoundedPolicy(max_error, random=random, audit=audit, guarantee=guarantee)

    if threshold is not None:
        return [static(value) for value in dict.fromkeys((threshold, *STATIC))]
    return [_Plan(f"max_error {max_error:g}", max_error, bounded), *map(static, STATIC)]


def _measured(
    rows: "list[Row]", plans: list[_Plan], seeds: range, limit: int | None, *, quiet: bool
) -> "list[list[Outcome]]":
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from llmctl.cache.measure import streams
    from llmctl.embedding import StaticEmbedder

    embed = StaticEmbedder().embed
    vectors = np.stack([embed(row.text) for row in rows])
    console = Console(stderr=True)
    results: list[list[Outcome]] = []
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        of = [seeds[: STATIC_SEEDS if at else None] for at in range(len(plans))]
        task = progress.add_task("streams", total=sum(map(len, of)))
        for plan, mine in zip(plans, of, strict=True):
            results.append([])
            for seed in mine:
                results[-1] += streams(rows, vectors, plan.make, [seed], limit)
                progress.advance(task)
    return results


def _figures(plan: _Plan, outcomes: "list[Outcome]") -> dict[str, Any]:
    from llmctl.cache.measure import spread

    requests = outcomes[0].requests
    hits = spread([one.hit_share for one in outcomes], requests)
    errors = spread([one.error for one in outcomes], requests)
    told: dict[str, Any] = {"policy": plan.name, "hits": hits._asdict(), "error": errors._asdict()}
    told["worst_error_at_any_time"] = max(one.worst for one in outcomes)
    if plan.max_error is not None:
        told["max_error"] = plan.max_error
        told["violations"] = [at for at, one in enumerate(outcomes) if one.error > plan.max_error]
        told["audits"] = sum(one.audits for one in outcomes) / len(outcomes) / requests
        told["refuted"] = sum(one.refuted for one in outcomes)
    told["seeds"] = [{**one._asdict(), "error": one.error, "hit_share": one.hit_share} for one in outcomes]
    return told


def _lines(figures: list[dict[str, Any]]) -> Iterator[str]:
    yield f"{'policy':<16} {'hits':>7}  {'95% interval':<16} {'error':>7}  {'95% interval':<16} {'most':>7} {'ever':>7}"
    for one in figures:
        hits, errors = one["hits"], one["error"]
        shares = f"{hits['mean']:>7.2%}  {_interval(hits):<16} {errors['mean']:>7.2%}  {_interval(errors):<16}"
        yield f"{one['policy']:<16} {shares} {errors['most']:>7.2%} {one['worst_error_at_any_time']:>7.2%}"
    first = figures[0]
    if "max_error" in first:
        over = first["violations"]
        said = f"over in seeds {', '.join(map(str, over))}" if over else "none over"
        yield f"{len(first['seeds'])} streams at max_error {first['max_error']:g}: {said}; audits {first['audits']:.2%}"


def _interval(found: dict[str, float]) -> str:
    return f"{found['low']:.2%} to {found['high']:.2%}"


def _row(raw: dict[str, Any], never: str) -> "Row":
    from llmctl.cache.measure import Row

    text = next((raw[name] for name in TEXTS if isinstance(raw.get(name), str)), None)
    if text is None:
        raise ValueError(f"give a string as {', '.join(TEXTS[:-1])} or {TEXTS[-1]}")
    label = next((raw[name] for name in LABELS if isinstance(raw.get(name), str | int)), None)
    if label is None:
        raise ValueError(f"give a string or a number as {', '.join(LABELS[:-1])} or {LABELS[-1]}")
    return Row(text, None if str(label) == never else str(label))
