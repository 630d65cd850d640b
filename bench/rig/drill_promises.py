"""What holds whatever fails: deadlines, the budget of second calls, and who is in which arm of an experiment."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import exp

from bench.rig.drill_client import Answered, Crowd, Question, questions
from bench.rig.drill_judge import Books
from bench.rig.drill_plan import Plan
from bench.rig.drill_world import FAULTS, ODD, Gateway, Options, Providers, gateway, providers
from bench.rig.processes import BenchFailed
from bench.rig.report import Bar, Details, Section
from llmctl.model.record import Record

UPSTREAM = "three imitated providers, 20 ms to the first token, that fail as they are told"
DEADLINE, OVERSHOOT_MS = 0.5, 50.0
SHARE = 0.05
WARM = 20
CHAIN: Options = {"kind": "fixed", "model": "a", "fallbacks": ["b", "c"]}
PATIENT: Options = {"breaker": {"minimum_calls": 1_000_000}}
"""Breakers that never open: each request is to meet the fault."""


def deadlines(plan: Plan) -> Section:
    """Half a second for the exchange, against whatever takes longer; the worst, by the gateway's own clock."""
    section = Section(UPSTREAM)
    late: Options = {**CHAIN, "timeout": DEADLINE}
    more: Options = {
        "routes": {
            "late": {**late, "resume": True},
            "late-hedged": {**late, "hedge": {"after": 0.1, "share": 1}},
            "queued": {"kind": "fixed", "model": "one-at-a-time", "timeout": DEADLINE},
        },
        "models": {name: {"provider": name} for name in "abc"}
        | {"one-at-a-time": {"provider": "a", "concurrency": 1, "max_queue": 1000}},
        "resilience": PATIENT,
    }
    cases = (
        ("late", "hang"),
        ("late", "slow"),
        ("late", "drip"),
        ("late", "dead"),
        ("late-hedged", "hang"),
        ("queued", ""),
    )
    with providers(plan.scratch) as found:
        for route, fault in cases:
            name = f"{route}, {fault or 'sound'}"
            plan.say(f"deadlines: {name}")
            fates = [[{**FAULTS, **ODD}[fault]]] * 3 if fault else []
            books, _ = _run(plan, found, route, plan.late, fates, more)
            over = [record.duration_us / 1000 - DEADLINE * 1000 for own in books.records.values() for record in own]
            section.details[name] = {
                "worst_overshoot_ms": round(max(over), 1),
                "over_50_ms": sum(one > OVERSHOOT_MS for one in over),
                "worst_seen_by_the_client_ms": round(books.ms(100) - DEADLINE * 1000, 1),
                **books.document(),
            }
            section.bars.append(Bar(f"deadline overshoot: {name}", max(over), "at most", OVERSHOOT_MS, "ms"))
            ends = len(books.unended()) + len(books.unrecorded())
            section.bars.append(Bar(f"ends and records: {name}", ends, "at most", 0, "requests"))
    return section


def hedges(plan: Plan) -> Section:
    """Three in a hundred first tokens are late, and then all of them: second calls cut the tail within their budget."""
    section = Section(UPSTREAM)
    hedge = {"share": SHARE}
    more: Options = {"routes": {"plain": CHAIN, "hedged": {**CHAIN, "hedge": hedge}}, "resilience": PATIENT}
    tails: dict[str, float] = {}
    budget = SHARE * (1 + WARM / plan.hedged)  # what came before saves up too
    with providers(plan.scratch) as found:
        for route, fault in (("plain", "moody"), ("hedged", "moody"), ("hedged", "lagging")):
            name = f"{route}, {fault}"
            plan.say(f"hedges: {name}")
            books, _ = _run(plan, found, route, plan.hedged, [[ODD[fault]]] * 3, more)
            tails[name] = books.ms(99)
            section.details[name] = {"hedges_per_request": round(books.share("hedge"), 4), **books.document()}
            right = 100 * (1 - len(books.wrong()) / len(books.answers))
            section.bars += [
                Bar(f"hedges: {name}", books.share("hedge"), "at most", budget, "per request"),
                Bar(f"answered correctly: {name}", right, "at least", 99.9, "%"),
            ]
    saved = tails["plain, moody"] - tails["hedged, moody"]
    section.bars.append(Bar("p99 that hedging saves", saved, "at least", 100, "ms"))
    return section


