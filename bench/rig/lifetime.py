"""How soon it is there, and how it is after a long while."""

import subprocess
import time
from statistics import median

from bench.rig.open_loop import open_loop, percentiles_ms
from bench.rig.plan import Plan
from bench.rig.processes import rss_mb
from bench.rig.report import Bar, Section
from bench.rig.served import LLMCTL, MODEL, served
from bench.rig.throughput import CONNECTIONS, UPSTREAM, warm_up
from bench.rig.upstreams import nginx
from bench.rig.wrk import chat_body, script, wrk

BAR_START_MS = 1000
BAR_RSS_MB = 100
BAR_HELP_MS = 200
BAR_GROWTH_MB = 5


def start(plan: Plan) -> Section:
    """From exec to ready, resident memory before the first request, and the help."""
    section = Section("none is called: the provider gives canned answers")
    ready, idle = [], []
    for number in range(plan.starts):
        plan.say(f"start, {number + 1} of {plan.starts}")
        with served(plan.scratch, None) as it:
            ready.append(it.seconds_to_ready * 1000)
            time.sleep(1)
            idle.append(rss_mb(it.pid))
    helps = []
    for _ in range(plan.helps):
        begun = time.monotonic()
        subprocess.run([LLMCTL, "--help"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        helps.append((time.monotonic() - begun) * 1000)
    section.details = {
        "ready_ms": [round(value) for value in ready],
        "rss_idle_mb": [round(value, 1) for value in idle],
        "help_ms": [round(value) for value in helps],
    }
    section.bars = [
        Bar("start to ready", median(ready), "at most", BAR_START_MS, "ms"),
        Bar("idle memory", median(idle), "at most", BAR_RSS_MB, "MB"),
        Bar("llmctl --help", median(helps), "at most", BAR_HELP_MS, "ms"),
    ]
    return section


def soak(plan: Plan) -> Section:
    """Half of what it can do, at a constant rate, for long."""
    section = Section(UPSTREAM)
    body = chat_body(MODEL)
    with nginx(plan.scratch) as mock, served(plan.scratch, mock.port) as it:
        lua = script(plan.scratch, "soak", MODEL, it.authorization)
        warm_up(it, lua)
        capacity = wrk(it.port, lua, connections=CONNECTIONS, seconds=4).rate
        samples: list[tuple[float, float]] = []

        def look(elapsed: float) -> None:
            samples.append((elapsed, rss_mb(it.pid)))
            if len(samples) % 6 == 1:
                plan.say(f"soak, {elapsed:.0f} of {plan.soak_seconds:.0f} s, {samples[-1][1]:.1f} MB")

        found = open_loop(
            it.port, it.request(body), rate=capacity / 2, seconds=plan.soak_seconds, every=plan.soak_every, look=look
        )
    warm = min(60.0, plan.soak_seconds / 4)
    steady = [rss for elapsed, rss in samples if elapsed >= warm]
    growth = steady[-1] - steady[0]
    errors = len(found.errors) + found.unfinished
    section.details = {
        "seconds": plan.soak_seconds,
        "capacity_requests_per_s": round(capacity),
        "offered_requests_per_s": round(capacity / 2),
        "sent": found.sent,
        "response": percentiles_ms(found.response),
        "service": percentiles_ms(found.service),
        "generator_late": percentiles_ms(found.lag),
        "errors": errors,
        "first_errors": found.errors[:3],
        "rss_mb_after_first_minute": round(steady[0], 1),
        "rss_mb_at_end": round(steady[-1], 1),
        "rss_growth_mb": round(growth, 2),
        "rss_mb": [round(rss, 1) for _, rss in samples],
    }
    section.bars = [
        Bar("memory growth after the first minute", growth, "at most", BAR_GROWTH_MB, "MB"),
        Bar("errors while soaking", errors, "at most", 0, "requests"),
    ]
    return section
