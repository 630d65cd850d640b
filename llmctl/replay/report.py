"""What a replay found, for people and as JSON."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from llmctl.replay.pace import invalid
from llmctl.replay.run import Replay
from llmctl.statistics.interval import Interval
from llmctl.statistics.rates import wilson


def figures(replay: Replay) -> dict[str, Any]:
    """As `--json` prints it. Times in seconds, money in US dollars; differences are now less then."""
    tally, times, found = replay.tally, replay.times, replay.differences
    lag, service, response = (_percentiles(one) for one in (times.lag, times.service, times.response))
    return {
        "asked": tally.asked,
        "not_asked": tally.not_askable,
        "states": tally.states,
        "errors": tally.errors,
        "errors_then": tally.errors_before,
        "models": tally.models,
        "cache": tally.cache,
        "stopped": tally.stopped,
        "usd": {"spent": tally.usd, "unpriced": tally.unpriced, "difference": _interval(found.cost.mean())},
        "seconds": {"service": service, "response": response, "lag": lag, "shift": _interval(found.seconds.shift())},
        "output_tokens": {"difference": _interval(found.tokens.mean())},
        "invalid": invalid(times, lag.get("p99", 0.0), service.get("p50", 0.0)),
        "answers": {
            "compared": found.compared,
            "exact": _share(found.exact, found.compared),
            "normalised": _share(found.normalised, found.compared),
            "tool_calls": _share(found.same_tools, found.with_tools),
            "similarity": _percentiles(found.similarity, (5, 50)),
            "most_different": [msgspec.to_builtins(one) for one in found.examples],
        },
    }


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The same in a few lines."""
    states = ", ".join(f"{count} {state}" for state, count in told["states"].items())
    yield f"asked       {told['asked']:,}: {states or 'nothing'} (then {told['errors_then']} failed)"
    for why, count in told["not_asked"].items():
        yield f"not asked   {count:,}: {why}"
    for code, count in told["errors"].items():
        yield f"error       {count:,} {code}"
    if told["stopped"]:
        yield f"stopped     {told['stopped']}"
    answers = told["answers"]
    if answers["compared"]:
        same = f"{_told_share(answers['exact'])} exactly, {_told_share(answers['normalised'])} but for case and space"
        yield f"the same    of {answers['compared']:,} answers {same}"
        if answers["similarity"]:
            near = answers["similarity"]
            yield f"similarity  median {near['p50']:.3f}, lowest twentieth {near['p5']:.3f}"
        if answers["tool_calls"] is not None:
            yield f"tool calls  {_told_share(answers['tool_calls'])} the same"
    yield f"cost        {_money(told['usd'])}"
    seconds = told["seconds"]
    if seconds["service"]:
        yield f"latency     p50 {_ms(seconds['service']['p50'])}, p95 {_ms(seconds['service']['p95'])}{_shift(seconds)}"
    if told["invalid"]:
        yield f"! timing    not valid as a load test: {told['invalid']}"
    for one in answers["most_different"]:
        yield f"differs     {one['id']} ({one['similarity']:.3f})"
        yield f"  then      {_line(one['then'])}"
        yield f"  now       {_line(one['now'])}"


def _percentiles(values: Any, which: tuple[int, ...] = (50, 95, 99)) -> dict[str, float]:
    if not len(values):
        return {}
    found = np.percentile(np.asarray(values), which)
    return {f"p{at}": float(value) for at, value in zip(which, found, strict=True)}


def _interval(found: Interval | None) -> dict[str, Any] | None:
    if found is None:
        return None
    low, high = (limit if math.isfinite(limit) else None for limit in (found.low, found.high))
    return {"estimate": found.estimate, "low": low, "high": high, "confidence": found.confidence,
            "n": found.n, "method": found.method, "caution": found.caution}  # fmt: skip


def _share(hits: int, count: int) -> dict[str, Any] | None:
    return _interval(wilson(hits, count)) if count else None


def _told_share(share: dict[str, Any]) -> str:
    return f"{share['estimate']:.1%} ({share['low']:.1%} to {share['high']:.1%})"


def _money(usd: dict[str, Any]) -> str:
    spent = f"${usd['spent']:.4f}"
    if usd["unpriced"]:
        spent += f" and {usd['unpriced']:,} requests without a price"
    if (found := usd["difference"]) is None:
        return spent
    limits = f"({_limit(found['low'])} to {_limit(found['high'])})"
    return f"{spent}; a request {found['estimate']:+.6f} {limits}, n {found['n']:,}"


def _limit(value: float | None) -> str:
    return "?" if value is None else f"{value:+.6f}"


def _shift(seconds: dict[str, Any]) -> str:
    if (found := seconds["shift"]) is None:
        return ""
    return f"; shifted by {_ms(found['estimate'])} ({_ms(found['low'])} to {_ms(found['high'])}, 98%)"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:150]
