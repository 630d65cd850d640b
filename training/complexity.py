# ruff: noqa: T201 - a script that prints its report
"""Trains the complexity model's shipped weights: OMP_NUM_THREADS=1 python training/complexity.py. Half a minute.

Reads ../shared/data/routing (RouteLLM and ZeroEval, Apache-2.0) and, for the tiers only, the ordinary queries of
../shared/data/injection (HaluEval, MIT). Writes llmctl/routing/weights/complexity.json, the same bytes each time, and
prints the figures of training/cards/complexity.md. `--quick` leaves the figures out and writes the same file.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "training")]

import complexity_prior  # noqa: E402 - after the path

from llmctl.embedding import StaticEmbedder  # noqa: E402
from llmctl.routing import complexity_fit as fitting  # noqa: E402
from llmctl.routing import complexity_model as model  # noqa: E402
from llmctl.routing.evaluate import routing  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
PROMPTS = "routing/zeroeval_prompts.jsonl.gz"
WEAK, STRONG = "Meta-Llama-3.1-8B-Instruct", "gpt-4o-2024-08-06"
PRIOR_WEIGHT = 2.0  # of a request of complexity_prior.py: together they weigh a thirtieth of all
OPEN_WEIGHT = 0.5  # of a question without its options, the second time that it is seen
ORDINARY = 4_000

PROBES = (
    "hi", "What is the capital of France?", "Translate 'good morning' into Spanish.", "Write a haiku about autumn.",
    "Summarise this email in two sentences: the meeting moved to Tuesday, please bring the budget.",
    "I lost my card, what do I do?", "def f(xs):\n    return sorted(set(xs))[::-1]\nWhat does f([3, 1, 3]) return?",
    "Prove that the square root of 2 is irrational.",
    "Derive the gradient of the cross-entropy loss with respect to the logits, step by step.",
    "Design a rate limiter for a distributed API gateway and analyse the trade-offs between consistency and latency.",
    "A train leaves at 3 pm at 60 km/h, another at 4 pm at 90 km/h. When does the second catch up?",
)  # fmt: skip


class Row(NamedTuple):
    """A question, the fold and the source that it is in, what it weighs, and who was right."""

    prompt: str
    source: str
    group: str
    weight: float
    strong: bool
    weak: bool


def lines(path: str) -> list[dict[str, Any]]:
    """Rows of a JSON-lines file of the data."""
    file = DATA / path
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as text:
        return [json.loads(line) for line in text]


def mmlu() -> list[Row]:
    """Each question as it was asked, and once more without its options, as people ask."""
    rows = []
    for one in lines("routing/routellm_mmlu.jsonl.gz"):
        prompt, right = one["prompt"], (bool(one["gpt4"]), bool(one["mixtral"]))
        rows.append(Row(prompt, "mmlu", prompt, 1.0, *right))
        stem = prompt.partition("\nA. ")[0]
        rows.append(Row(stem, "mmlu open", prompt, OPEN_WEIGHT, *right))
    return rows


def zeroeval() -> list[Row]:
    """Grade-school maths, competition maths, what a function returns; the question without ZeroEval's instruction."""
    right: dict[str, dict[str, bool]] = {WEAK: {}, STRONG: {}}
    for one in lines("routing/zeroeval_results.jsonl.gz"):
        if one["model"] in right:
            right[one["model"]][one["id"]] = bool(one["correct"])
    rows = []
    for one in lines(PROMPTS):
        question = one["prompt"].partition("## Question:")[2].partition("## Instruction")[0].strip()
        assert question
        rows.append(Row(question, "zeroeval", one["id"], 1.0, right[STRONG][one["id"]], right[WEAK][one["id"]]))
    return rows


def prior() -> list[Row]:
    """What is assumed, not measured."""
    return [Row(text, "prior", part, PRIOR_WEIGHT, True, not hard) for text, part, hard in complexity_prior.rows()]


def fitted(rows: list[Row], found: fitting.Features, kept: np.ndarray, **more: Any) -> model.Weights:
    """Weights from the rows that are kept."""
    strong, weak, weights = (np.array([getattr(row, name) for row in rows]) for name in ("strong", "weak", "weight"))
    part = fitting.Features(found.embeddings[kept], found.surfaces[kept])
    return fitting.fit(part, strong[kept], weak[kept], rows=weights[kept], **more)


