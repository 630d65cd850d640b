# ruff: noqa: T201 - a script that prints its report
"""Trains the weights of the `injection` guard: python training/injection.py. Under a minute; seeded.

Reads ../shared/data (permissive files only), writes llmctl/guards/weights/injection.bin, and prints the figures of
the model card: each row is scored by a model that has seen neither the row nor anything of its group.
"""

import gzip
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "training")]

from injection_phrases import attacks, honest, technical  # noqa: E402 - after the path

from llmctl.guards import injection_model as model  # noqa: E402
from llmctl.guards import injection_rules as rules  # noqa: E402
from llmctl.guards.normalise import normalise  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
FOLDS = 5
RULES_FLOOR = 1.5
BURIED_RULES = 2.5  # what is written for windows, after the thresholds: documents in the data are English
CUT = 4000
STAKES = {"own_honest": 3.0, "deepset": 1.5, "benign_roleplay": 1.5}


class Row(NamedTuple):
    """One text. `group` is never on both sides of a split."""

    text: str
    label: int
    source: str
    group: str


def read(name: str) -> list[dict[str, Any]]:
    """The rows of a file of ../shared/data."""
    path = DATA / name
    with gzip.open(path, "rt") if name.endswith(".gz") else path.open() as lines:
        return [json.loads(line) for line in lines]


def direct_rows(random: Random) -> list[Row]:
    """Whole requests."""
    rows = [
        Row(row["text"], row["label"], name, row["text"][:60])
        for name in ("deepset", "benign_security", "benign_roleplay", "benign_queries")
        for row in read(f"injection/{name}.jsonl")
    ]
    questions = [row.text for row in rows if row.source == "benign_queries"]
    for row in read("injection/jailbreak_templates.jsonl"):
        text = row["text"].replace("{% raw %}", "").replace("{% endraw %}", "")
        text = text.replace("{{ prompt }}", random.choice(questions))
        rows.append(Row(text, 1, "jailbreak_templates", text[:40]))
    rows += [
        Row(row["text"], 1, f"cyberseceval_{row['type']}", row["variant"])
        for row in read("injection/cyberseceval.jsonl")
    ]
    rows += [Row(text, 1, "own_attacks", group) for group, text in attacks(random, questions, 12)]
    rows += [Row(text, 0, "own_honest", group) for group, text in honest(random, 12)]
    rows += [
        Row(row["text"], 0, "clinc150", row["text"])
        for row in sample(read("cache/clinc150_trainval.jsonl.gz"), 1500, random)
    ]
    rows += [
        Row(row["text"], 0, "banking77", row["text"])
        for row in sample(read("cache/banking77_train.jsonl.gz"), 700, random)
    ]
    rows += [
        Row(row["prompt"], 0, "zeroeval", row["prompt"])
        for row in sample(read("routing/zeroeval_prompts.jsonl.gz"), 500, random)
    ]
    for _ in range(800):  # length alone must not be a sign
        some = " ".join(random.sample(questions, random.randint(3, 25)))
        rows.append(Row(some, 0, "own_long", some[:40]))
    return rows


def sample(rows: list[Any], count: int, random: Random) -> list[Any]:
    """`count` of the rows."""
    return random.sample(rows, min(count, len(rows)))


def window_rows(random: Random, direct: list[Row]) -> list[Row]:
    """Windows of documents, with and without an instruction in them."""
    mails = [row for row in read("injection/bipia_train.jsonl") if row["task"] == "email"]
    passages = [row["text"] for row in mails if not row["label"]]
    outputs = read("routing/zeroeval_outputs/gpt-4o-2024-08-06.jsonl.gz")
    passages += [text for row in sample(outputs, 500, random) if (text := next(words(row), ""))]
    passages += [text for row in sample(read("grounding/begin_dev_wow.jsonl.gz"), 400, random) for text in words(row)]
    passages += list(technical(random, 900))
    rows = [Row(part, 0, "own_windows", text[:60]) for text in passages for part in cut(text[:CUT])]
    clean = [row.text for row in rows]
    rows += [
        Row(text, 0, "bipia_clean", mail["id"]) for mail in mails if not mail["label"] for text in cut(mail["text"])
    ]
    for attack, category in sorted({(mail["attack"], mail["category"]) for mail in mails if mail["label"]}):
        for copy in range(8):
            host = random.choice(clean)
            text = attack if copy < 2 else f"{attack} {host}" if copy < 5 else f"{host} {attack}"
            rows.append(Row(text, 1, "bipia_attack", category))
    for row in sample([row for row in direct if row.source in ("own_attacks", "deepset") and row.label], 1500, random):
        rows.append(Row(f"{row.text} {random.choice(clean)}", 1, row.source, row.group))
    rows += [row for row in direct if row.source == "cyberseceval_indirect"]
    rows += [row for row in direct if row.source == "own_attacks" and row.group.startswith("indirect")]
    return rows


