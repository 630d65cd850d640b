"""Whole answers: the upstream alone, and the gateway before it."""

import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench.guards import prose
from bench.rig.plan import Plan
from bench.rig.processes import BenchFailed, cpu_seconds, rss_mb
from bench.rig.report import Bar, Details, Section
from bench.rig.served import MODEL, SMART, Served, served
from bench.rig.upstreams import Mock, nginx
from bench.rig.wrk import Load, middle, script, wrk
from llmctl.guards import TABLE
from llmctl.guards.base import About

UPSTREAM = "nginx, one worker, the same answer to everything"
CONNECTIONS = 64


def upstream(plan: Plan) -> Section:
    """The mock upstream itself, which bounds every other figure."""
    section = Section(UPSTREAM)
    lua = script(plan.scratch, "direct", MODEL, {})
    with nginx(plan.scratch) as mock:
        wrk(mock.port, lua, connections=CONNECTIONS, seconds=1)
        for connections in (CONNECTIONS, 1):
            plan.say(f"upstream, {connections} connections")
            before = cpu_seconds(mock.pid)
            loads = [wrk(mock.port, lua, connections=connections, seconds=plan.seconds) for _ in range(plan.repeats)]
            cost = _per_request(cpu_seconds(mock.pid) - before, loads)
            section.details[f"connections_{connections}"] = {**middle(loads), "cpu_us_per_request": cost}
    return section


def gateway(plan: Plan) -> Section:
    """The gateway with a key, metrics and records, as one process and as two; and what one request waits for it."""
    section = Section(UPSTREAM)
    with nginx(plan.scratch) as mock:
        direct = script(plan.scratch, "direct", MODEL, {})
        wrk(mock.port, direct, connections=CONNECTIONS, seconds=1)
        for workers in (1, 2):
            plan.say(f"gateway, {workers} worker(s)")
            details = measured(plan, mock, workers, direct)
            section.details[f"workers_{workers}"] = details
            name = f"gateway errors, {workers} worker(s)"
            section.bars.append(Bar(name, details["errors"], "at most", 0, "requests"))
        plan.say("gateway, one connection, in turns with the upstream")
        one = section.details["one_connection"] = _one_connection(plan, mock, direct)
    section.bars += _bars([section.details[f"workers_{workers}"] for workers in (1, 2)], one)
    return section


def guarded(plan: Plan) -> Section:
    """The gateway with the balanced guardrails, the prompt a new one each time, and the same one each time."""
    section = Section(f"{UPSTREAM}; 150-character prompts, answers of 20 characters")
    fresh = prompts()
    with nginx(plan.scratch) as mock:
        direct = script(plan.scratch, "direct", MODEL, {})
        wrk(mock.port, direct, connections=CONNECTIONS, seconds=1)
        for what, given in (("new_prompts", fresh), ("same_prompt", None)):
            for workers in (1, 2):
                plan.say(f"balanced guardrails, {what.replace('_', ' ')}, {workers} worker(s)")
                details = measured(plan, mock, workers, direct, preset="balanced", given=given)
                section.details[f"{what}_workers_{workers}"] = details
                section.bars.append(
                    Bar(f"guarded errors, {what}, {workers}", details["errors"], "at most", 0, "requests")
                )
    runs = [section.details[f"new_prompts_workers_{workers}"] for workers in (1, 2)]
    best, cost = max(run["requests_per_s"] for run in runs), min(run["cpu_us_per_request"] for run in runs)
    section.bars.append(Bar("guarded gateway, new prompts", best, "at least", 10_000, "requests/s"))
    section.bars.append(Bar("guarded gateway CPU, new prompts", cost, "at most", 110, "µs a request"))
    return section


def routed(plan: Plan) -> Section:
    """The gateway with a route that chooses by complexity, and the balanced guardrails; the same prompt each time."""
    section = Section(f"{UPSTREAM}; 150-character prompts, answers of 20 characters")
    with nginx(plan.scratch) as mock:
        direct = script(plan.scratch, "direct", MODEL, {})
        wrk(mock.port, direct, connections=CONNECTIONS, seconds=1)
        for what, given in (("new_prompts", prompts()), ("same_prompt", None)):
            for workers in (1, 2):
                plan.say(f"complexity route, balanced guardrails, {what.replace('_', ' ')}, {workers} worker(s)")
                details = measured(plan, mock, workers, direct, preset="balanced", given=given, model=SMART)
                section.details[f"{what}_workers_{workers}"] = details
                name = f"routed errors, {what}, {workers}"
                section.bars.append(Bar(name, details["errors"], "at most", 0, "requests"))
    best = max(section.details[f"same_prompt_workers_{workers}"]["requests_per_s"] for workers in (1, 2))
    section.bars.append(Bar("routed gateway, same prompt", best, "at least", 9_000, "requests/s"))
    return section