def report(rows: list[Row], found: fitting.Features) -> None:
    """Figures by source: by five folds over everything, and by a model that has seen nothing of the source."""
    sources = np.array([row.source for row in rows])
    fold = fitting.folds([row.group for row in rows])
    joint = np.zeros(len(rows))
    for one in range(fitting.FOLDS):
        joint[fold == one] = fitting.scores(fitted(rows, found, fold != one), found)[fold == one]
    assumed = sources == "prior"
    for name, mine in (("easy", assumed & np.array([row.weak for row in rows])), ("hard", assumed)):
        print(
            f"prior, {name if name == 'easy' else 'all'}: mean score by folds of whole kinds {joint[mine].mean():.3f}"
        )
    for source in ("mmlu", "mmlu open", "zeroeval"):
        kept = ~np.char.startswith(sources, source.split()[0])
        away = fitting.scores(fitted(rows, found, kept), found)
        for name, scores in (("five folds", joint), ("without the source", away)):
            mine = sources == source
            labels = (np.array([getattr(row, side) for row in rows])[mine] for side in ("strong", "weak"))
            out = routing(scores[mine], *labels)
            assert out.interval is not None
            shown = ", ".join(
                f"{k} {v:.3f} {tuple(round(x, 3) for x in out.interval[k])}" for k, v in out.value._asdict().items()
            )
            print(f"{source:10} {name:18} n={out.n} weak {out.weak:.3f} strong {out.strong:.3f}: {shown}", flush=True)


def by_subject(found: fitting.Features) -> None:
    """MMLU alone, as `route bench` does it, and with whole subjects left out, ten groups of them."""
    rows = lines("routing/routellm_mmlu.jsonl.gz")
    only = fitting.Features(found.embeddings[: 2 * len(rows) : 2], found.surfaces[: 2 * len(rows) : 2])
    strong, weak = (np.array([bool(row[side]) for row in rows]) for side in ("gpt4", "mixtral"))
    subjects = sorted({row["subject"] for row in rows})
    groups = np.array([subjects.index(row["subject"]) % 10 for row in rows])
    for name, fold in (("folds", fitting.folds([row["prompt"] for row in rows])), ("whole subjects", groups)):
        out = routing(fitting.out_of_fold(only, strong, weak, fold), strong, weak)
        print(f"mmlu alone, {name}: {out.value} {out.interval}", flush=True)


def main() -> None:
    """Fits, reports, writes."""
    embedder = StaticEmbedder()
    rows = [*mmlu(), *zeroeval(), *prior()]
    found = fitting.features([row.prompt for row in rows], embedder)
    ordinary = [row["text"] for row in lines("injection/benign_queries.jsonl")][:ORDINARY]
    # Tiers: ordinary queries and labelled questions, half and half.
    measured = sum(row.source != "prior" for row in rows)
    some = np.linspace(0, measured - 1, ORDINARY).astype(int)
    usual = fitting.features(ordinary, embedder)
    calibration = fitting.Features(
        np.vstack((usual.embeddings, found.embeddings[some])), np.vstack((usual.surfaces, found.surfaces[some]))
    )
    about: dict[str, Any] = {"weak": f"Mixtral-8x7B, {WEAK}", "strong": f"GPT-4-1106, {STRONG}", "rows": len(rows)}
    about["data"] = (
        "RouteLLM MMLU, ZeroEval (Apache-2.0); tiers: HaluEval queries (MIT); assumed: training/complexity_prior.py"
    )
    asked = ([row.prompt for row in rows if row.source == "mmlu"], [row["prompt"] for row in lines(PROMPTS)])
    about["fingerprints"] = [fitting.fingerprint(prompts) for prompts in asked]
    weights = fitted(rows, found, np.ones(len(rows), bool), calibration=calibration, about=about)
    if "--quick" not in sys.argv:
        by_subject(found)
        report(rows, found)
    model.PATH.parent.mkdir(exist_ok=True)
    model.PATH.write_text(model.dump(weights), encoding="utf-8")
    judged = model.ComplexityModel(model.parse(model.PATH.read_bytes()), embedder)
    parts = [("ordinary", ordinary), ("labelled", [row.prompt for row in rows[:measured]])]
    parts += [(f"prior, {name}", [row.prompt for row in rows if row.source == "prior" and row.weak == easy])
              for name, easy in (("easy", True), ("hard", False))]  # fmt: skip
    for name, texts in parts:
        tiers = [judged.judge(text).tier for text in texts]
        print(name, {tier: round(tiers.count(tier) / len(tiers), 3) for tier in ("simple", "medium", "complex")})
    for probe in PROBES:
        one = judged.judge(probe)
        print(f"{one.tier:8} {one.score:+.3f} strong {one.strong:.2f} weak {one.weak:.2f}  {probe[:70]!r}")


if __name__ == "__main__":
    main()
