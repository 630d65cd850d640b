"""How right `llmctl plan` is, as JSON: `python bench/plan.py [PAIRS]`. 200 pairs of policies take about four minutes.

`coverage`: the share of 95% intervals that hold the truth, over pairs of a randomised old and a new policy, whose
records are made by really letting the old one choose (llmctl's own strategies, with the propensities they give) among
models whose outcome for every prompt is known. Three truths. `replayed`: these very requests, put before both policies
REPLAYS times; the mean difference of what came of it. `expected`: the same with every model weighted by its odds, which
is what replays come to in the end. `population`: that over all prompts and tenants there are: what more traffic like it
would bring. `refused`: questions that records cannot answer, all
of which must be refused, beside ones that they can, none of which may be. `exact`: guards, cache and limits against
the new configuration's gateway, really run in this process over the same requests: as many must differ, each way.
`speed`: 100,000 records where only routes differ.
"""

import json
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import numpy as np
from msgspec.json import encode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, from anywhere

from bench.rig.plan_exact import exact
from bench.rig.plan_world import DATA, TENANTS, Request, Serving, World, mmlu, record, traffic, zeroeval
from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.model.record import Record
from llmctl.plan.plan import Question, plan
from llmctl.plan.report import Figure, Plan
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.config import loaded

REQUESTS, REPLAYS = 3_000, 30
METRICS = ("cost", "latency", "score")
Weights = dict[str, float]


def weights(random: Random, models: tuple[str, ...], least: int, *, among: tuple[str, ...] = ()) -> Weights:
    """Some of the models with odds no smaller than one in ten, before they are made to add up."""
    names = random.sample(among or models, random.randint(least, min(4, len(among or models))))
    return {name: round(random.uniform(0.15, 1.0), 3) for name in names}


def strategy(found: Weights) -> str:
    if len(found) == 1:
        return f'kind: fixed, model: "{next(iter(found))}"'
    listed = ", ".join(f'"{name}": {value}' for name, value in found.items())
    return f"kind: weighted, weights: {{{listed}}}"


class Policy:
    """A route of up to three segments, each with odds of its own: which are known, whatever computes them."""

    def __init__(self, segments: dict[int | None, Weights], whens: list[str]) -> None:
        self.odds = {at: {m: w / sum(one.values()) for m, w in one.items()} for at, one in segments.items()}
        rules = ", ".join(f"{{{strategy(segments[at])}, when: {{{when}}}}}" for at, when in enumerate(whens))
        self.yaml = f"routes: {{auto: {{{strategy(segments[None])}, rules: [{rules}]}}}}\n"


def pair(random: Random, world: World) -> tuple[Policy, Policy]:
    """An old policy that leaves every choice to chance, and a new one that takes nothing that the old one never did."""
    middle = int(np.median(world.prompt)) + 25
    whens = random.sample([f"min_tokens: {middle}", "tenants: [acme]"], random.randint(0, 2))
    segments: list[int | None] = [None, *range(len(whens))]
    least = min(3, len(world.models))
    old = {at: weights(random, world.models, least) for at in segments}
    new = {at: weights(random, world.models, 1, among=tuple(old[at])) for at in segments}
    if random.random() < 0.3:  # a segment that stays as it is
        kept = random.choice(segments)
        new[kept] = old[kept]
    return (Policy(old, whens), Policy(new, whens)) if old != new else pair(random, world)


def built(world: World, policy: Policy, folder: Path, name: str) -> Loaded:
    own = folder / name
    own.mkdir(exist_ok=True)
    return loaded(world.yaml() + policy.yaml, own)


def outcomes(world: World) -> dict[str, Any]:
    return {"cost": world.usd, "latency": world.seconds, "score": world.right}


def replayed(world: World, requests: list[Request], sides: tuple[Serving, Serving]) -> dict[str, float]:
    """NEW's mean outcome less OLD's, by letting both choose for the same requests over and over, by the same draws."""
    random = Random()
    totals: dict[str, float] = dict.fromkeys(METRICS, 0.0)
    column = {name: at for at, name in enumerate(world.models)}
    for sign, side in ((-1, sides[0]), (1, sides[1])):
        for at, request in enumerate(requests):
            random.seed(at)
            features = side.features(request)
            chosen = [column[side.decide(features, random).model] for _ in range(REPLAYS)]
            for metric, table in outcomes(world).items():
                totals[metric] += sign * float(table[request.prompt, chosen].sum())
    return {metric: total / (REPLAYS * len(requests)) for metric, total in totals.items()}


