"""Answers from the cache, end to end."""

from typing import Any

from bench.rig.plan import Plan
from bench.rig.report import Bar, Section
from bench.rig.served import MODEL
from bench.rig.throughput import CONNECTIONS, UPSTREAM, measured, prompts
from bench.rig.upstreams import nginx
from bench.rig.wrk import script, wrk

REPEATED = (
    1_000  # prompts that come again and again: more than a guard's memory of one text, fewer than the cache holds
)


def cached(plan: Plan) -> Section:
    """Exact hits of one prompt and of a thousand in turn, with and without guardrails; and misses, which are kept."""
    section = Section(f"{UPSTREAM}; 150-character prompts, answers of 20 characters; memory and disk")
    many = prompts(REPEATED)
    new = prompts()
    with nginx(plan.scratch) as mock:
        direct = script(plan.scratch, "direct", MODEL, {})
        wrk(mock.port, direct, connections=CONNECTIONS, seconds=1)
        for preset in ("none", "balanced"):
            for what, given in (("same_prompt", None), ("thousand_prompts", many)):
                for workers in (1, 2):
                    plan.say(f"cached, guardrails {preset}, {what.replace('_', ' ')}, {workers} worker(s)")
                    kept: dict[str, Any] = {
                        "cache": {"dir": str(plan.scratch / f"cache-{preset}-{what}-{workers}"), "ttl": "1h"}
                    }
                    details = measured(plan, mock, workers, direct, preset=preset, given=given, **kept)
                    section.details[f"{preset}_{what}_workers_{workers}"] = details
                    name = f"cached errors, {preset}, {what}, {workers}"
                    section.bars.append(Bar(name, details["errors"], "at most", 0, "requests"))
        plan.say("every prompt a new one: misses, which are kept")
        kept = {"cache": {"dir": str(plan.scratch / "cache-misses"), "ttl": "1h"}}
        section.details["misses_workers_2"] = measured(plan, mock, 2, direct, given=new, **kept)
    best = max(section.details[f"none_same_prompt_workers_{workers}"]["requests_per_s"] for workers in (1, 2))
    section.bars.append(Bar("exact hits, end to end", best, "at least", 15_000, "requests/s"))
    return section
