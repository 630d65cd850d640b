"""Fits llmctl/guards/weights/grounding.json: how much each lexical feature says about support.

    python training/grounding.py fit --data ../shared/data/grounding
    python training/grounding.py measure --data ../shared/data/grounding

Needs numpy and scipy (with scikit-learn, in a development environment only). `fit` prints cross-validated figures;
`measure` prints the held-out ones. The card is training/cards/grounding.md.
"""

import argparse
import gzip
import hashlib
import json
import random
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from llmctl.guards.support import FEATURES, WEIGHTS, Grounds, Model, load
from llmctl.guards.support_text import is_aside, sentences, tokens

Vector = Any  # numpy's arrays; the shapes are in the comments


class Row(NamedTuple):
    """An answer, its passages, whether they support it (1) or not (0), and how much it counts in the fit."""

    text: str
    context: tuple[str, ...]
    question: str
    supported: int
    weight: float = 1.0


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON lines file, compressed or not."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in raw.decode().splitlines()]


def begin_v1(path: Path) -> list[tuple[Row, str]]:
    """BEGIN v1 with its gold labels; only `entailment` is supported."""
    return [
        (
            Row(r["response"], (r["evidence"],), r["previous turn"], int(r["gold label"] == "entailment")),
            r["gold label"],
        )
        for r in lines(path)
    ]


def begin_v2(path: Path) -> list[Row]:
    """BEGIN v2 without `Generic`, which makes no claim that could be supported."""
    return [
        Row(r["response"], (r["knowledge"],), r["message"], int(r["begin_label"] == "Fully attributable"))
        for r in lines(path)
        if r["begin_label"] != "Generic"
    ]