def words(row: dict[str, Any]) -> Iterator[str]:
    """The longer texts of a row, whatever they are called."""
    for value in row.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text) > 60:
                yield text


def cut(text: str) -> list[str]:
    """Its windows as the guard makes them."""
    bounds = model.sentences(text)
    return [
        text[bounds[i][0] : bounds[min(i + width, len(bounds)) - 1][1]]
        for width in (1, model.WINDOW)
        for i in range(max(1, len(bounds) - width + 1))
        if bounds
    ]


def matrix(texts: list[str]) -> csr_matrix:
    """The features as the guard computes them: each block scaled by the root of its number of places."""
    data, columns, starts = [], [], [0]
    for text in texts:
        ready = model.clean(text[:CUT])
        for block, groups in enumerate((model.word_grams(model.word_hashes(ready)), model.char_grams(ready))):
            places = np.concatenate(groups).astype(np.int64) + block * model.SIZE
            columns.append(places)
            data.append(np.full(len(places), max(1, len(places)) ** -0.5, np.float32))
        starts.append(starts[-1] + len(columns[-1]) + len(columns[-2]))
    shape = (len(texts), 2 * model.SIZE)
    return csr_matrix((np.concatenate(data), np.concatenate(columns), starts), shape=shape)


def fit(features: csr_matrix, labels: np.ndarray, weights: np.ndarray, strength: float) -> Any:
    """The head. liblinear converges in seconds on these sizes."""
    head = LogisticRegression(C=strength, solver="liblinear", random_state=0)
    return head.fit(features, labels, sample_weight=weights)


def balance(rows: list[Row]) -> np.ndarray:
    """Weights by which a source counts with the root of its size, times what is at stake."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.source] = counts.get(row.source, 0) + 1
    return np.array([STAKES.get(row.source, 1.0) * (1000 / counts[row.source]) ** 0.5 for row in rows])


def fold_of(row: Row) -> int:
    """The fold of a row's group."""
    return crc32(row.group.encode()) % FOLDS


def out_of_fold(rows: list[Row], features: csr_matrix, strength: float) -> np.ndarray:
    """Each row's logit from a head that has not seen its group, bias included."""
    labels, folds, weights = np.array([r.label for r in rows]), np.array([fold_of(r) for r in rows]), balance(rows)
    result = np.zeros(len(rows))
    for fold in range(FOLDS):
        seen = folds != fold
        result[~seen] = fit(features[seen], labels[seen], weights[seen], strength).decision_function(features[~seen])
    return result


def evidence(rows: list[Row]) -> np.ndarray:
    """(n, 2): strength of the rules, strength of what is discounted."""
    result = []
    for row in rows:
        found = rules.hits(normalise(row.text).text)
        result.append((rules.strength(found), sum(hit.rule.weight for hit in found if hit.discounted)))
    return np.array(result)


