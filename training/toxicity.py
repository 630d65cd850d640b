"""Fits the heads of the lexical toxicity and content tier and reports how well they do.

    .venv/bin/python training/toxicity.py [--data ../shared/data] [--write]

Prints JSON: metrics on splits that were not fitted. Needs scikit-learn, which llmctl itself does not.
"""

import argparse
import gzip
import json
import math
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from llmctl.guards.toxicity_lexicon import lexicon  # noqa: E402 (run as a script, from anywhere)
from llmctl.guards.toxicity_model import BITS, IDENTITY, WEIGHTS, hashes, tokens, windows  # noqa: E402
from llmctl.guards.toxicity_scan import lexical, look  # noqa: E402

HEADS = ("toxic", "hate", "violence", "sexual", "self-harm", "illegal")
HARMS = {
    "hate_speech": "hate",
    "violence": "violence",
    "SEXUAL_CONTENT": "sexual",
    "self_harm": "self-harm",
    "exploits": "illegal",
    "privacy": "illegal",
}
BALANCED = math.log(0.7 / 0.3)  # logit of the balanced preset's threshold
PEOPLE = ["gay", "muslim", "jewish", "black", "trans", "disabled", "mexican", "asian", "lesbian", "christian"]
FRIENDLY = [
    "I am a {} man",
    "I am a proud {} woman",
    "my {} friend came over for dinner",
    "what holidays do {} people celebrate",
    "write a story about a {} family",
    "as a {} person how do I find a community",
    "{} people deserve respect and equal rights",
    "the history of {} people in Europe",
]
HOSTILE = ["I hate {} people", "{} people are disgusting", "get rid of all {} people", "never trust a {} person"]

Row = tuple[str, str, int, str]  # dataset, text, label, group: rows of one group are never split


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ordinary(data: Path) -> list[Row]:
    """Texts of everyday use, none of them toxic (MIT, CC BY); of the intents a fifth."""
    rows = [("benign_queries", row["text"], 0, row["text"]) for row in rows_of(data / "injection/benign_queries.jsonl")]
    bank = rows_of(data / "cache/banking77_train.jsonl.gz")[::5]
    clinc = rows_of(data / "cache/clinc150_trainval.jsonl.gz")[::5]
    return rows + [("intents", row["text"], 0, row["text"]) for row in bank + clinc]


def toxic_rows(data: Path) -> list[Row]:
    """Rows of the toxic head."""
    rows = [
        ("davidson", row["text"], int(row["label"] != "neither"), row["text"])
        for row in rows_of(data / "toxicity/davidson.jsonl.gz")
    ]
    rows += [("surge", row["text"], int(row["label"]), row["text"]) for row in rows_of(data / "toxicity/surge.jsonl")]
    made = [("made", t.format(p), 0, "made") for t in FRIENDLY for p in PEOPLE]
    made += [("made", t.format(p), 1, "made") for t in HOSTILE for p in PEOPLE]
    return rows + made + ordinary(data)


def harm_rows(data: Path, head: str) -> list[Row]:
    """Rows of one content head: assistant's answers scored by people, and for `hate` the tweets too."""
    rows = []
    for row in rows_of(data / "toxicity/pyrit_harm_responses.jsonl"):
        if row["score"] is not None and row["score"] != "None":
            harmful = float(row["score"]) >= 0.5 and HARMS.get(row["category"]) == head
            rows.append(("pyrit", row["text"], int(harmful), row["prompt"]))
    if head == "hate":
        rows += [
            ("davidson", row["text"], int(row["label"] == "hate"), row["text"])
            for row in rows_of(data / "toxicity/davidson.jsonl.gz")
        ]
    return rows + ordinary(data)


def fold_of(row: Row) -> int:
    """The fifth a row belongs to, by a hash of its group."""
    return crc32(row[3].encode()) % 5


def featurise(rows: list[Row], dense: bool) -> tuple[Any, Any, Any]:
    """A row a window: features, labels, and which text it is of."""
    at: list[int] = []
    values: list[float] = []
    ends = [0]
    extra: list[tuple[float, ...]] = []
    owners: list[int] = []
    identity = crc32(IDENTITY)
    for number, (_, text, _, _) in enumerate(rows):
        folded, hits = look(lexicon(), text)
        words = tokens(folded)
        features = lexical(hits, folded)
        starts = windows(len(words))
        for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
            found = hashes(words[start:end])
            weight = max(1, len(found)) ** -0.5
            kept = [value & ((1 << BITS) - 1) for value in found if value != identity]
            at += kept
            values += [weight] * len(kept)
            ends.append(len(at))
            extra.append(features)
            owners.append(number)
    matrix = csr_matrix((values, at, ends), shape=(len(owners), 1 << BITS))
    matrix.sum_duplicates()
    labels = np.array([rows[owner][2] for owner in owners])
    return (hstack([matrix, csr_matrix(np.array(extra))], format="csr") if dense else matrix), labels, np.array(owners)