def sticky(plan: Plan) -> Section:
    """Who is in which arm: the same after a restart, and as many in each as its weight says."""
    section = Section(UPSTREAM)
    weights = {"x": ("a", 1), "y": ("b", 2), "z": ("c", 1)}
    arms = {arm: {"model": model, "weight": weight} for arm, (model, weight) in weights.items()}
    trial = {"kind": "ab", "name": "trial", "subject": "user", "arms": arms}
    more: Options = {"routes": {"tried": {**CHAIN, "experiment": trial}}}
    with providers(plan.scratch) as found:
        runs = []
        for turn in range(2):
            plan.say(f"sticky, {'after a restart' if turn else 'before'}")
            runs.append(_arms(_run(plan, found, "tried", plan.subjects, [], more, users=True)[1]))
    before, after = runs
    if len(before) != plan.subjects or before.keys() != after.keys():
        raise BenchFailed(f"of {plan.subjects} subjects {len(before)} and {len(after)} were assigned")
    counts, total = Counter(before.values()), sum(weight for _, weight in weights.values())
    expected = {arm: plan.subjects * weight / total for arm, (_, weight) in weights.items()}
    chi2 = sum((counts[arm] - expected[arm]) ** 2 / expected[arm] for arm in arms)
    moved = sum(before[user] != after[user] for user in before)
    found_: Details = {"subjects": plan.subjects, "arms": dict(counts), "expected": expected, "chi2": round(chi2, 3)}
    section.details = {**found_, "p": round(exp(-chi2 / 2), 4), "moved": moved}
    section.bars = [
        Bar("subjects in another arm after a restart", moved, "at most", 0, "subjects"),
        Bar("arms as their weights say (chi-squared, 2 degrees of freedom)", exp(-chi2 / 2), "at least", 0.001, "p"),
    ]
    return section


def _run(
    plan: Plan,
    found: Providers,
    route: str,
    count: int,
    fates: Sequence[Sequence[Options]],
    more: Options,
    *,
    users: bool = False,
) -> tuple[Books, list[Record]]:
    """So many requests with these faults; with `users` each from another."""
    with gateway(plan.scratch, found, **more) as served:
        asked = questions(served.folder.name, count, route)
        if users:
            asked = [replace(one, user=f"user-{number}") for number, one in enumerate(asked)]
        answers = asyncio.run(_ask(plan, found, served, asked, fates, together=users))
    if bugs := served.bugs():
        raise BenchFailed(f"the gateway's log tells of bugs: {bugs[:3]}")
    records = served.records()
    return Books.of(answers, records, asyncio.run(found.asked())), records


async def _ask(
    plan: Plan,
    found: Providers,
    served: Gateway,
    asked: Sequence[Question],
    fates: Sequence[Sequence[Options]],
    *,
    together: bool,
) -> list[Answered]:
    await found.behave()
    crowd = Crowd(served.port)
    await crowd.steadily(questions(f"{served.folder.name}-warm", WARM, asked[0].model), plan.rate)
    await found.behave(*fates)
    return await (crowd.together(asked, 32) if together else crowd.steadily(asked, plan.rate))


def _arms(records: Sequence[Record]) -> dict[int, str]:
    """Each subject's arm, by the number at the end of its request's id."""
    asked = [record for record in records if "-warm-" not in record.id]
    return {int(record.id.rpartition("-")[2]): record.decision.arm for record in asked if record.decision is not None}
