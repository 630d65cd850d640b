"""What embedders cost, as JSON: `python bench/embedding.py`. Half a minute.

`static`: microseconds of the built-in one for texts of 150 and 3,000 characters, new ones of words that came before,
p50 and p99.

`endpoint`: 64 texts at once, and 64 that come over 10 ms, to a scripted `/v1/embeddings` on the loopback that takes
10 ms for a call whatever is in it: calls, and milliseconds from a text to its vector, by window (and one text a call).
What batching saves is calls; a service whose calls take longer the more is in them gains less.

`onnx`: a model of a few bytes that is written here, so it tells what is around the model, not what a model costs.
Left out where the extra `onnx` is not installed.
"""

import asyncio
import json
import random
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from llmctl.clock import SystemClock
from llmctl.embedding import StaticEmbedder
from llmctl.embedding.base import Embedder
from llmctl.embedding.endpoint import Endpoint, EndpointOptions
from llmctl.embedding.onnx import Onnx, OnnxOptions
from llmctl.net.pool import Pool
from llmctl.providers.script import Script
from llmctl.testing.scripted import ScriptedServer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

WORDS = ["the", "a", "which", "river", "proves", "cost", "of", "light", "council", "number", "seldom", "paper"]
TEXTS = 64
ROUNDS = 20
CALLS = 2000
SPREAD = 0.010


def texts(rng: random.Random, length: int, count: int) -> list[str]:
    """Texts of words and numbers, each another."""
    return [
        " ".join(f"{rng.choice(WORDS)} {rng.choice(WORDS)}{rng.randrange(10)}" for _ in range(length // 10))[:length]
        for _ in range(count)
    ]


def percentiles(values: list[float], factor: float) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)) * factor, 2) for p in (50, 99)}


def static() -> dict[str, Any]:
    embedder, rng = StaticEmbedder(), random.Random(0)
    embedder.load()
    found = {}
    for length in (150, 3000):
        walls = []
        for text in texts(rng, length, CALLS):
            start = perf_counter()
            embedder.embed(text)
            walls.append(perf_counter() - start)
        found[f"{length} characters, µs"] = percentiles(walls, 1e6)
    return found


async def latencies(embedder: Embedder, spread: float, rng: random.Random) -> list[float]:
    """Seconds that each text took, of rounds of TEXTS that come at once or over `spread` seconds."""

    async def one(text: str, after: float) -> float:
        if after:
            await asyncio.sleep(after)
        start = perf_counter()
        await embedder.vector(text)
        return perf_counter() - start

    found: list[float] = []
    for _ in range(ROUNDS):
        given = texts(rng, 150, TEXTS)
        found += await asyncio.gather(*(one(text, spread * at / TEXTS) for at, text in enumerate(given)))
    return found


async def endpoint() -> dict[str, Any]:
    found: dict[str, Any] = {}
    pool, rng = Pool(SystemClock()), random.Random(1)
    settings: dict[str, dict[str, Any]] = {
        "one text a call": {"window": 0, "batch": 1},
        "window 0": {"window": 0, "batch": 32},
        "window 5 ms": {"window": 0.005, "batch": 32},
    }
    async with ScriptedServer(Script(embedding_dim=384, latency=0.010)) as server:
        for spread in (0.0, SPREAD):
            for name, given in settings.items():
                made = Endpoint(EndpointOptions(url=server.base_url, model="any", **given), pool, SystemClock())
                await made.start()
                before = server.count
                walls = await latencies(made, spread, rng)
                calls = (server.count - before) / ROUNDS
                label = f"{TEXTS} texts over {spread * 1e3:g} ms, {name}"
                found[label] = {"calls": calls, "ms": percentiles(walls, 1e3)}
                await made.close()
    pool.close()
    return found


async def onnx() -> dict[str, Any]:
    from tests.embedding.test_onnx import folder  # needs the path set above

    found: dict[str, Any] = {"model": "a table of 8 words, written here"}
    with TemporaryDirectory() as path:
        for name, batch in (("one text a call", 1), ("batches of 32", 32)):
            options = OnnxOptions(path=str(folder(Path(path))), window=0, batch=batch)
            made = Onnx(options, Pool(SystemClock()), SystemClock())
            await made.vector("a text that starts the thread")
            walls = await latencies(made, 0.0, random.Random(2))
            found[f"{TEXTS} texts at once, {name}, ms"] = percentiles(walls, 1e3)
            await made.close()
            for file in Path(path).iterdir():
                file.unlink()
    return found


def main() -> None:
    parts: dict[str, Callable[[], Any]] = {"static": static, "endpoint": lambda: asyncio.run(endpoint())}
    if find_spec("onnxruntime") and find_spec("tokenizers"):
        parts["onnx"] = lambda: asyncio.run(onnx())
    json.dump({name: part() for name, part in parts.items()}, sys.stdout, indent=2, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