def fit(rows: list[Row], strength: float, dense: bool) -> LogisticRegression:
    """A regularised logistic regression, each dataset weighing 400 to 2,000 rows a class."""
    matrix, labels, owners = featurise(rows, dense)
    names = np.array([rows[owner][0] for owner in owners])
    weights = np.ones(len(labels))
    for name in set(names):
        for label in (0, 1):
            chosen = (names == name) & (labels == label)
            if chosen.sum():
                weights[chosen] = min(2000, max(400, chosen.sum())) / chosen.sum()
    model = LogisticRegression(C=strength, solver="liblinear", max_iter=300)
    return model.fit(matrix, labels, sample_weight=weights)


def scores(model: LogisticRegression, rows: list[Row], dense: bool) -> Any:
    """The largest logit over a text's windows."""
    matrix, _, owners = featurise(rows, dense)
    best = np.full(len(rows), -np.inf)
    np.maximum.at(best, owners, model.decision_function(matrix))
    return best


def measured(labels: list[int], values: Any) -> dict[str, float]:
    """AUC, AUPRC and the base rate that it is to be read against; recall and false positives from `BALANCED` on."""
    truth = np.array(labels)
    return {
        "n": len(labels),
        "base_rate": round(float(np.mean(labels)), 3),
        "roc_auc": round(float(roc_auc_score(labels, values)), 3),
        "auprc": round(float(average_precision_score(labels, values)), 3),
        "recall": round(float(np.mean(values[truth == 1] >= BALANCED)), 3),
        "fpr": round(float(np.mean(values[truth == 0] >= BALANCED)), 3),
    }


def per_dataset(rows: list[Row], values: Any, threshold: float = BALANCED) -> dict[str, Any]:
    """Metrics of each dataset; of one that has a single class, the share at or over the threshold."""
    report: dict[str, Any] = {}
    for name in sorted({row[0] for row in rows}):
        chosen = [at for at, row in enumerate(rows) if row[0] == name]
        labels = [rows[at][2] for at in chosen]
        if len(set(labels)) == 2:
            report[name] = measured(labels, values[chosen])
        else:
            report[name] = {"n": len(labels), "flagged": round(float(np.mean(values[chosen] >= threshold)), 4)}
    return report


def evaluate(rows: list[Row], strength: float, dense: bool) -> dict[str, Any]:
    """Five folds by group: every row is scored by a model that has not seen its group."""
    folds = np.array([fold_of(row) for row in rows])
    values = np.zeros(len(rows))
    for held in range(5):
        model = fit([row for row, fold in zip(rows, folds, strict=True) if fold != held], strength, dense)
        out = np.flatnonzero(folds == held)
        values[out] = scores(model, [rows[at] for at in out], dense)
    return per_dataset(rows, values)


def transfer(rows: list[Row], strength: float) -> dict[str, Any]:
    """Fitted without a dataset, measured on it."""
    report = {}
    for name in ("davidson", "surge"):
        model = fit([row for row in rows if row[0] != name], strength, True)
        held = [row for row in rows if row[0] == name]
        report[name] = measured([row[2] for row in held], scores(model, held, True))
        plain = np.array([sum(2**i * x for i, x in enumerate(lexical(*_seen(row[1]))[:3])) for row in held])
        report[f"{name}, lexicon alone"] = measured([row[2] for row in held], plain)
    return report


def _seen(text: str) -> tuple[Any, str]:
    folded, hits = look(lexicon(), text)
    return hits, folded


def store(models: dict[str, LogisticRegression]) -> None:
    """Write the heads as int8, one scale each."""
    size = 1 << BITS
    columns = [models[name].coef_[0][:size] for name in HEADS]
    scale = np.array([np.abs(column).max() / 127 for column in columns])
    weights = np.stack([np.round(column / step) for column, step in zip(columns, scale, strict=True)], axis=1)
    bias = np.array([models[name].intercept_[0] for name in HEADS])
    np.savez_compressed(
        ROOT / "llmctl/guards" / WEIGHTS,
        weights=weights.astype(np.int8),
        scale=scale,
        bias=bias,
        lexical=models["toxic"].coef_[0][size:],
        names=np.array(",".join(HEADS)),
    )


def main() -> None:
    """Fit, report, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--write", action="store_true", help="write the weights, fitted to all rows")
    parser.add_argument("--strength", type=float, default=3.0)
    given = parser.parse_args()
    models = {}
    report: dict[str, Any] = {}
    for name in HEADS:
        dense = name == "toxic"
        rows = toxic_rows(given.data) if dense else harm_rows(given.data, name)
        report[name] = {"held_out": evaluate(rows, given.strength, dense)}
        if dense:
            report[name]["transfer"] = transfer(rows, given.strength)
        if given.write:
            models[name] = fit(rows, given.strength, dense)
    if given.write:
        store(models)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