def expected(
    world: World, old: Policy, new: Policy, side: Serving, requests: list[tuple[Request, float]]
) -> dict[str, float]:
    """The same by the odds that were written into the policies, over requests with their shares."""
    totals = dict.fromkeys((*METRICS, "model changes"), 0.0)
    deltas = {}
    for at in old.odds:
        deltas[at] = np.array([new.odds[at].get(m, 0.0) - old.odds[at].get(m, 0.0) for m in world.models])
    for request, share in requests:
        delta = deltas[side.segment(request)]
        for metric, table in outcomes(world).items():
            totals[metric] += share * float(delta @ table[request.prompt])
        totals["model changes"] += share * float(np.abs(delta).sum()) / 2
    return totals


def everybody(world: World) -> list[tuple[Request, float]]:
    """Every prompt of every tenant, and its share of all traffic."""
    prompts = range(len(world.texts))
    return [(Request(at, name, "u1", 0.0), share / len(prompts)) for at in prompts for name, share in TENANTS.items()]


def recorded(world: World, requests: list[Request], side: Serving, digest: str, random: Random) -> list[Record]:
    return [record(world, one, side.decide(side.features(one), random), digest, at) for at, one in enumerate(requests)]


def scored(world: World, requests: list[Request], records: list[Record]) -> dict[str, float]:
    columns = {name: at for at, name in enumerate(world.models)}
    return {
        one.id: float(world.right[request.prompt, columns[one.model]])
        for request, one in zip(requests, records, strict=True)
    }


def holds(figure: Figure | None, truth: float) -> bool | None:
    """Whether the interval holds the truth; None where there is no interval to speak of, and the figure is right."""
    assert figure is not None
    assert figure.estimate is not None, figure.note
    if figure.low is None or figure.high is None or figure.low == figure.high:
        assert abs(figure.estimate - truth) < 1e-6, (figure, truth)
        return None
    return figure.low - 1e-12 <= truth <= figure.high + 1e-12


def coverage(pairs: int) -> dict[str, Any]:
    """Over pairs, by turns in both worlds."""
    random, worlds = Random(11), (zeroeval(), mmlu())
    held: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for number in range(pairs):
            world = worlds[number % 2]
            old, new = pair(random, world)
            one, two = (built(world, side, Path(name), which) for side, which in ((old, "old"), (new, "new")))
            sides = Serving(one, world), Serving(two, world)
            requests = traffic(world, REQUESTS, random)
            records = recorded(world, requests, sides[0], one.digest, random)
            made = plan(Question(one, two, name, scores=scored(world, requests, records)), records, SystemClock())
            truths = {
                "replayed": replayed(world, requests, sides),
                "expected": expected(world, old, new, sides[0], [(one, 1 / REQUESTS) for one in requests]),
                "population": expected(world, old, new, sides[0], everybody(world)),
            }
            for kind, truth in truths.items():
                for metric, value in truth.items():
                    figure = made.figure(metric)
                    if (found := holds(figure, value)) is not None:
                        held.setdefault(f"{metric}, {kind}", []).append(found)
            for metric in METRICS:
                figure = made.figure(metric)
                if figure is not None and figure.relative and figure.relative[1] is not None:
                    widths.setdefault(metric, []).append((figure.relative[2] or 0) - figure.relative[1])
    shares = {name: {"held": sum(one), "of": len(one), "share": sum(one) / len(one)} for name, one in held.items()}
    return {"pairs": pairs, "requests": REQUESTS, "intervals": shares,
            "median_relative_width": {name: float(np.median(one)) for name, one in widths.items()}}  # fmt: skip


def refusals() -> dict[str, Any]:
    """Questions without an answer, ten of each kind and more, and as many that have one."""
    random, world = Random(5), zeroeval()
    counts: dict[str, dict[str, int]] = {}
    kinds: dict[str, Callable[[], tuple[str, str]]] = {
        "a model that was never taken": lambda: _never(random, world),
        "an old policy that draws nothing": lambda: _fixed(random, world),
        "no chance on one segment": lambda: _segment(random, world),
        "another model behind the same name": lambda: _behind(random, world),
        "a choice by load": lambda: _by_load(random, world),
        "a choice by headers": lambda: _by_headers(random, world),
        "(control) all supported": lambda: _supported(random, world),
    }
    with tempfile.TemporaryDirectory() as name:
        for kind, case in kinds.items():
            tally = counts[kind] = {"cases": 0, "refused": 0}
            for _ in range(12):
                made = _asked(world, *case(), Path(name), random)
                tally["cases"] += 1
                figures = [made.figure(metric) for metric in ("cost", "latency")]
                tally["refused"] += all(
                    one is None or (one.told in ("no support", "not evaluated") and one.estimate is None)
                    for one in figures
                )
    cases = {kind: count for kind, count in counts.items() if not kind.startswith("(")}
    total = sum(count["cases"] for count in cases.values())
    return {"kinds": counts, "cases": total, "refused": sum(count["refused"] for count in cases.values())}


