"""Stages without chance in them, for bench/plan.py: what the plan says against NEW's own gateway, really run.

Each request is asked of a gateway of OLD, whose records the plan gets, and of one of NEW, in this process, with a
provider that answers by script and a clock that is moved between requests. Per pair of policies as many requests must
come out otherwise, each way.
"""

import asyncio
import gzip
import json
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from msgspec import structs
from msgspec.json import encode

from bench.rig.plan_world import DATA
from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.gateway.asking import Call
from llmctl.gateway.local import LocalGateway
from llmctl.model.record import Record, decoder
from llmctl.plan.plan import Question, plan
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import Remember

BASE = "providers: {up: {kind: scripted}}\nmodels: {m: {provider: up}}\n"
GUARDS = {
    "injection": "injection: {kind: injection, on_error: block, sources: [user]}",
    "pii": "pii: {kind: pii, on_error: block, direction: input}",
    "content": "content: {kind: content, on_error: block, sources: [user]}",
    "secrets": "secrets: {kind: secrets, on_error: block}",
    "toxicity": "toxicity: {kind: toxicity, on_error: block, direction: input}",
    "card": "card: {kind: pattern, on_error: block, options: "
    "{patterns: [{name: card, regex: '(?i)card', action: block}]}}",
}
PAIRS, REQUESTS = 20, 150


def exact() -> dict[str, Any]:
    """Pairs in which the very same requests differ, by stage."""
    random = Random(23)
    texts = _texts()
    found = {}
    for stage, make in (("guardrails", _guards), ("cache", _cache), ("limits", _limits)):
        same = changed = 0
        for _ in range(PAIRS):
            with tempfile.TemporaryDirectory() as name:
                old, new = make(random)
                expected, said = _pair(stage, old, new, texts, random, Path(name))
                same += expected == said
                changed += sum(said)
        found[stage] = {"pairs": PAIRS, "same": same, "requests_that_differ": changed}
    return found


def _guards(random: Random) -> tuple[str, str]:
    before, after = (random.sample(sorted(GUARDS), random.randint(0, 3)) for _ in range(2))
    return tuple(  # type: ignore[return-value]
        f"guardrails: {{preset: none, policies: {{{', '.join(GUARDS[one] for one in names)}}}}}\n"
        for names in (before, after)
    )


def _cache(random: Random) -> tuple[str, str]:
    sides = [f"cache: {{dir: null, ttl: {random.choice([20, 60, 300])}s}}\n", "", "cache: {dir: null, ttl: 2h}\n"]
    one, two = random.sample(sides, 2)
    return one + "guardrails: {preset: none}\n", two + "guardrails: {preset: none}\n"


def _limits(random: Random) -> tuple[str, str]:
    sides = []
    for _ in range(2):
        requests, tokens = random.randint(3, 25), random.randint(400, 3_000)
        options = random.choice([f"requests_per_minute: {requests}", f"tokens_per_minute: {tokens}"])
        limit = f"rl: {{kind: rate_limit, on_error: block, options: {{per: [tenant], {options}, assumed_output: 64}}}}"
        sides.append(f"guardrails: {{preset: none, policies: {{{limit}}}}}\n")
    return sides[0], sides[1]


def _pair(
    stage: str, old: str, new: str, texts: Sequence[str], random: Random, folder: Path
) -> tuple[list[int], list[int]]:
    """How many requests come out otherwise each way, really and by the plan."""
    one, two = (_loaded(text, folder, which) for text, which in ((old, "old"), (new, "new")))
    some = random.sample(texts, 60)
    calls = [
        Call({"model": "m", "messages": [{"role": "user", "content": random.choice(some)}]}, tenant="ab"[at % 2])
        for at in range(REQUESTS)
    ]
    waits = [random.expovariate(1.0) for _ in calls]
    before, after = (asyncio.run(_run(side, calls, waits)) for side in (one, two))
    made = plan(Question(one, two, str(folder)), before, SystemClock())
    names = {
        "guardrails": ("newly blocked", "no longer blocked", "newly redacted", "no longer redacted"),
        "cache": ("hits gained", "hits lost"),
        "limits": ("newly limited", "no longer limited"),
    }[stage]
    said = []
    for name in names:
        figure = made.figure(name)
        said.append(round((figure.estimate or 0.0) * figure.requests) if figure is not None else 0)
    return _really(stage, before, after), said


def _really(stage: str, before: Sequence[Record], after: Sequence[Record]) -> list[int]:
    counts: list[int] = []
    for what in {"guardrails": ("blocked", "redacted"), "cache": ("hit",), "limits": ("blocked",)}[stage]:
        pairs = [(_outcome(one) == what, _outcome(two) == what) for one, two in zip(before, after, strict=True)]
        counts += [sum(new and not old for old, new in pairs), sum(old and not new for old, new in pairs)]
    return counts


def _outcome(record: Record) -> str:
    if record.state == "blocked":
        return "blocked"
    if any(one.action == "redact" for one in record.guards):
        return "redacted"
    return "hit" if record.cache is not None and record.cache.kind == "exact" else ""


async def _run(side: Loaded, calls: Sequence[Call], waits: Sequence[float]) -> list[Record]:
    sink, clock = Remember(), ManualClock(SystemClock().monotonic())  # timers of the loop are real
    gateway = LocalGateway(side, sinks=[sink], clock=clock, random=Random(1), limits=True)
    await gateway.start()
    for call, wait in zip(calls, waits, strict=True):
        clock.advance(wait)
        await gateway.ask(structs.replace(call, payload=deepcopy(call.payload)))  # redaction changes what it is given
    await gateway.close()
    return [decoder.decode(encode(record)) for record in sink.records]


def _loaded(text: str, folder: Path, name: str) -> Loaded:
    (folder / name).mkdir()
    return loaded(BASE + text, folder / name)


def _texts() -> list[str]:
    found: list[str] = []
    for name, key in (("injection/deepset.jsonl", "text"), ("pii/presidio_v2.jsonl", "text")):
        with (DATA / name).open(encoding="utf-8") as file:
            found += [row.get(key) or row.get("full_text", "") for row in map(json.loads, file)][:400]
    with gzip.open(DATA / "cache/banking77_train.jsonl.gz", "rt", encoding="utf-8") as file:
        found += [json.loads(line)["text"] for line in file][:400]
    return [text for text in found if text]