def perturbed(rows: Iterable[Row], seed: int = 7) -> list[Row]:
    """Shortened passage sentences (supported) and the same with a number, name or negation changed (not).

    BEGIN has few of these in cased text, and a gateway sees little else.
    """
    draw = random.Random(seed)
    passages = sorted({passage for row in rows for passage in row.context})
    names = sorted({t.raw for p in passages for t in tokens(p) if t.raw[0].isupper() and t.content and len(t.raw) > 3})
    made = []
    for passage in passages:
        spans = [span for span in sentences(passage) if 60 <= span[1] - span[0] <= 300]
        for start, end in draw.sample(spans, min(3, len(spans))):
            words = passage[start:end].split()
            cut = draw.randrange(1, len(words) // 3 + 1)
            at = draw.randrange(1, len(words) - cut)
            kept = words[:at] + words[at + cut :]
            made.append(Row(" ".join(kept), (passage,), "", 1, 0.05))
            if (changed := _changed(kept, names, draw)) is not None:
                made.append(Row(changed, (passage,), "", 0, 0.05))
            made.append(Row(passage[start:end], (draw.choice(passages),), "", 0, 0.02))
    return made


def _changed(words: list[str], names: list[str], draw: random.Random) -> str | None:
    text = " ".join(words)
    ways = [
        re.search(r"\d+", text),
        re.search(r"(?<=[a-z] )[A-Z][a-z]{3,}", text),
        re.search(r"\b(is|was|were|are)\b", text),
    ]
    kinds = [kind for kind, found in enumerate(ways) if found]
    if not kinds:
        return None
    kind = draw.choice(kinds)
    found = ways[kind]
    assert found is not None
    if kind == 0:
        new = str(int(found[0]) + draw.randrange(1, 30))
    else:
        new = draw.choice(names) if kind == 1 else f"{found[0]} not"
    return text[: found.start()] + new + text[found.end() :]


class Bag(NamedTuple):
    """The features of a row's sentences, (n, features), those said verbatim left out; `clean` if none were left."""

    values: Vector
    row: Row


def bag(row: Row) -> Bag:
    """Its sentences' features. A row without a claim, or all verbatim, has none."""
    grounds = Grounds(row.context)
    asked = {token.stem for token in tokens(row.question) if token.content}
    values = []
    for start, end in sentences(row.text):
        sentence = row.text[start:end]
        found = tokens(sentence)
        if any(token.content for token in found) and not is_aside(sentence) and not grounds.verbatim(found):
            values.append(grounds.features(sentence, found, asked)[0])
    return Bag(np.array(values, dtype=float).reshape(-1, len(FEATURES)), row)


def fit_once(x: Vector, y: Vector, weight: Vector, penalty: float) -> Vector:
    """Coefficients and intercept of a logistic regression within the bounds of FEATURES."""

    def loss(theta: Vector) -> tuple[float, Vector]:
        z = x @ theta[:-1] + theta[-1]
        p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        value = np.sum(weight * np.logaddexp(0, np.where(y == 1, -z, z))) + penalty * np.sum(theta[:-1] ** 2) / 2
        slope = weight * (p - y)
        return value, np.append(x.T @ slope + penalty * theta[:-1], slope.sum())

    bounds = [*((low, high) for _, low, high in FEATURES), (None, None)]
    start = [high or 0.0 for _, high in bounds]
    return minimize(loss, np.array(start), jac=True, bounds=bounds, method="L-BFGS-B").x


def fit(bags: list[Bag], penalty: float = 1.0, rounds: int = 4) -> Vector:
    """An answer is as supported as its worst sentence: find that with the last fit, fit again."""
    bags = [b for b in bags if len(b.values)]
    y = np.array([b.row.supported for b in bags])
    weight = np.array([b.row.weight for b in bags])
    worst = np.array([b.values.mean(axis=0) for b in bags])
    theta: Vector = None
    for _ in range(rounds):
        balance = np.where(y == 1, 0.5 / np.average(y, weights=weight), 0.5 / (1 - np.average(y, weights=weight)))
        theta = fit_once(worst, y, weight * balance, penalty)
        worst = np.array([b.values[np.argmin(b.values @ theta[:-1])] for b in bags])
    return theta


def model_of(theta: Vector, thresholds: dict[str, float], citation: dict[str, float]) -> Model:
    """The regression as the guards load it."""
    names = tuple(name for name, *_ in FEATURES)
    rounded = tuple(round(float(value), 4) + 0.0 for value in theta)
    return Model(names, rounded[:-1], rounded[-1], thresholds, citation)


def support(model: Model, row: Row) -> float:
    """The support of the worst sentence; 1 if nothing is claimed."""
    found = [claim.support for claim in Grounds(row.context).claims(row.text, model, row.question)]
    return min(found, default=1.0)


def coverage(model: Model, row: Row) -> float:
    """What the passages have of the words of the worst covered sentence."""
    found = [claim.coverage for claim in Grounds(row.context).claims(row.text, model)]
    return min(found, default=1.0)


def auc(good: Iterable[float], bad: Iterable[float]) -> float:
    """The chance that a supported row scores above an unsupported one."""
    a, b = np.sort(np.array(list(bad))), np.array(list(good))
    return float((np.searchsorted(a, b, "left") + np.searchsorted(a, b, "right")).sum() / (2 * len(a) * len(b)))


def balanced_accuracy(scores: Vector, y: Vector, threshold: float) -> float:
    """The mean of the shares right among supported and unsupported."""
    return float(((scores[y == 1] >= threshold).mean() + (scores[y == 0] < threshold).mean()) / 2)


def presets(scores: Vector, y: Vector) -> dict[str, float]:
    """strict: 95% of unsupported found; balanced: best balanced accuracy; lenient: 5% of supported flagged."""
    grid = np.arange(0.02, 0.99, 0.01)
    best = grid[np.argmax([balanced_accuracy(scores, y, t) for t in grid])]
    strict = max(float(np.quantile(scores[y == 0], 0.95)), best)
    lenient = min(float(np.quantile(scores[y == 1], 0.05)), best)
    return {"strict": round(strict, 3), "balanced": round(float(best), 3), "lenient": round(lenient, 3)}


def fold(row: Row, count: int = 5) -> int:
    """By passage, so that no passage is in two folds."""
    return hashlib.blake2b("\n".join(row.context).encode(), digest_size=4).digest()[0] % count


def citations(folder: Path, half: int) -> list[tuple[Row, str]]:
    """citation_dev of one half of the claims: 0 sets the thresholds, 1 is only measured."""
    rows = lines(folder / "citation_dev.jsonl")
    chosen = [r for r in rows if hashlib.blake2b(r["claim"].encode()).digest()[0] % 2 == half]
    return [(Row(r["claim"], tuple(r["cited"]), "", int(r["label"] == "supported")), r["label"]) for r in chosen]


def training_rows(folder: Path) -> tuple[list[Row], list[Row]]:
    """Real rows (CC BY 4.0 files only) without those that are in the test file, and perturbed ones."""
    test = {(row.context, row.text) for row, _ in begin_v1(folder / "begin_v1_test.jsonl.gz")}
    real = [row for row, _ in begin_v1(folder / "begin_v1_dev.jsonl.gz")]
    real += begin_v2(folder / "begin_dev_wow.jsonl.gz") + begin_v2(folder / "begin_dev_cmu.jsonl.gz")
    real = [row for row in real if (row.context, row.text) not in test]
    return real, perturbed(real)


def train(folder: Path) -> dict[str, Any]:
    """Cross-validates, sets the thresholds on what was held out of each fold, fits to everything and writes."""
    real, made = training_rows(folder)
    bags = {row: bag(row) for row in [*real, *made]}
    scores = np.zeros(len(real))
    for held in range(5):
        theta = fit([b for row, b in bags.items() if fold(row) != held])
        model = model_of(theta, {}, {})
        for at, row in enumerate(real):
            if fold(row) == held:
                scores[at] = support(model, row)
    y = np.array([row.supported for row in real])
    thresholds = presets(scores, y)
    theta = fit(list(bags.values()))
    far = [(row, label) for row, label in citations(folder, 0) if label in ("supported", "wrong_source_other_article")]
    model = model_of(theta, thresholds, {})
    cited = np.array([coverage(model, row) for row, _ in far])
    model = model_of(theta, thresholds, presets(cited, np.array([row.supported for row, _ in far])))
    named = {name: getattr(model, name) for name in Model.__struct_fields__}
    WEIGHTS.parent.mkdir(exist_ok=True)
    WEIGHTS.write_text(json.dumps(named, indent=1) + "\n")
    cross = balanced_accuracy(scores, y, thresholds["balanced"])
    return {"rows": len(real), "perturbed": len(made), "cv_balanced_accuracy": cross, "model": named}


def measure(folder: Path) -> dict[str, Any]:
    """The held-out figures with the shipped weights."""
    model = load()
    at = model.thresholds["balanced"]
    scored = [(support(model, row), row.supported, label) for row, label in begin_v1(folder / "begin_v1_test.jsonl.gz")]
    out: dict[str, Any] = {"begin_v1_test": _figures(scored, at, lambda _: True)}
    out["begin_v1_test_without_generic"] = _figures(scored, at, lambda label: label != "generic")
    topical = [(support(model, row), row.supported, "") for row in begin_v2(folder / "begin_dev_tc.jsonl.gz")]
    out["begin_dev_tc"] = _figures(topical, at, lambda _: True)
    cited = [(coverage(model, row), row.supported, label) for row, label in citations(folder, 1)]
    for label in ("wrong_source_other_article", "wrong_source_same_article", "refuted"):
        pair = {"supported", label}
        out[f"citation_{label}"] = _figures(cited, model.citation_thresholds["balanced"], pair.__contains__)
    rows = lines(folder / "fool_me_twice_dev.jsonl.gz")
    fooled = [
        (support(model, Row(r["claim"], tuple(r["gold_evidence"]), "", 0)), int(r["label"] == "SUPPORTS"), "")
        for r in rows
    ]
    out["fool_me_twice"] = _figures(fooled, at, lambda _: True)
    return out


def _figures(scored: list[tuple[float, int, str]], threshold: float, keep: Callable[[str], bool]) -> dict[str, float]:
    kept = [(score, y) for score, y, label in scored if keep(label)]
    scores, y = np.array([s for s, _ in kept]), np.array([y for _, y in kept])
    return {
        "n": len(kept),
        "balanced_accuracy": round(balanced_accuracy(scores, y, threshold), 3),
        "auc": round(auc(scores[y == 1], scores[y == 0]), 3),
        "unsupported_found": round(float((scores[y == 0] < threshold).mean()), 3),
        "supported_flagged": round(float((scores[y == 1] < threshold).mean()), 3),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "measure"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/grounding"))
    given = parser.parse_args()
    sys.stdout.write(json.dumps((train if given.what == "fit" else measure)(given.data), indent=1) + "\n")


if __name__ == "__main__":
    main()
