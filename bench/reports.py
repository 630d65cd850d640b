"""`cost report` over many records, as JSON: seconds, peak memory and sums, compacted and as JSON lines.

`python bench/reports.py [--compacted N] [--lines N] [--folder DIR]`; 10,000,000 and 1,000,000 take 15 minutes and at
most 5 GB of disk. Records are what the gateway writes, with content where they stay JSON lines (1.7 KB each), made and
compacted a day at a time; each report is a process of its own, best of three. Exits 3 where a bar is missed.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llmctl.model.record import Attempt, CacheOutcome, Decision, Record, StageTime
from llmctl.model.usage import UNPRICED, Cost, Usage
from llmctl.reports.compact import compact, remove_compacted
from llmctl.reports.duck import database

BARS = {"compacted_s": 5.0, "lines_s": 10.0, "rss_mb": 2000.0, "growth": 1.25}
BEGAN = 1_764_547_200  # 2025-12-01T00:00Z
DAY = 86_400
PER_SEGMENT = 50_000
DAYS = 10
BY = "model,tenant"


REQUEST = {"model": "fast", "messages": [{"role": "user", "content": "Why is the task risk-free? " * 8}]}
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Because of it. " * 10}}]}


def template(rng: random.Random, content: bool) -> tuple[bytes, ...]:
    """A record's line in pieces, between which its own id, start and figures go."""
    model = f"model-{rng.randrange(12)}"
    hit = rng.random() < 0.3
    cost = UNPRICED if rng.random() < 0.01 else Cost(987654.0, "estimated" if rng.random() < 0.05 else "exact", "p 1")
    usage = Usage(98765400, 98765401, 98765402, 98765403, 98765404, "provider")
    record = Record(
        id="@id",
        started=987654321.5,
        duration_us=987650,
        state="ok" if rng.random() < 0.97 else "failed",
        http_status=200,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id="00f067aa0ba902b7",
        tenant=f"tenant-{rng.randrange(20)}",
        key=f"key{rng.randrange(200):04}",
        policy="3f1c9d2e7b6a",
        dialect="openai",
        operation="chat",
        requested_model=f"route-{rng.randrange(6)}",
        model=model,
        provider=f"provider-{rng.randrange(4)}",
        served_model=f"{model}-2026-01-15",
        decision=Decision(model, "weighted", "weight 0.9", 0.9),
        attempts=[] if hit else [Attempt("upstream", model, 310, 411_500, 120_000, 200, None, "b7ad6b7169203331")],
        stages=[StageTime(n, i * 90, 80) for i, n in enumerate(("auth", "limits", "route", "upstream", "settle"))],
        cache=CacheOutcome("exact" if hit else "miss"),
        usage=usage if not hit else Usage(),
        cost=cost if not hit else UNPRICED,
        ttft_us=120_000,
        overhead_us=845,
        finish_reason="stop",
        request=REQUEST if content else None,
        response=ANSWER if content else None,
    )
    line = msgspec.json.encode(record)
    marks = [b"@id", b"987654321.5", b"987650"]
    marks += [b"98765400", b"98765401", b"98765402", b"98765403", b"98765404", b"987654.0"]
    pieces = []
    for mark in marks:
        before, found, line = line.partition(mark) if mark in line else (b"", b"", line)
        if found:
            pieces.append(before)
    return (*pieces, line)


def lines(count: int, first: int, start: float, span: float, rng: random.Random, content: bool) -> Iterator[bytes]:
    """So many records, spread over `span` seconds."""
    forms = [template(rng, content) for _ in range(2000)]
    for number in range(count):
        form = forms[rng.randrange(2000)]
        figures: list[Any] = [
            f"req_{first + number:018d}",
            f"{start + span * number / count:.6f}",
            400_000 + number % 999,
        ]
        if len(form) > 4:
            tokens = [rng.randrange(4000), rng.randrange(400), rng.randrange(40), rng.randrange(800), rng.randrange(80)]
            figures += [*tokens, f"{rng.randrange(10**8) / 1e10!r}"]
        yield b"".join(
            [part for piece, figure in zip(form[:-1], figures, strict=False) for part in (piece, str(figure).encode())]
            + [form[-1], b"\n"]
        )


def write_day(folder: Path, day: int, count: int, rng: random.Random, content: bool) -> int:
    """A day's segments; returns their bytes."""
    start = BEGAN + day * DAY
    name = time.strftime("%Y-%m-%d", time.gmtime(start))
    (folder / name).mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(0, count, PER_SEGMENT):
        path = folder / name / f"000000-1-{number // PER_SEGMENT:06d}.jsonl"
        some = min(PER_SEGMENT, count - number)
        with path.open("wb") as file:
            file.writelines(
                lines(
                    some, day * 10**9 + number, start + DAY * number / count, DAY * some / count - 0.001, rng, content
                )
            )
        size += path.stat().st_size
    return size


