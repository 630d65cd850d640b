"""What a cache lookup costs, as JSON: `python bench/cache.py [ENTRIES]`. A minute, most of it to fill the index.

Microseconds, p50 and p99, of wall time and of the thread's own CPU time (which others on the machine do not add to).

`semantic`: the embedding of a prompt of 150 characters that was not seen before, the search among 100,000 entries of
one partition, and the bounded policy's decision; its parts beside. `exact`: the request's key, and the entry from
memory. `add`: putting one more entry into the index. The prompts are slices of the texts of ../shared/data/cache
where that is, else sentences made up here.
"""

import gzip
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, thread_time_ns
from typing import Any

import numpy as np

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.entry import Entry
from llmctl.cache.index import Index
from llmctl.cache.key import Scope, key
from llmctl.cache.semantic import Semantic
from llmctl.cache.store import Store
from llmctl.clock import SystemClock
from llmctl.embedding import DIMENSIONS, StaticEmbedder

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "cache"
LENGTH = 150
CALLS = 3000
ENTRIES = 100_000
P = b"partition"


def sentences() -> list[str]:
    if DATA.is_dir():
        files = [gzip.decompress(path.read_bytes()) for path in sorted(DATA.glob("*.jsonl.gz"))]
        return [json.loads(line)["text"] for file in files for line in file.splitlines()]
    rng = random.Random(0)
    words = ["the", "a", "which", "river", "proves", "cost", "of", "light", "council", "number", "early", "answers"]
    return [" ".join(rng.choice(words) for _ in range(9)) for _ in range(20_000)]


def prompts(rng: random.Random) -> Iterator[str]:
    given = sentences()
    while True:
        text = ""
        while len(text) < LENGTH:
            text += rng.choice(given) + " "
        yield text[:LENGTH]


def timed(call: Callable[[Any], object], values: list[Any]) -> dict[str, float]:
    walls, cpus = [], []
    for value in values:
        cpu, wall = thread_time_ns(), perf_counter()
        call(value)
        walls.append((perf_counter() - wall) * 1e6)
        cpus.append((thread_time_ns() - cpu) / 1e3)
    kinds = {"wall": walls, "cpu": cpus}
    return {f"{kind}_p{p}": round(float(np.percentile(costs, p)), 1) for kind, costs in kinds.items() for p in (50, 99)}


def exact() -> dict[str, float]:
    scope = Scope("acme", "chat", ("strong", "weak"), "0" * 32)
    store, clock = Store(1 << 28, SystemClock(), print), SystemClock()
    text = "x" * LENGTH
    payloads = [
        {"model": "chat", "temperature": 0.1, "messages": [{"role": "user", "content": f"{text}{at}"}]}
        for at in range(CALLS)
    ]
    for payload in payloads:
        found = key(payload, "chat", scope)
        store._memory.put(Entry(found.exact, found.partition, "acme", b"{}" * 500, "m", clock.wall(), 3600.0))

    def look(payload: dict[str, Any]) -> None:
        assert store.peek(key(payload, "chat", scope).exact, "acme") is not None

    return timed(look, payloads)


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    rng = random.Random(0)
    texts = prompts(rng)
    embed = StaticEmbedder().embed
    index = Index(DIMENSIONS)
    policy = BoundedPolicy(0.02, random=random.Random(0))
    semantic = Semantic(embed, index, policy)
    match = semantic.lookup(P, "a first request")
    started = perf_counter()
    for at in range(entries):
        text = next(texts)
        semantic.add(match._replace(text=text, vector=embed(text)), at.to_bytes(16, "little"))
    filled = perf_counter() - started
    for _ in range(500):  # the policy has learnt, so that it decides as it does later
        match = semantic.lookup(P, next(texts))
        semantic.learn(match, lambda entry: rng.random() < 0.5)
    asked = [next(texts) for _ in range(CALLS)]
    result = {"semantic": timed(lambda text: semantic.lookup(P, text), asked)}
    fresh = [next(texts) for _ in range(CALLS)]
    result["embedding"] = timed(embed, fresh)
    vectors = [embed(text) for text in fresh]
    result["search"] = timed(lambda vector: index.search(P, vector, 8), vectors)
    matches = [semantic.lookup(P, text) for text in fresh[:1000]]
    result["policy"] = timed(lambda match: policy.decide(match.text, match.neighbours, entries), matches)
    numbers = iter(range(1 << 40, 1 << 41))
    result["add"] = timed(lambda vector: index.add(P, next(numbers), vector), vectors[:1000])
    result["exact"] = exact()
    print(
        json.dumps(
            {"entries": entries, "characters": LENGTH, "calls": CALLS, "fill_s": round(filled, 1), "us": result},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
