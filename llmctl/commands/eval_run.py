"""What `llmctl eval SUITE` does: read, run, summarise, compare, and ask the gate."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

from rich.console import Console

from llmctl.clock import Clock, SystemClock
from llmctl.commands.eval_compare import print_comparison
from llmctl.commands.eval_gate import check_gate
from llmctl.commands.eval_summary import print_summary
from llmctl.commands.options import print_json
from llmctl.config.secrets import Environment
from llmctl.errors import CheckFailed, LlmctlError, UsageError
from llmctl.evals.budget import Budget
from llmctl.evals.compare import compare
from llmctl.evals.comparison import Comparison, as_json
from llmctl.evals.items import read_items
from llmctl.evals.journal import JOURNAL, RESULTS, head
from llmctl.evals.load import load_suite
from llmctl.evals.looks import Looks, in_random_order
from llmctl.evals.prepare import Choice, Prepared, folder_of, prepare
from llmctl.evals.progress import Watched, spent
from llmctl.evals.results import summary
from llmctl.evals.results.read import Results, read_results
from llmctl.evals.run import Course, Runner
from llmctl.evals.session import Around, Finished, Settings, run_prepared
from llmctl.evals.slots import Posed
from llmctl.scoring.result import Result

ROOT = Path(".llmctl/evals")
ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The command line."""

    suite: Path
    ab: tuple[str, str] | None
    variants: tuple[str, ...]
    sequential: bool
    limit: int | None
    max_cost: float | None
    out: Path | None
    resume: bool | None
    retry_errors: bool
    cache: bool
    concurrency: int | None


def run(wanted: Wanted, *, gate: bool, allow_inconclusive: bool, json: bool) -> None:
    """Run it and print. Raises LlmctlError; CheckFailed (exit 3) where the gate does not hold."""
    _sound(wanted)
    env, clock, random = Environment.of_process(), SystemClock(), SystemRandom()
    suite = load_suite(wanted.suite, env)
    if gate and suite.config.gate is None:
        check_gate({}, None)
    names = wanted.ab or wanted.variants
    prepared = prepare(suite, read_items(suite), env, clock, random, Choice(names, wanted.limit))
    looks, items = _looks(wanted, prepared)
    folder = wanted.out or folder_of(suite, prepared.digest, ROOT / "results")
    finished = _there(folder, prepared) if wanted.resume else None
    if finished is None:
        finished = _finished(wanted, prepared, folder, looks, items, quiet=json)
    results = read_results(finished.path)
    paid = spent(finished.budget)
    comparison = _compared(wanted, prepared, results, looks)
    if json:
        _print_json(finished, results, comparison)
    else:
        print_summary(results, paid)
        print(f"results: {finished.path}")
        if looks is not None and looks.stop is not None:
            print(looks.stop.words)
        if comparison is not None:
            print_comparison(comparison)
    _ended(finished, prepared, folder)
    if gate:
        check_gate(
            {name: results.of(name) for name in results.variants},
            suite.config.gate,
            allow_inconclusive=allow_inconclusive,
        )


def _sound(wanted: Wanted) -> None:
    if wanted.ab is not None and wanted.variants:
        raise UsageError("give --ab or --variant: --ab says already which two are run")
    if wanted.ab is not None and wanted.ab[0] == wanted.ab[1]:
        raise UsageError(f"--ab: A and B are both {wanted.ab[0]!r}; name two variants, even if they are defined alike")
    if wanted.sequential and wanted.ab is None:
        raise UsageError("--sequential: is a way to compare; add --ab A B")
    if wanted.max_cost is not None and wanted.max_cost <= 0:
        raise UsageError("--max-cost: give more than nothing, or ask nothing")


def _looks(wanted: Wanted, prepared: Prepared) -> tuple[Looks | None, list[Posed] | None]:
    if not wanted.sequential or wanted.ab is None:
        return None, None
    config = prepared.suite.config
    items = in_random_order(prepared.items, config.seed)
    try:
        return Looks(config.decide, items, wanted.ab, config.repeats), items
    except ValueError as error:
        raise UsageError(f"--sequential: {error}") from None


