"""What the full stack saves against always asking the strong model, as JSON: `python bench/savings.py`; --quick: 30 s.

Two gateways serve the same streams: one asks claude-3-5-sonnet for everything; the other has an exact and a semantic
cache, cascades of {gpt-4o-mini, gemini-1.5-flash} for maths and code, and compression of long context. Requests come at
the times of the Azure 2023 code trace and of the Mooncake synthetic trace, on a clock that leaps over idle time. Each
is a ZeroEval prompt, answered with what the model is on record for, or a Banking77 question, answered with its intent's
canned text, so that a false hit is a wrong answer; no text comes twice. Dollars are those of the gateways' own records.

The bars are judged where nothing is assumed for the stack: 30% support questions, which always go to the strong model,
a cache that starts empty, no long context. Beside it stand other shares; `by complexity`: support questions go to
gpt-4o-mini where the shipped router says so, on the assumption, which nothing in the data bears out, that it answers
them as well; `warm`: 3,000 other support questions came before; `reading`: 10% are questions on twenty passages, right
while the answer is still in what was sent, which is a proxy; `equal`: all models are equally quick.

`layers` are against the other arm, request by request. `cost_report` is what `llmctl cost report --baseline` makes of
the records; it has only what the stack's own calls used to go by, so its baseline is another (`baseline_beside_arm`).

Nothing is fitted to these rows here. Exits 1 where a bar is missed, 2 without the data.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, from anywhere

from bench.rig import savings_figures as figures
from bench.rig.report import commit, machine
from bench.rig.savings_data import SHAPES, SHARED, Mix, Pool, counter, pool
from bench.rig.savings_world import SPEEDS, Setting, configuration, run
from llmctl.clock import SystemClock
from llmctl.gateway.build import prices_of
from llmctl.reports.duck import database
from llmctl.reports.ledger import open_ledger
from llmctl.reports.savings import CAVEATS, COLUMNS, Savings, savings
from llmctl.telemetry.reader import EVERYTHING
from llmctl.testing.config import loaded

SAVED, MARGIN, SLOWER = 0.55, 0.01, 1.0
PROMPTS, QUICK = 1_421, 120
OTHERS = 2  # streams of each case that is not judged
QUICK_BEFORE = 300


class Case(NamedTuple):
    """What is asked, of which stack, and how quick models are. `before` support questions warm the cache."""

    mix: Mix
    support: str = "strong"
    speeds: str = "declared"
    before: int = 0


JUDGED = "support 30%"
FULL = "support 30%, by complexity, warm, reading 10%"
CASES = {
    JUDGED: Case(Mix(0.30)),
    "support 0%": Case(Mix(0.0)),
    "support 15%": Case(Mix(0.15)),
    "support 50%": Case(Mix(0.50)),
    "support 30%, by complexity": Case(Mix(0.30), support="complexity"),
    "support 30%, warm": Case(Mix(0.30), before=3_000),
    "support 30%, reading 10%": Case(Mix(0.30, 0.10)),
    FULL: Case(Mix(0.30, 0.10), "complexity", before=3_000),
    "support 30%, equal": Case(Mix(0.30), speeds="equal"),
}


class Job(NamedTuple):
    """One stream."""

    name: str
    shape: str
    seed: int
    prompts: int

    @property
    def before(self) -> int:
        """Support questions that are asked before the stream."""
        before = CASES[self.name].before
        return before if self.prompts == PROMPTS else min(before, QUICK_BEFORE)


class Found(NamedTuple):
    """What one stream came to. `alone` and `stack` are `llmctl cost report --baseline` on each arm's records."""

    rows: list[figures.Row]
    usd: tuple[float, float]
    besides: float
    alone: Savings
    stack: Savings
    unanswered: int
    bugs: tuple[str, ...]


@cache
def _everything() -> tuple[Pool, Callable[[str], int]]:
    """Once in each process; a prompt's tokens are counted once too."""
    return pool(), cache(counter()[1])


def measured(job: Job) -> Found:
    """Serve a job's stream twice, and read what both gateways wrote."""
    everything, count = _everything()
    case = CASES[job.name]
    stream = everything.stream(job.shape, case.mix, job.seed, job.prompts)
    setting = Setting(SPEEDS[case.speeds], count, job.seed, time.time())
    before = everything.others(stream, job.before, job.seed)
    with TemporaryDirectory(prefix="llmctl-savings-") as folder:
        scratch = Path(folder)
        alone = run(stream, configuration(stack=False), setting, scratch, scratch / "alone")
        text = configuration(stack=True, support=case.support)
        stack = run(stream, text, setting, scratch, scratch / "stack", before)
        reports = (reported(scratch / "alone", scratch), reported(scratch / "stack", scratch))
    besides = sum(record.cost.usd or 0.0 for record in stack.besides)
    unanswered = alone.unanswered + stack.unanswered
    usd = (alone.usd, stack.usd)
    return Found(figures.paired(alone, stack), usd, besides, *reports, unanswered, (*alone.bugs, *stack.bugs))


def reported(records: Path, scratch: Path) -> Savings:
    """The records against always the strong model, as `llmctl cost report --baseline` has it."""
    price = prices_of(loaded(configuration(stack=False), scratch), SystemClock()).of("strong")
    assert price is not None
    with database(threads=1) as opened:
        open_ledger(records, opened, set(COLUMNS), EVERYTHING)
        return savings(opened, "strong", price)


