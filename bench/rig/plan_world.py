"""The worlds of bench/plan.py: prompts whose every model's outcome is known, traffic from them, and its records.

Of ../shared/data: ZeroEval (who was right, how long the answers were) and RouteLLM's MMLU (who was right), with
arrivals and lengths from the Azure trace. What a model would have done with a prompt is fixed, so that a replay is the
truth.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.gateway.branch import Branch
from llmctl.gateway.build import routing
from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.target import Standing
from llmctl.model.record import Decision, Record
from llmctl.model.usage import Cost, Usage
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health, HealthOptions

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TENANTS = {"acme": 0.3, "globex": 0.7}
ZEROEVAL = {
    "gpt-4o-2024-08-06": (2.5, 10.0), "gpt-4o-mini-2024-07-18": (0.15, 0.6),
    "claude-3-5-sonnet-20241022": (3.0, 15.0),
    "claude-3-haiku-20240307": (0.25, 1.25), "gemini-1.5-flash": (0.075, 0.3),
    "Meta-Llama-3.1-8B-Instruct": (0.05, 0.1),
}  # fmt: skip
MMLU = {"gpt4": (10.0, 30.0), "mixtral": (0.6, 0.6)}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """(prompts, models) outcomes: dollars, seconds and 1 where the answer is right. `prices` per million tokens."""

    models: tuple[str, ...]
    prices: Mapping[str, tuple[float, float]]
    texts: tuple[str, ...]
    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    usd: Floats
    seconds: Floats
    right: Floats
    arrivals: Floats

    def yaml(self, *, leave_out: str = "") -> str:
        """Providers, models and prices of a configuration."""
        names = [name for name in self.models if name != leave_out]
        models = ", ".join(f'"{name}": {{provider: up}}' for name in names)
        prices = ", ".join(f'"{n}": {{input: {self.prices[n][0]}, output: {self.prices[n][1]}}}' for n in names)
        return (
            'providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\n'
            f"models: {{{models}}}\nprices: {{models: {{{prices}}}}}\nguardrails: {{preset: none}}\n"
            f"keys: [{', '.join(_key(tenant) for tenant in TENANTS)}]\n"
        )


@dataclass(frozen=True, slots=True)
class Request:
    """Which prompt, whose, when."""

    prompt: int
    tenant: str
    user: str
    started: float

    def payload(self, world: World) -> dict[str, Any]:
        """As a client sends it."""
        said = [{"role": "user", "content": world.texts[self.prompt]}]
        return {"model": "auto", "messages": said, "user": self.user}


def zeroeval() -> World:
    """Six models, 1,421 prompts of mathematics and code."""
    rows = list(_rows("routing/zeroeval_prompts.jsonl.gz"))
    at = {row["id"]: number for number, row in enumerate(rows)}
    right, chars = np.zeros((len(rows), len(ZEROEVAL))), np.zeros((len(rows), len(ZEROEVAL)))
    column = {name: number for number, name in enumerate(ZEROEVAL)}
    for row in _rows("routing/zeroeval_results.jsonl.gz"):
        if row["model"] in column and row["id"] in at:
            right[at[row["id"]], column[row["model"]]] = row["correct"]
            chars[at[row["id"]], column[row["model"]]] = row["output_chars"]
    return _world(ZEROEVAL, [row["prompt"] for row in rows], right, np.maximum(1, chars // 4).astype(np.int64))


def mmlu() -> World:
    """Two models, 7,023 questions; lengths of answers from the Azure trace."""
    rows = list(_rows("routing/routellm_mmlu.jsonl.gz"))
    lengths = [row["generated_tokens"] for row in _rows("traffic/azure2023_code.jsonl.gz")]
    output = np.array([[lengths[(at + 31 * m) % len(lengths)] for m in range(2)] for at in range(len(rows))])
    right = np.array([[float(row["gpt4"]), float(row["mixtral"])] for row in rows])
    return _world(MMLU, [row["prompt"] for row in rows], right, np.maximum(1, output))


def _world(prices: Mapping[str, tuple[float, float]], texts: list[str], right: Floats, output: Any) -> World:
    random = np.random.default_rng(7)
    prompt = np.array([max(1, len(text) // 4) for text in texts])
    rates = np.array(list(prices.values())) / 1e6
    usd = prompt[:, None] * rates[:, 0] + output * rates[:, 1]
    slow = 0.004 + 0.012 * np.arange(len(prices)) / len(prices)
    seconds = (0.2 + output * slow) * random.lognormal(0, 0.35, output.shape)
    rows = list(_rows("traffic/azure2023_code.jsonl.gz"))
    stamps = np.array([row["timestamp"][:26] for row in rows], dtype="datetime64[us]").astype(np.float64) / 1e6
    return World(tuple(prices), prices, tuple(texts), prompt, output, usd, seconds, right, stamps - stamps[0])


def traffic(world: World, count: int, random: Random) -> list[Request]:
    """Requests at the trace's times, whose prompts are drawn from all there are."""
    tenants, shares = list(TENANTS), list(TENANTS.values())
    return [
        Request(
            random.randrange(len(world.texts)), random.choices(tenants, shares)[0], f"u{random.randrange(count // 3)}",
            1_790_000_000 + float(world.arrivals[at % len(world.arrivals)]),
        )
        for at in range(count)
    ]  # fmt: skip


class Serving:
    """A configuration's route, really choosing."""

    def __init__(self, loaded: Loaded, world: World) -> None:
        clock = SystemClock()
        routes, facts = routing(loaded, clock)
        self.branch: Branch = routes.branches["auto"]
        now = clock.monotonic
        self._standings = {
            name: Standing(Breaker(BreakerOptions(), now), Health(HealthOptions(), now), None, now) for name in facts
        }
        self._health = {name: standing.health for name, standing in self._standings.items()}
        self._tools = feature_tools()
        self._world = world

    def features(self, request: Request) -> Features:
        """What the route may know of a request."""
        payload = request.payload(self._world)
        tokens = -(-len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()) // 4)
        return Features(payload, "chat", self._tools, tokens=lambda: tokens, tenant=request.tenant, key=request.tenant)

    def decide(self, features: Features, random: Random) -> Decision:
        """Its choice."""
        decision, _ = self.branch.decide(features, self._standings, self._health, random)
        return decision

    def segment(self, request: Request) -> int | None:
        """Which rule holds."""
        return self.branch.chosen(self.features(request))[0]


def record(world: World, request: Request, decision: Decision, digest: str, number: int) -> Record:
    """What the gateway would have written."""
    at, column = request.prompt, world.models.index(decision.model)
    usage = Usage(int(world.prompt[at]), output=int(world.output[at, column]), source="provider")
    return Record(
        f"req_{number}", request.started, int(world.seconds[at, column] * 1e6), "ok", 200, policy=digest,
        tenant=request.tenant, key=request.tenant, operation="chat", requested_model="auto", model=decision.model,
        provider="up", decision=decision, usage=usage, cost=Cost(float(world.usd[at, column]), "exact", "bench"),
        finish_reason="stop", request=request.payload(world),
    )  # fmt: skip


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _key(tenant: str) -> str:
    return f"{{id: {tenant}, tenant: {tenant}, hash: '{'0' * 32}:{'0' * 64}'}}"