def combine(rows: list[Row], logits: np.ndarray, extra: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """The small logistic over logit, rules and discount, and the score of each row (a logit)."""
    features = np.column_stack([logits, extra])
    last = LogisticRegression(C=1.0).fit(features, [row.label for row in rows], sample_weight=balance(rows))
    found = np.array([*last.coef_[0], *last.intercept_])
    found[1] = max(found[1], floor)  # documents in the data are English; the rules know other languages
    return found, features @ found[:3] + found[3]


def quantised(head: Any) -> tuple[list[float], bytes]:
    """Scales of the two blocks, and the weights in int8."""
    scales, blocks = [], b""
    for block in head.coef_[0].reshape(2, model.SIZE):
        scale = float(np.abs(block).max()) / 127
        scales.append(scale)
        blocks += np.clip(np.rint(block / scale), -127, 127).astype(np.int8).tobytes()
    return scales, blocks


def thresholds(rows: list[Row], scores: np.ndarray, ordinary: tuple[str, ...]) -> list[float]:
    """Logits that about 2%, 0.7% and 0.2% of ordinary texts exceed: strict, balanced, lenient."""
    worst: dict[str, float] = {}
    for row, score in zip(rows, scores, strict=True):
        if row.source in ordinary:  # a document is as bad as its worst window
            worst[row.group] = max(score, worst.get(row.group, score))
    return [float(np.quantile(list(worst.values()), 1 - share)) for share in (0.02, 0.007, 0.002)]


def report(name: str, rows: list[Row], scores: np.ndarray, cuts: list[float]) -> None:
    """What share of each source is at or over each threshold."""
    print(f"{name}: share flagged (strict / balanced / lenient)")
    for source, label in sorted({(row.source, row.label) for row in rows}):
        mine = scores[[(row.source, row.label) == (source, label) for row in rows]]
        shares = " / ".join(f"{(mine >= cut).mean():6.1%}" for cut in cuts)
        print(f"  {source:24} {'attack' if label else 'honest'} n={len(mine):5}  {shares}")


def transfer(rows: list[Row], features: csr_matrix, last: np.ndarray, strength: float) -> None:
    """What share of a source is flagged by a head that was fitted without that source; the combination is kept.

    The threshold is that of 1% of the ordinary queries, half of which the head has not seen.
    """
    labels, weights, extra = np.array([row.label for row in rows]), balance(rows), evidence(rows)
    unseen = np.array([row.source == "benign_queries" and fold_of(row) % 2 == 0 for row in rows])
    for source in ("deepset", "jailbreak_templates", "cyberseceval", "own_attacks", "benign_roleplay", "own_honest"):
        mine = np.array([row.source.startswith(source) for row in rows])
        head = fit(features[~mine & ~unseen], labels[~mine & ~unseen], weights[~mine & ~unseen], strength)
        scores = np.column_stack([head.decision_function(features), extra]) @ last[:3]
        at = np.quantile(scores[unseen], 0.99)
        shares = [
            f"{name} {(scores[mine & (labels == k)] >= at).mean():.1%}" for k, name in enumerate(("honest", "attack"))
        ]
        print(f"  without {source:20}", ", ".join(share for share in shares if "nan" not in share))


def main() -> None:
    """Fits both heads, reports, writes."""
    random = Random(7)
    direct = direct_rows(random)
    parameters, tables = [], b""
    scales: list[float] = []
    chosen = (
        ("direct", direct, 10.0, ("benign_queries",)),
        ("buried", window_rows(random, direct), 20.0, ("own_windows",)),
    )
    for name, rows, strength, ordinary in chosen:
        features = matrix([normalise(row.text).text for row in rows])
        logits = out_of_fold(rows, features, strength)
        last, scores = combine(rows, logits, evidence(rows), RULES_FLOOR)
        cuts = thresholds(rows, scores, ordinary)
        print(name, len(rows), "combination", last.round(2), "thresholds", np.round(cuts, 2))
        report(name, rows, scores, cuts)
        if name == "direct":
            transfer(rows, features, last, strength)
        last[1] = max(last[1], BURIED_RULES) if name == "buried" else last[1]
        head = fit(features, np.array([row.label for row in rows]), balance(rows), strength)
        scale, block = quantised(head)
        scales += scale
        tables += block
        parameters += [float(head.intercept_[0]), *map(float, last), *cuts]
    values = [*scales, *parameters]
    values += [0.0] * (model.PARAMETERS - len(values))
    model.PATH.parent.mkdir(exist_ok=True)
    model.PATH.write_bytes(model.MAGIC + struct.pack(f"<{model.PARAMETERS}f", *values) + tables)


if __name__ == "__main__":
    main()
