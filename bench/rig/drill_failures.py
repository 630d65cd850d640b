"""Providers fail, alone and together: is every request answered, and rightly, and soon, and once?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.rig.drill_client import Answered, Crowd, questions
from bench.rig.drill_judge import Books
from bench.rig.drill_plan import Plan
from bench.rig.drill_world import FAULTS, Gateway, Providers, gateway, providers
from bench.rig.processes import BenchFailed
from bench.rig.report import Bar, Section

UPSTREAM = "three imitated providers, 20 ms to the first token, that fail as they are told"
ANSWERED, ADDED_MS, ATTEMPTS = 99.9, 200.0, 1.2
LONG = 10_000
BESIDE = 10
Fate = Sequence[str]
"""What is wrong with each provider, in FAULTS' words joined by plus signs; nothing with those behind."""

MOVING: Sequence[Fate] = (
    ("dead", "flaky"),
    ("hang", "cut"),
    ("limited", "garbage"),
    ("slow", "cut"),
    ("flaky", "dead"),
    ("flaky+cut", "hang"),
    ("garbage", "limited"),
    ("sluggish", "slow"),
    ("cut", "sluggish"),
    ("flaky+cut", "flaky"),
)
"""Each for a tenth of the requests. The third provider is sound throughout."""

HANDED_ON: Sequence[Fate] = (("dead", "cut"), ("", "dead", "cut"), ("cut", "", "dead"))
"""At any time one provider is sound, but it is another each time: one that has just been bad."""


def alone(plan: Plan) -> Section:
    """Each fault at one provider: the preferred one of a chain, or one of three of which the least loaded is asked."""
    section = Section(UPSTREAM)
    with providers(plan.scratch) as found:
        for fault in FAULTS:
            for route in ("chain", "spread"):
                _drill(plan, section, found, f"{fault} alone, {route}", route, plan.alone, [(fault,)])
        plan.say("cut alone, chain without resume")
        books = _measured(plan, found, "abandoning", plan.alone, [("cut",)]).faulty
        section.details["cut alone, chain without resume"] = books.document()
        section.bars.append(
            Bar("cut without resume: streams not ended once", len(books.unended()), "at most", 0, "streams")
        )
    return section


def together(plan: Plan) -> Section:
    """Two of three providers fail at a time."""
    section = Section(UPSTREAM)
    with providers(plan.scratch) as found:
        _drill(plan, section, found, "hang, dead, sound; chain", "chain", plan.together, [("hang", "dead")])
        _drill(plan, section, found, "cut, flaky, sound; chain", "chain", plan.together, [("cut", "flaky")])
        fates = [("flaky+cut", "hang")]
        _drill(plan, section, found, "flaky and cut, hang, sound; spread, hedged", "hedged", plan.together, fates)
        _drill(plan, section, found, "faults that move; spread", "spread", plan.together, MOVING)
        plan.say(name := "the sound one changes; spread")
        books = _measured(plan, found, "spread", plan.handed_on, HANDED_ON).faulty
        section.details[name] = books.document()
        right = 100 * (1 - len(books.wrong()) / len(books.answers))
        section.bars.append(Bar(f"{name}: answered correctly", right, "at least", ANSWERED, "%"))
    return section


