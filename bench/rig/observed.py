"""What seeing everything costs, and what it costs when those who are told hang, are full, or are dead."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.rig.plan import Plan
from bench.rig.processes import BenchFailed, cpu_seconds
from bench.rig.report import Bar, Details, Section
from bench.rig.served import MODEL, Served, served
from bench.rig.throughput import CONNECTIONS, UPSTREAM, warm_up
from bench.rig.upstreams import nginx
from bench.rig.wrk import Load, middle, script, wrk

SHARE = 0.01
DISK = "8m"
NOISE = 1.25
"""Times the sound gateway's p99 that a troubled one's may be: what two runs of the same differ by here."""


def observed(plan: Plan) -> Section:
    """Everything on beside everything off, two workers, in turns; then each kind of trouble beside none."""
    section = Section(f"{UPSTREAM}; another nginx takes the spans of {SHARE:.0%} of exchanges")
    with nginx(plan.scratch) as mock, nginx(plan.scratch) as collector:
        off: dict[str, Any] = {"records": {"enabled": False}}
        on = _everything(plan.scratch, f"http://127.0.0.1:{collector.port}")
        plan.say("everything on and everything off, in turns")
        bare, seen = _in_turns(plan, mock.port, off, on)
        cost = round(seen["cpu_us_per_request"] - bare["cpu_us_per_request"], 1)
        section.details |= {"off": bare, "on": seen, "observability_cpu_us_per_request": cost}
        section.bars += [
            Bar("everything on", seen["requests_per_s"], "at least", 9_000, "requests/s"),
            Bar("CPU of observability but for counting", cost, "at most", 20, "µs a request"),
            Bar("observed errors", seen["errors"] + bare["errors"], "at most", 0, "requests"),
        ]
        for name, trouble in _troubles(plan.scratch, on).items():
            plan.say(f"{name}, in turns with none")
            with ExitStack() as stack:
                troubled = stack.enter_context(trouble)
                sound, ill = _in_turns(plan, mock.port, on, troubled)
            ratio = round(ill["p99_ms"] / sound["p99_ms"], 3)
            section.details[name] = {"sound": sound, "troubled": ill, "p99_ratio": ratio}
            section.bars.append(Bar(f"p99 with {name}", ratio, "at most", NOISE, "times that without"))
            section.bars.append(Bar(f"errors with {name}", ill["errors"], "at most", 0, "requests"))
    return section


def _everything(folder: Path, collector: str) -> dict[str, Any]:
    """Sections of a gateway that tells all there is to tell."""
    return {
        "telemetry": {
            "request_log": str(folder / "requests.log"),
            "otlp": {"endpoint": collector, "sample": SHARE},
        }
    }


def _in_turns(
    plan: Plan, upstream: int, one: dict[str, Any], other: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two gateways at once, loaded by turns, so that what disturbs the one disturbs the other."""
    with (
        served(plan.scratch, upstream, workers=2, **one) as first,
        served(plan.scratch, upstream, workers=2, **other) as second,
    ):
        sides = [_Side(plan, side, name) for name, side in (("one", first), ("other", second))]
        for _ in range(max(3, plan.repeats)):
            for side in sides:
                side.load(plan.seconds)
        return sides[0].figures(), sides[1].figures()


class _Side:
    """One of two gateways, and what was measured of it."""

    def __init__(self, plan: Plan, it: Served, name: str) -> None:
        self._it, self._loads, self._cpu = it, list[Load](), list[float]()
        self._lua = script(plan.scratch, f"observed-{name}-{it.port}", MODEL, it.authorization)
        warm_up(it, self._lua)

    def load(self, seconds: float) -> None:
        """One run."""
        before = cpu_seconds(self._it.pid)
        load = wrk(self._it.port, self._lua, connections=CONNECTIONS, seconds=seconds)
        self._loads.append(load)
        self._cpu.append((cpu_seconds(self._it.pid) - before) / max(1, load.requests) * 1e6)

    def figures(self) -> dict[str, Any]:
        """Medians over the runs."""
        return {**middle(self._loads), "cpu_us_per_request": round(median(self._cpu), 1)}


def _troubles(folder: Path, on: dict[str, Any]) -> dict[str, Any]:
    """Context managers that give the sections of a gateway in that trouble."""
    return {
        "a hanging collector": _hanging(on),
        "a full disk": _full(folder, on),
        "a dead PagerDuty": _dead_pagerduty(folder, on),
    }


@contextmanager
def _hanging(on: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A collector that takes connections and never answers; every exchange is for it."""
    with socket.create_server(("127.0.0.1", 0)) as never:
        otlp = {"endpoint": f"http://127.0.0.1:{never.getsockname()[1]}", "sample": 1.0, "per_second": 10_000}
        yield {"telemetry": {**on["telemetry"], "otlp": otlp}}


@contextmanager
def _full(folder: Path, on: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Records and request lines on a disk that is full after a second."""
    disk = folder / "small-disk"
    disk.mkdir()
    if os.geteuid() != 0:
        raise BenchFailed("a small disk can be mounted by root only")
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], check=True)
    try:
        yield {
            "records": {"dir": str(disk / "records"), "queue_bytes": "16MiB"},
            "telemetry": {**on["telemetry"], "request_log": str(disk / "requests.log")},
        }
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)


@contextmanager
def _dead_pagerduty(folder: Path, on: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An alert that fires at once, and a PagerDuty that takes connections and never answers."""
    key = folder / "routing-key"
    key.write_text("0" * 32)
    with socket.create_server(("127.0.0.1", 0)) as never:
        url = f"http://127.0.0.1:{never.getsockname()[1]}"
        told: Details = {"pagerduty": {"routing_key_file": str(key), "url": url}}
        spent = {"kind": "cost_per_day", "objective": 1e-9, "window": "60s", "severity": "page"}
        slos = folder / "slo.yaml"
        promise = {"spent": {**spent, "runbook": "runbooks/cost.md"}}
        slos.write_text(json.dumps({"pace": 60, "slos": promise, "notify": {"page": told, "ticket": told}}))
        state = str(folder / "alerts")
        yield {
            **on,
            "prices": {"models": {MODEL: {"input": 1, "output": 1}}},
            "alerts": {"slos": str(slos), "every": "1s", "state": state},
        }