def measured(folder: Path, by: str = BY, fmt: str = "json", repeat: int = 3) -> dict[str, Any]:
    """Best seconds of the command's own process, those its threads computed, its peak memory, the report's total."""
    seconds, peak, cpu, total = [], 0.0, [], {}
    for _ in range(repeat):
        command = [sys.executable, __file__, "--report", str(folder), "--by", by, "--format", fmt]
        begun = time.monotonic()
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        seconds.append(time.monotonic() - begun)
        found = json.loads(out)
        peak, total = max(peak, found["rss_mb"]), found["total"]
        cpu.append(found["cpu_s"])
    return {"seconds": round(min(seconds), 2), "cpu_s": round(min(cpu), 2), "rss_mb": round(peak), "total": total}


def report_once(folder: Path, by: str, fmt: str) -> None:
    """What `llmctl cost report` does, and this process's peak memory."""
    from llmctl.commands.cost import app

    arguments = ["report", "--traces", str(folder), "--by", by, "--format", fmt]
    with contextlib.redirect_stdout(io.StringIO()) as written:
        app(arguments, standalone_mode=False)
    total = json.loads(written.getvalue())["total"] if fmt == "json" else None
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss: that remembers the process which this one was forked from.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"total": total, "rss_mb": int(peak.split()[1]) / 1024, "cpu_s": used.ru_utime + used.ru_stime}))


def compacted(folder: Path, count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Times at a quarter, a half and all of `count`, and what compaction took."""
    rng, curve, spent = random.Random(1), [], {"seconds": 0.0, "bytes_in": 0, "bytes_out": 0}
    for day in range(DAYS):
        spent["bytes_in"] += write_day(folder, day, count // DAYS, rng, False)
        begun = time.monotonic()
        with database() as db:
            made = list(compact(folder, db, now=time.time() + 1000))
            remove_compacted(folder, db)
        spent["seconds"] += time.monotonic() - begun
        spent["bytes_out"] += sum(each.bytes_out for each in made)
        print(f"day {day + 1} of {DAYS}", file=sys.stderr)
        if day + 1 in (DAYS // 4, DAYS // 2, DAYS):
            curve.append({"records": (day + 1) * (count // DAYS), **measured(folder)})
    return curve, {**spent, "seconds": round(spent["seconds"], 1)}


def as_lines(folder: Path, count: int) -> tuple[list[dict[str, Any]], bool, dict[str, Any]]:
    """Times at a quarter, a half and all of `count`; whether compacting half of it, then all, left the sums equal."""
    rng, curve = random.Random(2), []
    for day, share in enumerate((4, 4, 2)):
        write_day(folder, day, count // share, rng, True)
        curve.append({"records": sum(count // s for s in (4, 4, 2)[: day + 1]), **measured(folder)})
    before = curve[-1]["total"]
    with database() as db:
        next(compact(folder, db, now=time.time() + 1000))
    mixed = measured(folder, repeat=1)
    with database() as db:
        list(compact(folder, db, now=time.time() + 1000))
    after = measured(folder, repeat=1)
    return curve, before == mixed["total"] == after["total"], {"mixed": mixed["seconds"], "compacted": after["seconds"]}


def growth(curve: list[dict[str, Any]]) -> float:
    """Seconds per record with all of them, against those with half."""
    half, whole = curve[-2:]
    return float(round((whole["seconds"] / whole["records"]) / (half["seconds"] / half["records"]), 2))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--compacted", type=int, default=10_000_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--by", default=BY)
    parser.add_argument("--format", default="json")
    asked = parser.parse_args()
    if asked.report:
        report_once(asked.report, asked.by, asked.format)
        return 0
    scratch = Path(tempfile.mkdtemp(prefix="llmctl-bench-reports-", dir=asked.folder))
    try:
        curve_lines, equal, after = as_lines(scratch / "lines", asked.lines)
        curve, spent = compacted(scratch / "compacted", asked.compacted)
        by_key = measured(scratch / "compacted", "key,model,tenant,route,cache", "table", repeat=1)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    found = {
        "compacted_s": curve[-1]["seconds"],
        "lines_s": curve_lines[-1]["seconds"],
        "rss_mb": max(point["rss_mb"] for point in (*curve, *curve_lines)),
        "growth": max(growth(curve), growth(curve_lines)),
    }
    missed = [name for name, bar in BARS.items() if found[name] > bar] + ([] if equal else ["equal sums"])
    result = {
        **found,
        "equal_sums": equal,
        "bars": BARS,
        "missed": missed,
        "load": os.getloadavg(),
        "compaction": spent,
    }
    result |= {"compacted": curve, "lines": curve_lines, "same_lines_then": after}
    result["by_key_model_tenant_route_cache"] = {name: by_key[name] for name in ("seconds", "cpu_s", "rss_mb")}
    print(json.dumps(result, indent=2))
    return 3 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
