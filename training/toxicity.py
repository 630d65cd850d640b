"""Fits the heads of the lexical toxicity and content tier and reports how well they do.

    .venv/bin/python training/toxicity.py [--data ../shared/data] [--write]

Prints JSON: metrics on splits that were not fitted. Needs scikit-learn, which llmctl itself does not.
"""

import argparse
import gzip
import json
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from llmctl.guards.toxicity_fold import words  # noqa: E402 (run as a script, from anywhere)
from llmctl.guards.toxicity_lexicon import lexicon  # noqa: E402
from llmctl.guards.toxicity_model import BITS, WEIGHTS, WORD, buckets, windows  # noqa: E402
from llmctl.guards.toxicity_scan import lexical, look  # noqa: E402
from training.toxicity_code import records  # noqa: E402
from training.toxicity_requests import remarks, requests  # noqa: E402

HEADS = ("toxic", "hate", "violence", "sexual", "self-harm", "illegal")
HARMS = {
    "hate_speech": "hate",
    "violence": "violence",
    "SEXUAL_CONTENT": "sexual",
    "self_harm": "self-harm",
    "exploits": "illegal",
    "privacy": "illegal",
}
SHIFT = {True: 0.1, False: 0.25}  # what is added to the logit of the toxic head, and of the others
BALANCED = math.log(0.7 / 0.3)  # logit of the balanced preset's threshold
Row = tuple[str, str, int, str]  # dataset, text, label, group: rows of one group are never split


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ordinary(data: Path) -> list[Row]:
    """Texts of everyday use, none of them toxic (MIT, CC BY, ours); of the intents a fifth."""
    rows = [("benign_queries", row["text"], 0, row["text"]) for row in rows_of(data / "injection/benign_queries.jsonl")]
    bank = rows_of(data / "cache/banking77_train.jsonl.gz")[::5]
    clinc = rows_of(data / "cache/clinc150_trainval.jsonl.gz")[::5]
    rows += [("records", text, 0, text) for text in records()]
    return rows + [("intents", row["text"], 0, row["text"]) for row in bank + clinc]


def careful(data: Path) -> list[Row]:
    """Harmless texts in the words of harmful ones, or of another kind: security, role-play, solutions, prose."""
    rows = [("security", row["text"], 0, row["text"]) for row in rows_of(data / "injection/benign_security.jsonl")]
    rows += [("roleplay", row["text"], 0, row["text"]) for row in rows_of(data / "injection/benign_roleplay.jsonl")]
    answers = rows_of(data / "routing/zeroeval_outputs/Meta-Llama-3.1-8B-Instruct.jsonl.gz")[::4]
    rows += [("answers", row["output"], 0, row["output"]) for row in answers]
    texts = [
        row["knowledge"]
        for part in ("wow", "cmu", "tc")
        for row in rows_of(data / f"grounding/begin_dev_{part}.jsonl.gz")
    ]
    texts += [" ".join(row["retrieved_evidence"]) for row in rows_of(data / "grounding/fool_me_twice_dev.jsonl.gz")]
    return rows + [("prose", text, 0, text) for text in dict.fromkeys(texts)]


def toxic_rows(data: Path) -> list[Row]:
    """Rows of the toxic head."""
    rows = [
        ("davidson", row["text"], int(row["label"] != "neither"), row["text"])
        for row in rows_of(data / "toxicity/davidson.jsonl.gz")
    ]
    rows += [("surge", row["text"], int(row["label"]), row["text"]) for row in rows_of(data / "toxicity/surge.jsonl")]
    rows += [("made", text, label, "made") for label, text in remarks()]
    rows += [("made", text, 0, "made") for category, text in requests() if category != "hate"]
    return rows + ordinary(data)


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
    rows += careful(data)
    rows += [("made", text, int(category == head), "made") for category, text in requests()]
    rows += [("made", text, 0, "made") for label, text in remarks() if not label]
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
    for number, (_, text, _, _) in enumerate(rows):
        folded, hits = _seen(text)
        found = words(folded)
        features = lexical(hits, folded)
        starts = windows(len(found))
        for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
            weight = max(1, end - start) ** -0.5
            for word in sorted(set(found[start:end])):
                pieces = _buckets(word)
                at += pieces
                values += [weight if piece == 0 else weight / WORD for piece in range(len(pieces))]
            ends.append(len(at))
            extra.append(features)
            owners.append(number)
    matrix = csr_matrix((values, at, ends), shape=(len(owners), 1 << BITS))
    matrix.sum_duplicates()
    labels = np.array([rows[owner][2] for owner in owners])
    return (hstack([matrix, csr_matrix(np.array(extra))], format="csr") if dense else matrix), labels, np.array(owners)


@cache
def _buckets(word: str) -> list[int]:
    return buckets(word)


@cache
def _seen(text: str) -> tuple[str, Any]:
    return look(lexicon(), text)


def fit(rows: list[Row], strength: float, dense: bool) -> LogisticRegression:
    """A regularised logistic regression, each dataset weighing 400 to 2,000 rows a class, ours what it is."""
    matrix, labels, owners = featurise(rows, dense)
    names = np.array([rows[owner][0] for owner in owners])
    weights = np.ones(len(labels))
    for name in set(names):
        for label in (0, 1):
            chosen = (names == name) & (labels == label)
            if chosen.sum() and name != "made":
                weights[chosen] = min(2000, max(400, chosen.sum())) / chosen.sum()
    model = LogisticRegression(C=strength, solver="liblinear", max_iter=300)
    model.fit(matrix, labels, sample_weight=weights)
    model.intercept_ += SHIFT[dense]
    return model


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
        plain = np.array([sum(2**i * x for i, x in enumerate(lexical(*reversed(_seen(row[1])))[:3])) for row in held])
        report[f"{name}, lexicon alone"] = measured([row[2] for row in held], plain)
    return report


def store(models: dict[str, LogisticRegression], path: Path) -> None:
    """Write the heads as int8, one scale each."""
    size = 1 << BITS
    columns = [models[name].coef_[0][:size] / WORD for name in HEADS]  # a word's own bucket counts `WORD` times
    scale = np.array([np.abs(column).max() / 127 for column in columns])
    weights = np.stack([np.round(column / step) for column, step in zip(columns, scale, strict=True)], axis=1)
    bias = np.array([models[name].intercept_[0] for name in HEADS])
    head = {"names": HEADS, "scale": list(scale), "bias": list(bias), "lexical": list(models["toxic"].coef_[0][size:])}
    path.write_bytes(json.dumps(head).encode() + b"\n" + weights.astype(np.int8).tobytes())


def main() -> None:
    """Fit, report, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--write", action="store_true", help="write the weights, fitted to all rows")
    parser.add_argument("--without", type=int, help="fit without this fifth (0 to 4; 5: with all), measure nothing")
    parser.add_argument("--path", type=Path, default=ROOT / "llmctl/guards" / WEIGHTS)
    parser.add_argument("--strength", type=float, default=3.0)
    given = parser.parse_args()
    models = {}
    report: dict[str, Any] = {}
    for name in HEADS:
        dense = name == "toxic"
        rows = toxic_rows(given.data) if dense else harm_rows(given.data, name)
        if given.without is None:
            report[name] = {"held_out": evaluate(rows, given.strength, dense)}
            if dense:
                report[name]["transfer"] = transfer(rows, given.strength)
        if given.write:
            models[name] = fit([row for row in rows if fold_of(row) != given.without], given.strength, dense)
    if given.write:
        store(models, given.path)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    with threadpool_limits(1):  # sums in another order would give other bytes
        main()
