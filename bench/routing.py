"""What a routing decision costs, and what a cascade saves, as JSON: `python bench/routing.py`. Half a minute.

Microseconds of the thread's own CPU time, p50 and p99: the embedding, the surface features and the whole judgement,
for prompts of 150, 500 and 3,000 characters. `cold` has not seen such prompts before; `warm` has seen as many others.
The prompts are MMLU questions of ../shared/data/routing where that is, else sentences made up here; `worst` are random
letters, which no vocabulary knows. The cascade is {gpt-4o-mini, gemini-1.5-flash} agree, else claude-3-5-sonnet, on the
answers that ZeroEval recorded; tokens are taken as four characters.
"""

import gzip
import json
import random
import string
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, thread_time_ns
from typing import Any

import numpy as np

from llmctl.embedding import StaticEmbedder
from llmctl.routing.complexity_model import ComplexityModel, shipped
from llmctl.routing.evaluate import Answered, Cascade, Share, cascade, price
from llmctl.routing.extract import extract
from llmctl.routing.surface import surface

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "routing"
LENGTHS = (150, 500, 3_000)
CALLS = 400

CHEAP = ("gpt-4o-mini-2024-07-18", "gemini-1.5-flash")
STRONG = "claude-3-5-sonnet-20241022"


def rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
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
    result: dict[str, Any] = {"decision": decisions()}
    if DATA.is_dir():
        found = zeroeval()
        result["cascade"] = {k: v._asdict() if isinstance(v, Share) else v for k, v in found._asdict().items()}
    else:
        print(f"{DATA} is not here: no cascade, and made-up prompts", file=sys.stderr)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