def _there(folder: Path, prepared: Prepared) -> Finished | None:
    """The results of this very run, where it was finished before."""
    found = head(folder / RESULTS)
    if found is None or found.digest != prepared.digest or (folder / JOURNAL).exists():
        return None
    return Finished(folder / RESULTS, found, Course(prepared.total), Budget(None), prepared.total)


def _finished(
    wanted: Wanted, prepared: Prepared, folder: Path, looks: Looks | None, items: list[Posed] | None, *, quiet: bool
) -> Finished:
    import uvloop

    config = prepared.suite.config
    limit = wanted.max_cost if wanted.max_cost is not None else config.budget.max_cost
    answers = ROOT / ANSWERS if wanted.cache and config.run.cache else None
    settings = Settings(
        folder,
        answers,
        wanted.concurrency or config.run.concurrency,
        limit,
        fresh=wanted.resume is False,
        retry_errors=wanted.retry_errors,
    )
    budget, clock = Budget(limit), SystemClock()
    with (
        Watched(prepared.total, budget, clock, Console(stderr=True), quiet=quiet) as tick,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        seen = _Seen(tick, looks)
        around = _around(clock)
        try:
            return runner.run(run_prepared(prepared, settings, around, seen, items, budget))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None  # asked for twice


class _Seen:
    """Every result: shown, and looked at where that may stop the run."""

    def __init__(self, tick: Any, looks: Looks | None) -> None:
        self._tick, self._looks = tick, looks
        self._done = self._errors = 0

    def __call__(self, result: Result) -> bool:
        self._done += 1
        self._errors += bool(result.error)
        self._tick(self._done, self._errors)
        return self._looks is not None and self._looks(result)


def _around(clock: Clock) -> Around:
    def stop_on_interrupt(runner: Runner) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def stop() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            if task is not None:
                loop.add_signal_handler(signal.SIGINT, task.cancel)
            print("waiting for the answers under way; once more to drop them", file=sys.stderr)
            runner.stop()

        loop.add_signal_handler(signal.SIGINT, stop)

    return Around(clock, SystemRandom(), on_start=stop_on_interrupt)


def _compared(wanted: Wanted, prepared: Prepared, results: Results, looks: Looks | None) -> Comparison | None:
    if wanted.ab is None:
        return None
    config = prepared.suite.config
    horizon = looks.sequential.horizon if looks is not None else None
    a, b = (results.of(name) for name in wanted.ab)
    try:
        return compare(a, b, config.decide, names=wanted.ab, seed=config.seed, horizon=horizon)
    except ValueError as error:
        raise CheckFailed(str(error)) from None


def _print_json(finished: Finished, results: Results, comparison: Comparison | None) -> None:
    told: Mapping[str, Any] = {
        "results": str(finished.path),
        "ended": finished.course.ended,
        "asked": finished.course.asked,
        "seconds": finished.seconds,
        "paid_usd": finished.budget.paid,
        "paid_unpriced": finished.budget.unpriced,
        **summary.as_json(results),
        "comparison": as_json(comparison) if comparison is not None else None,
    }
    print_json(told)


def _ended(finished: Finished, prepared: Prepared, folder: Path) -> None:
    """Raises where the run is not complete, and not because it had its answer."""
    done = f"{finished.course.done:,} of {prepared.total:,} results are in {folder}"
    if finished.course.ended == "spent":
        limit = finished.budget.limit
        raise LlmctlError(
            f"stopped by the limit of ${limit}: {spent(finished.budget)} spent, {done}; run it again with a higher "
            "--max-cost to go on from there"
        )
    if finished.course.ended == "unpriced":
        raise LlmctlError(
            f"stopped: the limit of ${finished.budget.limit} cannot be kept: an answer has no known price; {done}; "
            "name prices in the gateway's configuration, or give no limit"
        )
    if finished.course.ended == "stopped":
        raise LlmctlError(f"interrupted: {done}; run it again to go on from there")