def _drill(
    plan: Plan,
    section: Section,
    found: Providers,
    name: str,
    route: str,
    count: int,
    fates: Sequence[Fate],
) -> None:
    """One scenario, with its bars."""
    plan.say(name)
    # A chain waits for each call of a model that hangs until its breaker has seen enough of that. It takes seconds,
    # which are more than a twentieth of a short run: of that the second half is judged.
    part = 0.5 if route == "chain" and count < LONG else 0.0
    measured = _measured(plan, found, route, count, fates)
    books = measured.faulty
    opened = books.opened()
    section.details[name] = {
        **books.document(),
        "p95_ms_healthy": round(measured.healthy.ms(95), 1),
        "p95_ms_beside": round(measured.beside.ms(95), 1),
        "breaker_opened_after": opened,
        "hedges": books.share("hedge"),
    }
    right = 100 * (1 - len(books.wrong()) / len(books.answers))
    added = measured.added_ms(part)
    unrecorded, unended, twice, mispriced, unaccounted = books.trouble()
    section.bars += [
        Bar(f"{name}: answered correctly", right, "at least", ANSWERED, "%"),
        Bar(f"{name}: p95 added{', second half' if part else ''}", added, "at most", ADDED_MS, "ms"),
        Bar(f"{name}: not one record that agrees", len(unrecorded), "at most", 0, "requests"),
        Bar(f"{name}: streams not ended once", len(unended), "at most", 0, "streams"),
        Bar(f"{name}: tokens in the record that were not delivered", len(mispriced), "at most", 0, "requests"),
        Bar(f"{name}: calls that no record tells of", len(unaccounted), "at most", 0, "requests"),
    ]
    if opened is not None:
        calls = books.attempts(opened)
        section.bars.append(Bar(f"{name}: calls per request, breakers open", calls, "at most", ATTEMPTS, ""))
    if route == "hedged":  # where both were complete before either could be given up
        section.bars.append(Bar(f"{name}: hedges", books.share("hedge"), "at most", 0.05, "per request"))
        section.bars.append(Bar(f"{name}: answers made twice", len(twice) / count, "at most", 0.05, "per request"))
    else:
        section.bars.append(Bar(f"{name}: answers made twice", len(twice), "at most", 0, "requests"))


@dataclass(frozen=True, slots=True)
class Measured:
    """`healthy` is the same load before and after the faults; `beside` went to a sound provider meanwhile, through a
    gateway of its own: on a machine that others use too it shows what they cost.
    """

    faulty: Books
    healthy: Books
    beside: Books

    def added_ms(self, part: float) -> float:
        """What the faults added to the 95th percentile, of requests after this part of all."""
        return self.faulty.ms(95, part) - max(self.healthy.ms(95), self.beside.ms(95, part))


def _measured(plan: Plan, found: Providers, route: str, count: int, fates: Sequence[Fate]) -> Measured:
    with gateway(plan.scratch, found) as served, gateway(plan.scratch, found) as other:
        answers = asyncio.run(_load(plan, found, (served, other), route, count, fates))
    if bugs := [*served.bugs(), *other.bugs()]:
        raise BenchFailed(f"the gateway's log tells of bugs: {bugs[:3]}")
    records, asked = [*served.records(), *other.records()], asyncio.run(found.asked())
    return Measured(*(Books.of(own, records, asked) for own in answers))


async def _load(
    plan: Plan, found: Providers, gateways: tuple[Gateway, Gateway], route: str, count: int, fates: Sequence[Fate]
) -> tuple[list[Answered], list[Answered], list[Answered]]:
    crowd, others = (Crowd(own.port) for own in gateways)
    prefix = gateways[0].folder.name
    turns: list[asyncio.Task[None]] = []

    def at(number: int) -> None:
        if number * len(fates) // count != (number - 1) * len(fates) // count or not number:
            fate = fates[number * len(fates) // count]
            turns.append(asyncio.create_task(suffer(found, fate, seed=len(turns))))

    await found.behave()
    for one, name in ((crowd, route), (others, "c")):
        await one.steadily(questions(f"{prefix}-warm-{name}", 20, name), plan.rate)
    healthy = await crowd.steadily(questions(f"{prefix}-before", plan.healthy, route), plan.rate)
    faulty, beside = await asyncio.gather(
        crowd.steadily(questions(f"{prefix}-faulty", count, route), plan.rate, at),
        others.steadily(questions(f"{prefix}-beside", count // BESIDE, "c"), plan.rate / BESIDE),
    )
    await asyncio.gather(*turns)
    await found.behave()
    healthy += await crowd.steadily(questions(f"{prefix}-after", plan.healthy // 2, route), plan.rate)
    crowd.close()
    others.close()
    return faulty, healthy, beside


async def suffer(found: Providers, fate: Fate, seed: int = 0) -> None:
    """Let this befall the providers."""
    await found.behave(*([FAULTS[name] for name in own.split("+") if name] for own in fate), seed=seed)
