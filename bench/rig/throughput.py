"""Whole answers: the upstream alone, and the gateway before it."""

from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench.rig.plan import Plan
from bench.rig.processes import BenchFailed, cpu_seconds, rss_mb
from bench.rig.report import Bar, Details, Section
from bench.rig.served import MODEL, Served, served
from bench.rig.upstreams import nginx
from bench.rig.wrk import Load, middle, script, wrk

UPSTREAM = "nginx, one worker, the same answer to everything"
CONNECTIONS = 64


def upstream(plan: Plan) -> Section:
    """The mock upstream itself, which bounds every other figure."""
    section = Section(UPSTREAM)
    lua = script(plan.scratch, "direct", MODEL, {})
    with nginx(plan.scratch) as port:
        wrk(port, lua, connections=CONNECTIONS, seconds=1)
        for connections in (CONNECTIONS, 1):
            plan.say(f"upstream, {connections} connections")
            loads = _loads(plan, port, lua, connections)
            section.details[f"connections_{connections}"] = middle(loads)
    return section


def gateway(plan: Plan) -> Section:
    """The gateway with a key, metrics and records, as one process and as two; and what one request waits for it."""
    section = Section(UPSTREAM)
    with nginx(plan.scratch) as port:
        direct = script(plan.scratch, "direct", MODEL, {})
        wrk(port, direct, connections=CONNECTIONS, seconds=1)
        ceiling = median(load.rate for load in _loads(plan, port, direct, CONNECTIONS))
        section.details["upstream_requests_per_s"] = round(ceiling)
        for workers in (1, 2):
            plan.say(f"gateway, {workers} worker(s)")
            details = _workers(plan, port, workers, ceiling)
            section.details[f"workers_{workers}"] = details
            name = f"gateway errors, {workers} worker(s)"
            section.bars.append(Bar(name, details["errors"], "at most", 0, "requests"))
        plan.say("gateway, one connection, in turns with the upstream")
        section.details["one_connection"] = _one_connection(plan, port, direct)
    return section


def _workers(plan: Plan, upstream_port: int, workers: int, ceiling: float) -> dict[str, Any]:
    with served(plan.scratch, upstream_port, workers=workers) as it:
        lua = script(plan.scratch, f"gateway-{workers}", MODEL, it.authorization)
        idle = rss_mb(it.pid)
        warm_up(it, lua)
        before = cpu_seconds(it.pid)
        loads = _loads(plan, it.port, lua, CONNECTIONS)
        cpu = cpu_seconds(it.pid) - before
        rate = median(load.rate for load in loads)
        return {
            **middle(loads),
            "ratio_to_upstream": round(rate / ceiling, 4),
            "cpu_us_per_request": round(cpu / sum(load.requests for load in loads) * 1e6, 1),
            "rss_idle_mb": round(idle, 1),
            "rss_after_mb": round(rss_mb(it.pid), 1),
            "records_mb_written": round(_written(plan.scratch / f"llmctl-{it.port}" / "records"), 1),
        }


def warm_up(it: Served, lua: Path) -> None:
    """A second of load, which must be answered: a gateway that refuses is fast."""
    load = wrk(it.port, lua, connections=CONNECTIONS, seconds=1)
    if load.errors or not load.requests:
        raise BenchFailed(f"the gateway answered a warm-up with errors: {asdict(load)}")


def _one_connection(plan: Plan, upstream_port: int, direct_lua: Path) -> Details:
    """Medians of runs made in turns, so that what disturbs the one disturbs the other."""
    direct: list[Load] = []
    through: list[Load] = []
    with served(plan.scratch, upstream_port) as it:
        lua = script(plan.scratch, "gateway-one", MODEL, it.authorization)
        warm_up(it, lua)
        for _ in range(plan.interleaved):
            direct.append(wrk(upstream_port, direct_lua, connections=1, seconds=2))
            through.append(wrk(it.port, lua, connections=1, seconds=2))
    added_p50 = [mine.p50_ms - theirs.p50_ms for mine, theirs in zip(through, direct, strict=True)]
    added_p99 = [mine.p99_ms - theirs.p99_ms for mine, theirs in zip(through, direct, strict=True)]
    return {
        "upstream": middle(direct),
        "gateway": middle(through),
        "added_p50_ms": round(median(added_p50), 3),
        "added_p99_ms": round(median(added_p99), 3),
        "runs_added_p99_ms": [round(value, 3) for value in added_p99],
    }


def _loads(plan: Plan, port: int, lua: Path, connections: int) -> list[Load]:
    return [wrk(port, lua, connections=connections, seconds=plan.seconds) for _ in range(plan.repeats)]


def _written(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