def _asked(world: World, old: str, new: str, folder: Path, random: Random) -> Plan:
    sides = []
    for text, which in ((old, "old"), (new, "new")):
        (folder / which).mkdir(exist_ok=True)
        sides.append(loaded(text if "providers" in text else world.yaml() + text, folder / which))
    requests = traffic(world, 400, random)
    records = recorded(world, requests, Serving(sides[0], world), sides[0].digest, random)
    return plan(Question(sides[0], sides[1], str(folder)), records, SystemClock())


def _never(random: Random, world: World) -> tuple[str, str]:
    old = weights(random, world.models, 2)
    other = random.choice([name for name in world.models if name not in old])
    new = {**old, other: random.uniform(0.01, 1)} if random.random() < 0.5 else {other: 1.0}
    return Policy({None: old}, []).yaml, Policy({None: new}, []).yaml


def _fixed(random: Random, world: World) -> tuple[str, str]:
    one, two = random.sample(world.models, 2)
    if random.random() < 0.5:
        return Policy({None: {one: 1.0}}, []).yaml, Policy({None: {one: 0.9, two: 0.1}}, []).yaml
    old = f'routes: {{auto: {{kind: complexity, cheap: "{one}", smart: "{two}"}}}}\n'
    return old, old.replace("kind: complexity,", "kind: complexity, strong_share: 0.3,")


def _segment(random: Random, world: World) -> tuple[str, str]:
    old = weights(random, world.models, 2)
    taken, other = random.sample(list(old), 2)
    return (
        Policy({None: old, 0: {taken: 1.0}}, ["tenants: [acme]"]).yaml,
        Policy({None: old, 0: {other: 1.0}}, ["tenants: [acme]"]).yaml,
    )


def _behind(random: Random, world: World) -> tuple[str, str]:
    old = weights(random, world.models, 2)
    text = world.yaml() + Policy({None: old}, []).yaml
    name = random.choice(list(old))
    return text, text.replace(f'"{name}": {{provider: up}}', f'"{name}": {{provider: up, model: another}}')


def _by_load(random: Random, world: World) -> tuple[str, str]:
    names = ", ".join(f'"{name}"' for name in random.sample(world.models, 3))
    old = f"routes: {{auto: {{kind: latency, models: [{names}]}}}}\n"
    return old, Policy({None: {world.models[0]: 1.0, world.models[1]: 1.0}}, []).yaml


def _by_headers(random: Random, world: World) -> tuple[str, str]:
    old = weights(random, world.models, 2)
    new = Policy({None: old, 0: {next(iter(old)): 1.0}}, ["headers: {x-tier: gold}"])
    return Policy({None: old}, []).yaml, new.yaml


def _supported(random: Random, world: World) -> tuple[str, str]:
    old = weights(random, world.models, 2)
    return Policy({None: old}, []).yaml, Policy({None: {random.choice(list(old)): 1.0}}, []).yaml


def speed(count: int = 100_000) -> dict[str, float]:
    """Seconds for records in a store where only routes differ, and by how much the most memory grew."""
    random, world = Random(3), zeroeval()
    old, new = pair(random, world)
    with tempfile.TemporaryDirectory() as name:
        one, two = (built(world, side, Path(name), which) for side, which in ((old, "old"), (new, "new")))
        side = Serving(one, world)
        requests = traffic(world, count, random)
        folder = Path(name) / "records" / "2026-09-21"
        folder.mkdir(parents=True)
        with (folder / "000000-1-0.jsonl").open("wb") as file:
            for at, request in enumerate(requests):
                decision = side.decide(side.features(request), random)
                file.write(encode(record(world, request, decision, one.digest, at)) + b"\n")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = perf_counter()
        made = plan(Question(one, two, name), RecordReader(folder.parent).newest(), SystemClock())
        took = perf_counter() - began
        assert made.traffic.requests == count
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"records": count, "seconds": took, "grown_mib": grown / 1024}


def main() -> None:
    if not DATA.is_dir():
        print(f"{DATA} is not there: nothing to measure on", file=sys.stderr)
        sys.exit(2)
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    result = {"coverage": coverage(pairs), "refused": refusals(), "exact": exact(), "speed": speed()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
