"""What a routing decision costs, and what a cascade saves, as JSON: `python bench/routing.py`. Half a minute.

Microseconds of the thread's own CPU time, p50 and p99: the embedding, the surface features and the whole judgement,
for prompts of 150, 500 and 3,000 characters. `cold` has not seen such prompts before; `warm` has seen as many others.
The prompts are MMLU questions of ../shared/data/routing where that is, else sentences made up here; `worst` are random
letters, which no vocabulary knows. `strategies` is what `choose` of each kind costs, features and embedding included,
and learning for the bandit; `fixed` is the features and the timer alone. `intents` is how often `semantic` is right on
CLINC150 and Banking77 of ../shared/data/cache, over 10 draws of 20 intents with 10 examples. The cascade is
{gpt-4o-mini, gemini-1.5-flash} agree, else claude-3-5-sonnet, on the answers that ZeroEval recorded; tokens are
taken as four characters.
"""

import gzip
import json
import random
import string
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from time import perf_counter, thread_time_ns
from typing import Any

import numpy as np

from llmctl.embedding import StaticEmbedder
from llmctl.model.record import Decision
from llmctl.routing import TABLE
from llmctl.routing.base import Learner, ModelFacts, Strategy
from llmctl.routing.complexity_model import ComplexityModel, shipped
from llmctl.routing.evaluate import Answered, Cascade, Share, cascade, price
from llmctl.routing.extract import extract
from llmctl.routing.features import Features, Tools
from llmctl.routing.health import Health, HealthOptions
from llmctl.routing.semantic import Intent, Semantic, SemanticOptions
from llmctl.routing.surface import surface

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
DATA = SHARED / "routing"
LENGTHS = (150, 500, 3_000)
CALLS = 400

NAMES = ("a", "b", "c")
EXAMPLES = ["Fix the bug in this function", "How long does bread rise?", "Find me a cheap flight to Rome"]
OPTIONS: dict[str, dict[str, Any]] = {
    "fixed": {"model": "a"},
    "weighted": {"weights": {"a": 5, "b": 3, "c": 0.5}},
    "complexity": {"tiers": {"simple": "a", "medium": "b", "complex": "c"}},
    "cost": {"models": {"a": {"strength": 0}, "b": {"strength": 0.5}, "c": {"strength": 1}}, "min_quality": 0.75},
    "latency": {"models": NAMES},
    "cascade": {"panel": ["a", "b"], "strong": "c", "extract": "number"},
    "semantic": {
        "intents": {f"intent {at}": {"model": NAMES[at % 3], "examples": [EXAMPLES[at % 3]]} for at in range(20)},
        "default": "c",
    },
    "bandit": {"models": NAMES},
    "prefix": {"models": NAMES},
}

CHEAP = ("gpt-4o-mini-2024-07-18", "gemini-1.5-flash")
STRONG = "claude-3-5-sonnet-20241022"


def rows(name: str, folder: Path = DATA) -> list[dict[str, Any]]:
    with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def prose() -> str:
    """A long text of questions."""
    if DATA.is_dir():
        return " ".join(row["prompt"] for row in rows("routellm_mmlu.jsonl.gz"))
    rng = random.Random(0)
    words = ["the", "a", "which", "river", "proves", "cost", "of", "light", "council", "number", "early", "answers"]
    return " ".join(rng.choice(words) for _ in range(400_000))


def slices(text: str, length: int, start: int) -> list[str]:
    step = (len(text) - length - start) // CALLS
    return [text[start + at * step : start + at * step + length] for at in range(CALLS)]


def measured(call: Callable[[str], object], texts: Sequence[str]) -> dict[str, float]:
    costs = []
    for text in texts:
        started = thread_time_ns()
        call(text)
        costs.append((thread_time_ns() - started) / 1e3)
    return {name: round(float(np.quantile(costs, share)), 1) for name, share in (("p50_us", 0.5), ("p99_us", 0.99))}


def resident() -> float:
    """MB of this process in memory; 0.0 where the system does not tell."""
    file = Path("/proc/self/statm")
    return int(file.read_text().split()[1]) * 4096 / 1e6 if file.exists() else 0.0


def decisions() -> dict[str, Any]:
    text = prose()
    before, started = resident(), perf_counter()
    embedder = StaticEmbedder()
    model = ComplexityModel(shipped(), embedder)
    model.judge("warm up")
    result: dict[str, Any] = {
        "load_ms": round((perf_counter() - started) * 1e3, 1),
        "load_mb": round(resident() - before, 1),
    }
    for length in LENGTHS:
        cold = measured(model.judge, slices(text, length, 1))
        for other in slices(text, 3_000, 700):
            model.judge(other)
        texts = slices(text, length, 77)
        calls = {"embed": embedder.embed, "surface": surface, "judge": model.judge}
        result[str(length)] = {
            "cold": {"judge": cold},
            "warm": {name: measured(call, texts) for name, call in calls.items()},
        }
    rng = random.Random(0)
    worst = ["".join(rng.choices(string.ascii_letters + " ", k=3_000)) for _ in range(50)]
    return {**result, "worst 3000": measured(model.judge, worst), "after_mb": round(resident() - before, 1)}


