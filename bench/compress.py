"""What compression costs, as JSON: `python bench/compress.py`. Half a minute.

Milliseconds of the thread's own CPU time for 10,000 characters, p50 and p99, by kind of document and by length:
extraction to a third, finding the units alone, minification, and a whole request. `cold` texts are new each time, as in
a gateway. The texts are those of ../shared/data/compression where that is, else sentences made up here. What is kept of
answers and turns is measured by `llmctl compress bench`.

`stage` is what the gateway's stage costs: microseconds for requests with nothing to compress (the median of batches),
and milliseconds for one request asked again and again. `noise` is the ninth decile over the first of the same
measurement: 1 on a quiet machine.
"""

import asyncio
import gzip
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

from llmctl.compress.extract import compress
from llmctl.compress.minify import minify
from llmctl.compress.options import ExtractiveOptions
from llmctl.compress.payload import Extraction, compress_payload
from llmctl.compress.rank import Ranker
from llmctl.compress.units import blocks
from llmctl.gateway.stages.compress import Compress, Plan
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.model.record import Decision
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, exchange

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "compression"
LENGTHS = (2_000, 10_000, 100_000)
RUNS = 60
QUERY = "Which company made the first battery, and when was that?"


def sentences() -> list[str]:
    """What documents are made of: passages, or made-up sentences where there is no data."""
    if DATA.is_dir():
        with gzip.open(DATA / "nq_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
            return [json.loads(line)["ctxs"][0]["text"].replace("\n", " ") for line in lines]
    rng = random.Random(0)
    words = ["the", "a", "which", "river", "proves", "cost", "of", "light", "council", "number", "early", "answers"]
    return [" ".join(rng.choice(words) for _ in range(90)).capitalize() + "." for _ in range(500)]


def document(kind: str, length: int, texts: Sequence[str], rng: random.Random) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        text = rng.choice(texts)
        if kind == "passages":
            parts.append(f"Document [{len(parts) + 1}] {text}\n")
        elif kind == "turns":
            at = rng.randrange(max(1, len(text) - 60))
            parts.append(f"{rng.choice(['Ann', 'Bob', 'Cyd'])}: {text[at : at + 60]}\n")
        else:
            parts.append(f"{text}\n\n")
    return "".join(parts)


def measured(call: Callable[[str], object], documents: Sequence[str]) -> dict[str, float]:
    costs = []
    for one in documents:
        started = thread_time_ns()
        call(one)
        costs.append((thread_time_ns() - started) / 1e6 / len(one) * 10_000)
    costs.sort()
    return {"p50": round(costs[len(costs) // 2], 3), "p99": round(costs[int(0.99 * len(costs))], 3)}


def arrived(model: str, messages: list[JsonObject], *, raw: bool = True) -> Exchange:
    made = exchange(ManualClock())
    made.requested_model, made.decision = model, Decision(model, "fixed", "named")
    made.payload = {"model": model, "messages": messages}
    made.raw = encode(made.payload) if raw else None
    return made


def spread(costs: list[float]) -> dict[str, float]:
    costs.sort()
    first, ninth = costs[len(costs) // 10], costs[9 * len(costs) // 10]
    return {"p50": round(costs[len(costs) // 2], 3), "noise": round(ninth / first, 2)}


async def staged(options: ExtractiveOptions, shorten: Extraction, text: str) -> dict[str, Any]:
    """The stage as the gateway has it; wall time, as clients would wait."""
    stage = Compress({"m": Plan(options, shorten)}, {"m": "openai"}, ManualClock().monotonic, print, print)
    client = CollectingClient({})
    short = [{"role": "user", "content": "What is the capital of France?"}]
    nothing = {
        "no plan": arrived("other", short),
        "a short request": arrived("m", short),
        "a short one, redacted": arrived("m", short, raw=False),
        "a long system prompt": arrived("m", [{"role": "system", "content": text[:10_000]}, *short]),
    }
    found: dict[str, Any] = {}
    for name, one in nothing.items():
        costs = []
        for _ in range(200):
            started = perf_counter_ns()
            for _ in range(500):
                await stage.run(one, client)
            costs.append((perf_counter_ns() - started) / 500 / 1e3)
        found[f"{name}, us"] = spread(costs)
    for length in (10_000, 50_000):  # on the loop, and in the stage's thread
        costs = []
        for _ in range(200):
            one = arrived("m", [{"role": "user", "content": f"{text[:length]}\n\n{QUERY}"}])
            started = perf_counter_ns()
            await stage.run(one, client)
            costs.append((perf_counter_ns() - started) / 1e6)
            assert one.compression is not None
        found[f"{length} characters, ms"] = spread(costs)
    return found


def main() -> None:
    texts = sentences()
    ranker = Ranker()
    ranker.load()
    options = ExtractiveOptions(kind="extractive")
    shorten = Extraction(options, ranker=ranker)

    def request(text: str) -> object:
        messages = [{"role": "user", "content": f"{text}\n\n{QUERY}"}]
        return compress_payload({"messages": messages}, options, shorten=shorten)

    calls: dict[str, Callable[[str], object]] = {
        "extract": lambda text: compress(text, QUERY, 1 / 3, ranker=ranker),
        "units": blocks,
        "minify": minify,
        "request": request,
    }
    rng = random.Random(1)
    text = document("passages", 50_000, texts, rng)
    found: dict[str, Any] = {"unit": "ms for 10,000 characters", "data": str(DATA) if DATA.is_dir() else "made up"}
    for kind in ("passages", "paragraphs", "turns"):
        for length in LENGTHS:
            documents = [document(kind, length, texts, rng) for _ in range(RUNS)]
            found[f"{kind} {length}"] = {name: measured(call, documents) for name, call in calls.items()}
    found["stage"] = asyncio.run(staged(options, shorten, text))
    json.dump(found, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