def told(case: Case, streams: Sequence[Found]) -> dict[str, Any]:
    """One case at one shape: all its streams together, and what each saved."""
    rows = [row for one in streams for row in one.rows]
    besides = sum(one.besides for one in streams)
    alone, stack = (sum(one.usd[at] for one in streams) for at in (0, 1))
    return {
        "requests": len(rows),
        "requests_a_stream": len(streams[0].rows),
        "mix": {**case.mix._asdict(), "support_goes_to": case.support, "asked_before": case.before},
        "always_strong_usd": alone,
        "full_stack_usd": stack,
        "saved": figures.saved(rows, besides).told(),
        "saved_by_stream": [round(1 - one.usd[1] / one.usd[0], 4) for one in streams],
        "layers": figures.attribution(rows),
        "bill": figures.bills(rows, besides),
        "cost_report": _report(streams, alone),
        "quality": figures.quality(rows),
        "p50": figures.waiting(rows, 0.5),
        "p95": figures.waiting(rows, 0.95),
        "unanswered": sum(one.unanswered for one in streams),
        "bugs": sorted({bug for one in streams for bug in one.bugs}),
    }


def _report(streams: Sequence[Found], alone: float) -> dict[str, Any]:
    """The sums of the streams' reports; `alone` is what the other arm cost."""
    baseline = float(sum(one.stack.baseline for one in streams))
    left_out: dict[str, int] = {}
    parts: dict[str, float] = {}
    for one in streams:
        for why, n in one.stack.left_out.items():
            left_out[why] = left_out.get(why, 0) + n
        for part in one.stack.parts:
            parts[part.layer] = parts.get(part.layer, 0.0) + float(part.usd)
    return {
        "compared": sum(one.stack.compared for one in streams),
        "baseline_usd": baseline,
        "baseline_beside_arm": round(baseline / alone, 3),
        "actual_usd": float(sum(one.stack.actual for one in streams)),
        "saved_usd_by_layer": parts,
        "apart_usd": float(sum(one.stack.apart for one in streams)),
        "left_out": left_out,
        "baseline_of_always_strong_usd": float(sum(one.alone.baseline for one in streams)),
        "price_version": streams[0].stack.price_version,
    }


def bars(shape: str, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was asked, of the judged case."""
    saved, low, ratio = found["saved"]["value"], found["quality"]["difference"]["low"], found["p95"]["ratio"]["value"]
    yield {"name": f"{shape}: share saved", "value": saved, "at_least": SAVED, "pass": saved >= SAVED}
    yield {
        "name": f"{shape}: quality, lower limit of the difference",
        "value": low,
        "above": -MARGIN,
        "pass": low > -MARGIN,
    }
    yield {"name": f"{shape}: p95 beside always strong", "value": ratio, "at_most": SLOWER, "pass": ratio <= SLOWER}
    lost = found["unanswered"]
    yield {"name": f"{shape}: requests without an answer", "value": lost, "at_most": 0, "pass": not lost}


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("bench/savings.py", description="The full stack against always the strong model.")
    parser.add_argument("--quick", action="store_true", help=f"two cases, one stream of {QUICK} prompts each")
    parser.add_argument(
        "--seeds", type=int, default=5, help=f"streams of the judged case (default 5), of others {OTHERS} at most"
    )
    parser.add_argument("--case", dest="cases", action="append", choices=CASES, help="only these cases; repeatable")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args(argv)


def planned(asked: argparse.Namespace) -> list[Job]:
    """The streams: of the judged case `seeds`, of others no more than `OTHERS`."""
    names = [JUDGED, FULL] if asked.quick else [name for name in CASES if name in (asked.cases or CASES)]
    seeds, prompts = (1, QUICK) if asked.quick else (asked.seeds, PROMPTS)
    return [
        Job(name, shape, seed, prompts)
        for name in dict.fromkeys([JUDGED, *names])
        for shape in SHAPES
        for seed in range(seeds if name == JUDGED else min(seeds, OTHERS))
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """0 where every bar holds."""
    asked = arguments(argv)
    if not SHARED.is_dir():
        print(f"{SHARED} is not here: nothing can be measured", file=sys.stderr)
        return 2
    began, facts = time.monotonic(), machine()
    jobs = planned(asked)
    with ProcessPoolExecutor(asked.processes) as workers:
        streams = dict(zip(jobs, workers.map(measured, jobs), strict=True))
    cases: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(job.name for job in jobs):
        for shape in SHAPES:
            own = [found for job, found in streams.items() if (job.name, job.shape) == (name, shape)]
            cases.setdefault(name, {})[shape] = told(CASES[name], own)
    judged = [bar for shape in SHAPES for bar in bars(shape, cases[JUDGED][shape])]
    result = {
        "machine": facts,
        "commit": commit(),
        "seconds": round(time.monotonic() - began, 1),
        "seeds": {name: sorted({job.seed for job in jobs if job.name == name}) for name in cases},
        "answers": "recorded by ZeroEval, or canned; no model was called",
        "tokens": counter()[0],
        "speeds": {name: {model: speed._asdict() for model, speed in one.items()} for name, one in SPEEDS.items()},
        "layers_note": "cost_report: " + " ".join(CAVEATS),
        "judged": JUDGED,
        "bars": judged,
        "cases": cases,
    }
    print(json.dumps(result, indent=2))
    for bar in judged:
        if not bar["pass"]:
            print(f"missed: {bar['name']} is {bar['value']}", file=sys.stderr)
    return 0 if all(bar["pass"] for bar in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