def choosing(kind: str, embedder: StaticEmbedder) -> Callable[[str], object]:
    """One whole decision, from a text that nobody has looked at."""
    facts = {name: ModelFacts(1e-6 * at, 4e-6 * at) for at, name in enumerate(NAMES, 1)}
    strategy: Strategy = TABLE[kind](TABLE[kind].Options(**OPTIONS[kind]), facts)
    health = {name: Health(HealthOptions(), perf_counter) for name in NAMES}
    tools, rng, outcomes = Tools(embedder.embed, lambda text: ""), random.Random(0), cycle([True, True, False])

    def choose(text: str) -> Decision:
        messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": text}]
        features = Features({"messages": messages}, "chat", tools, tokens=lambda: len(text) // 4)
        decision = strategy.choose(strategy.models, features, health, rng)
        if isinstance(strategy, Learner):
            strategy.learn(decision, ok=next(outcomes), seconds=0.5, usd=None)
        return decision

    return choose


def strategies() -> dict[str, Any]:
    text, embedder = prose(), StaticEmbedder()
    for other in slices(text, 3_000, 700):
        embedder.embed(other)
    result: dict[str, Any] = {}
    for kind in TABLE:
        choose = choosing(kind, embedder)
        choose("warm up")
        result[kind] = {str(length): measured(choose, slices(text, length, 77)) for length in (150, 3_000)}
    return result


def intents(name: str, draws: int = 10, count: int = 20, examples: int = 10) -> dict[str, float]:
    """Shares of prompts: of known intents, right and sent to the default; of others, rightly sent to the default."""
    said: dict[str, list[str]] = defaultdict(list)
    for row in rows(f"{name}.jsonl.gz", SHARED / "cache"):
        said[row["intent"]].append(row["text"])
    tools, rng = Tools(StaticEmbedder().embed, lambda text: ""), random.Random(0)
    known: list[str] = []
    strange: list[str] = []
    for _ in range(draws):
        names = rng.sample(sorted(said), 2 * count)
        mixed = {one: rng.sample(said[one], min(len(said[one]), examples + 30)) for one in names}
        kinds = {one: Intent(model=one, examples=tuple(mixed[one][:examples])) for one in names[:count]}
        strategy = Semantic(SemanticOptions(intents=kinds, default=""), {})
        for one in names:
            for text in mixed[one][examples:]:
                features = Features({"messages": [{"role": "user", "content": text}]}, "chat", tools, tokens=int)
                chosen = strategy.choose(strategy.models, features, {}, rng).model
                (known if one in kinds else strange).append("right" if chosen == one else chosen)
    shares = (known.count("right") / len(known), known.count("") / len(known), strange.count("") / len(strange))
    return {what: round(share, 3) for what, share in zip(("right", "default", "strange"), shares, strict=True)}


def prices() -> dict[str, tuple[float, float]]:
    """US dollars a million tokens, input and output, of a call of ordinary size."""
    from genai_prices import Usage, calc_price

    found = {}
    for model, provider in zip((*CHEAP, STRONG), ("openai", "google", "anthropic"), strict=True):
        one = calc_price(Usage(input_tokens=1000, output_tokens=1000), model, provider_id=provider)
        found[model] = (float(one.input_price) * 1e3, float(one.output_price) * 1e3)
    return found


def zeroeval(resamples: int = 10_000) -> Cascade:
    """The cascade over ZeroEval's 1,421 prompts: numbers for the maths, a literal for what a function returns."""
    right = {(row["model"], row["id"]): row for row in rows("zeroeval_results.jsonl.gz")}
    said = {
        name: {row["id"]: row["output"] for row in rows(f"zeroeval_outputs/{name}.jsonl.gz")}
        for name in (*CHEAP, STRONG)
    }
    cost = prices()

    def answered(name: str, prompt: dict[str, Any]) -> Answered:
        one = right[name, prompt["id"]]
        answer = extract(said[name][prompt["id"]], "code" if prompt["id"].startswith("crux") else "number")
        lengths = (len(prompt["prompt"]), one["output_chars"])
        return Answered(answer, bool(one["correct"]), price(cost[name], lengths))

    prompts = rows("zeroeval_prompts.jsonl.gz")
    table = [([answered(name, prompt) for name in CHEAP], answered(STRONG, prompt)) for prompt in prompts]
    return cascade(table, resamples=resamples)


def main() -> None:
    result: dict[str, Any] = {"decision": decisions(), "strategies": strategies()}
    if DATA.is_dir():
        result["intents"] = {name: intents(name) for name in ("clinc150_trainval", "banking77_train")}
        found = zeroeval()
        result["cascade"] = {k: v._asdict() if isinstance(v, Share) else v for k, v in found._asdict().items()}
    else:
        print(f"{DATA} is not here: no cascade, and made-up prompts", file=sys.stderr)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