def prompts(count: int = 20_000) -> list[str]:
    """Prompts of 150 characters, more than the gateway remembers, so that each is judged anew.

    The few that the guards would refuse are left out: a refusal is cheaper than an answer.
    """
    rng = random.Random(150)
    guards = [TABLE[kind](TABLE[kind].Options()) for kind in ("injection", "content")]
    about = About("input", "user")
    made = (prose(rng, 150) for _ in range(count))
    return [text for text in made if all(guard.judge(text, about).outcome == "allow" for guard in guards)]


def _bars(runs: list[Details], one: Details) -> list[Bar]:
    """What the gateway promises on two cores, the generator and the upstream beside it."""
    best = max(run["requests_per_s"] for run in runs)
    cost = min(run["cpu_us_per_request"] for run in runs)
    return [
        Bar("gateway, 64 connections, 1 or 2 workers", best, "at least", 12_000, "requests/s"),
        Bar("gateway CPU", cost, "at most", 85, "µs a request"),
        Bar("one connection, added p50", one["added_p50_ms"] * 1000, "at most", 120, "µs"),
        Bar("one connection, added p99", one["added_p99_ms"], "at most", 1, "ms"),
    ]


def measured(
    plan: Plan,
    mock: Mock,
    workers: int,
    direct_lua: Path,
    *,
    preset: str = "none",
    given: Sequence[str] | None = None,
    model: str = MODEL,
    **more: Any,
) -> dict[str, Any]:
    """Runs in turns with the upstream alone, so that the ratio is of neighbours in time.

    `given` are prompts, in turn; `more` are further sections of the configuration.
    """
    direct: list[Load] = []
    through: list[Load] = []
    cpu = mock_cpu = 0.0
    with served(plan.scratch, mock.port, workers=workers, preset=preset, **more) as it:
        lua = script(plan.scratch, f"gateway-{workers}", model, it.authorization, given)
        idle = rss_mb(it.pid)
        warm_up(it, lua)
        for _ in range(plan.repeats):
            mock_cpu -= cpu_seconds(mock.pid)
            direct.append(wrk(mock.port, direct_lua, connections=CONNECTIONS, seconds=plan.seconds / 4))
            mock_cpu += cpu_seconds(mock.pid)
            cpu -= cpu_seconds(it.pid)
            through.append(wrk(it.port, lua, connections=CONNECTIONS, seconds=plan.seconds))
            cpu += cpu_seconds(it.pid)
        ratios = [mine.rate / alone.rate for mine, alone in zip(through, direct, strict=True)]
        cost, mock_cost = _per_request(cpu, through), _per_request(mock_cpu, direct)
        return {
            **middle(through),
            "upstream_requests_per_s": round(median(load.rate for load in direct)),
            "ratio_to_upstream": round(median(ratios), 4),
            "cpu_us_per_request": cost,
            "upstream_cpu_us_per_request": mock_cost,
            "cpu_ratio_to_upstream": round(cost / mock_cost, 1) if mock_cost else None,
            "rss_idle_mb": round(idle, 1),
            "rss_after_mb": round(rss_mb(it.pid), 1),
            "records_mb_written": round(_written(plan.scratch / f"llmctl-{it.port}" / "records"), 1),
        }


def warm_up(it: Served, lua: Path) -> None:
    """A second of load, which must be answered: a gateway that refuses is fast."""
    load = wrk(it.port, lua, connections=CONNECTIONS, seconds=1)
    if load.errors or not load.requests:
        raise BenchFailed(f"the gateway answered a warm-up with errors: {asdict(load)}")


def _one_connection(plan: Plan, mock: Mock, direct_lua: Path) -> Details:
    """Medians of runs made in turns, so that what disturbs the one disturbs the other."""
    direct: list[Load] = []
    through: list[Load] = []
    with served(plan.scratch, mock.port) as it:
        lua = script(plan.scratch, "gateway-one", MODEL, it.authorization)
        warm_up(it, lua)
        for _ in range(plan.interleaved):
            direct.append(wrk(mock.port, direct_lua, connections=1, seconds=1))
            through.append(wrk(it.port, lua, connections=1, seconds=1))
    pairs = list(zip(through, direct, strict=True))
    quiet, quiet_direct = min(pairs, key=lambda pair: pair[1].p99_ms + pair[0].p99_ms)
    added_p50 = [mine.p50_ms - theirs.p50_ms for mine, theirs in pairs]
    added_p99 = [mine.p99_ms - theirs.p99_ms for mine, theirs in pairs]
    return {
        "upstream": middle(direct),
        "gateway": middle(through),
        "added_p50_ms": round(median(added_p50), 3),
        "added_p99_ms": round(median(added_p99), 3),
        "quietest_run_added_p99_ms": round(quiet.p99_ms - quiet_direct.p99_ms, 3),
        "runs_added_p99_ms": [round(value, 3) for value in added_p99],
    }


def _per_request(cpu: float, loads: list[Load]) -> float:
    """CPU seconds as microseconds for each answer."""
    return round(cpu / max(1, sum(load.requests for load in loads)) * 1e6, 1)


def _written(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
