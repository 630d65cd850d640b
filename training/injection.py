# ruff: noqa: T201 - a script that prints its report
"""Trains the weights of the `injection` guard: OMP_NUM_THREADS=1 python training/injection.py. Two minutes; seeded.

Reads ../shared/data (permissive files only), writes llmctl/guards/weights/injection.bin, and prints the figures of
the model card: each row is scored by a model that has seen neither the row nor anything of its group, and then each
source by a model that has seen nothing of the source. `--quick` leaves the report out and writes the same file.
"""

import struct
import sys
from collections import Counter
from math import log, sqrt
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "training")]

from injection_rows import CUT, Row, direct_rows, window_rows  # noqa: E402 - after the path

from llmctl.guards import injection_model as model  # noqa: E402
from llmctl.guards import injection_rules as rules  # noqa: E402
from llmctl.guards.normalise import normalise  # noqa: E402

FOLDS = 5
STRENGTHS = {"direct": 10.0, "buried": 8.0}
FLOORS = {"direct": 0.6, "buried": 0.0}  # a prior for the rules; a document may well name instructions to be ignored
STAKES = {"english": 4.0, "multilingual": 4.0, "documents": 15.0, "cyberseceval_direct": 3.0, "deepset": 2.0}
STAKES |= {"benign_roleplay": 2.0, "benign_security": 1.5, "bipia_attack": 2.0, "benign_queries": 1.5}
STAKES |= {"tongues_honest": 2.5, "tongues": 2.0, "short": 4.0, "pasted": 1.5}
HARD = ("benign_security", "benign_roleplay")
SHARES = {  # strict, balanced, lenient
    "ordinary": (0.04, 0.02, 0.005),
    "hard": (0.15, 0.08, 0.03),
    "buried": (0.08, 0.03, 0.01),
}
FEW, CHANCE = 8, 0.4  # as in llmctl/guards/injection.py
LEFT_OUT = (
    "deepset", "jailbreak_templates", "cyberseceval", "english", "multilingual", "benign_roleplay", "benign_security",
    "surge davidson", "clinc150 banking77", "mmlu presidio",
)  # fmt: skip


def count(name: str, text: str) -> tuple[list[bytes], list[int], list[tuple[int, int, int]], list[int]]:
    """The words, pairs and triples of concepts that count, and the number that each of the kinds is scaled by."""
    if name == "direct":
        found = model.words(model.plain(text[:CUT]))
        marked = [model.MARK, *found, model.MARK]
        pairs = sorted(set(model.neighbours(model.coded(marked[: model.MAX_PAIRS + 1]))))
        words, shapes = sorted(set(found)), sorted(model.triples(model.collapsed(model.about(model.coded(marked)))))
        return words, pairs, shapes, [len(words), len(shapes), len(pairs)]
    found = model.marked(text, model.sentences(text))
    codes = model.coded(found)
    about = model.collapsed(model.about(codes))
    shapes = [three for three in zip(about, about[1:], about[2:], strict=False) if three[1]]
    pairs = list(model.neighbours(codes))
    return [w for w in found if w != model.MARK], pairs, shapes, [len(pairs), len(about) - 1, len(pairs)]


def features(name: str, text: str) -> dict[int, float]:
    """Places and values, as `model.Table` weighs them."""
    words, pairs, shapes, sizes = count(name, text)
    word, shape, pair = (1 / sqrt(max(1, size)) for size in sizes)
    result: dict[int, float] = {}
    for one in words:
        place, groups = model.word_places(one)
        result[place] = result.get(place, 0.0) + word
        for group in groups:
            result[group] = result.get(group, 0.0) + word / sqrt(len(groups))
    for three in shapes:
        for place in model.triple_places(*three):
            result[place] = result.get(place, 0.0) + shape
    for half in pairs:
        result[model.STARTS[4] + half] = result.get(model.STARTS[4] + half, 0.0) + pair
    return result


def matrix(name: str, texts: list[str]) -> csr_matrix:
    """The features of all texts."""
    data: list[float] = []
    columns: list[int] = []
    starts = [0]
    for text in texts:
        found = features(name, text)
        columns += found.keys()
        data += found.values()
        starts.append(len(columns))
    return csr_matrix((np.array(data, np.float32), columns, starts), shape=(len(texts), model.SIZE))


def fit(matrix_: csr_matrix, labels: np.ndarray, weights: np.ndarray, name: str) -> Any:
    """The head. liblinear converges in seconds on these sizes."""
    head = LogisticRegression(C=STRENGTHS[name], solver="liblinear", random_state=0)
    return head.fit(matrix_, labels, sample_weight=weights)


def balance(rows: list[Row]) -> np.ndarray:
    """Weights by which a source counts with the root of its size, times what is at stake."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.source] = counts.get(row.source, 0) + 1
    return np.array([STAKES.get(row.source, 1.0) * (1000 / counts[row.source]) ** 0.5 for row in rows])


def fold_of(row: Row) -> int:
    """The fold of a row's group; -1, on no test side, for documents made of others."""
    return -1 if row.group.startswith("joined") else crc32(row.group.encode()) % FOLDS


def out_of_fold(rows: list[Row], matrix_: csr_matrix, name: str) -> np.ndarray:
    """Each row's logit from a head that has not seen its group, bias included."""
    labels, folds, weights = np.array([r.label for r in rows]), np.array([fold_of(r) for r in rows]), balance(rows)
    result = np.zeros(len(rows))
    for fold in range(FOLDS):
        seen = folds != fold
        result[~seen] = fit(matrix_[seen], labels[seen], weights[seen], name).decision_function(matrix_[~seen])
    return result


def evidence(texts: list[str]) -> np.ndarray:
    """(n, 2): strength of the rules, strength of what is discounted."""
    result = []
    for text in texts:
        found = rules.hits(text)
        result.append((rules.strength(found), sum(hit.rule.weight for hit in found if hit.discounted)))
    return np.array(result)


def combine(rows: list[Row], logits: np.ndarray, extra: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """The small logistic over logit, rules and discount, and the score of each row (a logit)."""
    columns = np.column_stack([logits, extra])
    kept = np.array([fold_of(row) >= 0 for row in rows])
    labels = np.array([row.label for row in rows])
    last = LogisticRegression(C=1.0).fit(columns[kept], labels[kept], sample_weight=balance(rows)[kept])
    found = np.array([*last.coef_[0], *last.intercept_])
    found[1] = max(found[1], floor)
    return found, columns @ found[:3] + found[3]


def quantised(head: Any) -> tuple[list[float], bytes]:
    """Scales of the five kinds of places, and the weights in int8."""
    scales, blocks = [], b""
    for start, size in zip(model.STARTS, model.SIZES, strict=True):
        block = head.coef_[0][start : start + size]
        scale = float(np.abs(block).max()) / 127
        scales.append(scale)
        blocks += (np.clip(np.rint(block / scale), -127, 127) + model.ZERO).astype(np.uint8).tobytes()
    return scales, blocks


def kind(row: Row) -> str:
    """What kind of honest request it is; empty for others."""
    hard = row.source in HARD or (row.source in ("english", "multilingual") and "hard" in row.group[:24])
    ordinary = row.source in ("benign_queries", "english", "multilingual")
    return "" if row.label else "hard" if hard else "ordinary" if ordinary else ""


def exceeded(rows: list[Row], scores: np.ndarray, name: str, share: float) -> float:
    """The logit that `share` of one kind of honest request exceeds, where each source counts the same."""
    mine = sorted((float(score), row.source) for row, score in zip(rows, scores, strict=True) if kind(row) == name)
    counts = Counter(source for _, source in mine)
    left = share * len(counts)
    while left > 0:
        score, source = mine.pop()
        left -= 1 / counts[source]
    return score


def thresholds(rows: list[Row], scores: np.ndarray) -> list[float]:
    """Logits that no more than SHARES of the ordinary and of the hard requests exceed."""
    return [max(exceeded(rows, scores, name, SHARES[name][i]) for name in ("ordinary", "hard")) for i in range(3)]


def whole(rows: list[Row], scores: np.ndarray) -> dict[int, tuple[int, float, str]]:
    """For each document on a test side: whether it has an attack, its evidence as the guard takes it, its group."""
    found: dict[int, list[tuple[int, float, str]]] = {}
    for row, score in zip(rows, scores, strict=True):
        if row.document >= 0 and fold_of(row) >= 0:
            found.setdefault(row.document, []).append((row.label, float(score), row.group))
    return {
        number: (max(m[0] for m in mine), max(m[1] for m in mine) - CHANCE * log(max(1, len(mine) / FEW)), mine[0][2])
        for number, mine in found.items()
    }


def report_documents(rows: list[Row], scores: np.ndarray, cuts: list[float]) -> None:
    """What share of each family of whole documents is at or over each threshold."""
    documents = list(whole(rows, scores).values())
    groups: dict[tuple[int, str], list[float]] = {}
    for label, score, group in documents:
        for name in (group, "all"):
            groups.setdefault((label, name), []).append(score)
    for (label, name), mine in sorted(groups.items()):
        shares = " / ".join(f"{np.mean(np.array(mine) >= cut):6.1%}" for cut in cuts)
        print(f"  whole {name:24} {'attack' if label else 'honest'} n={len(mine):4}  {shares}")


def report(name: str, rows: list[Row], scores: np.ndarray, cuts: list[float]) -> None:
    """What share of each source is at or over each threshold."""
    print(f"{name}: share flagged (strict / balanced / lenient)")
    names = [(f"{row.source} {kind(row)}".strip(), row.label) for row in rows]
    tested = np.array([fold_of(row) >= 0 for row in rows])
    for source, label in sorted(set(names)):
        mine = scores[np.array([one == (source, label) for one in names]) & tested]
        shares = " / ".join(f"{(mine >= cut).mean():6.1%}" for cut in cuts)
        print(f"  {source:28} {'attack' if label else 'honest'} n={len(mine):5}  {shares}")


def accepted(rows: list[Row], scores: np.ndarray) -> None:
    """The public attacks found where 1% of the public queries are flagged, and what else then is."""
    sources = np.array([row.source for row in rows])
    labels = np.array([row.label for row in rows])
    cut = np.quantile(scores[sources == "benign_queries"], 0.99)
    public = np.array([one.startswith(("deepset", "jailbreak", "cyberseceval")) for one in sources]) & (labels == 1)
    shares = [f"{name} {(scores[sources == name] >= cut).mean():.1%}" for name in HARD]
    print(f"  at 1% of benign_queries: public attacks {(scores[public] >= cut).mean():.1%}", *shares)


def transfer(rows: list[Row], matrix_: csr_matrix, extra: np.ndarray, last: np.ndarray) -> None:
    """What share of a source is flagged by a head that was fitted without that source; the combination is kept.

    The threshold is that of 1% of those two fifths of the ordinary queries that the head has not seen either.
    """
    labels, weights = np.array([row.label for row in rows]), balance(rows)
    unseen = np.array([row.source == "benign_queries" and fold_of(row) % 2 == 1 for row in rows])
    for names in LEFT_OUT:
        mine = np.array(
            [row.source in names.split() or (names == "cyberseceval" and names in row.source) for row in rows]
        )
        groups = {row.group for row, out in zip(rows, mine, strict=True) if out}
        kept = ~mine & ~unseen & np.array([row.group not in groups for row in rows])
        logits = fit(matrix_[kept], labels[kept], weights[kept], "direct").decision_function(matrix_)
        scores = np.column_stack([logits, extra]) @ last[:3]
        at = np.quantile(scores[unseen], 0.99)
        shares = [
            f"{kind} {(scores[mine & (labels == k)] >= at).mean():.1%}"
            for k, kind in enumerate(("honest", "attack"))
            if (mine & (labels == k)).any()
        ]
        print(f"  without {names:20}", ", ".join(shares), flush=True)


def train(name: str, rows: list[Row]) -> tuple[list[float], list[float], bytes]:
    """Scales, the other numbers and the weights of a head; prints its report."""
    texts = [normalise(row.text).text for row in rows]
    found, extra = matrix(name, texts), evidence(texts)
    last, scores = combine(rows, out_of_fold(rows, found, name), extra, FLOORS[name])
    if name == "direct":
        cuts = thresholds(rows, scores)
    else:
        honest = [score for label, score, _ in whole(rows, scores).values() if not label]
        cuts = [float(np.quantile(honest, 1 - share)) for share in SHARES[name]]
    print(name, len(rows), "combination", last.round(2), "thresholds", np.round(cuts, 2), flush=True)
    report(name, rows, scores, cuts)
    if name == "direct":
        accepted(rows, scores)
    if name == "buried":
        report_documents(rows, scores, cuts)
    elif "--quick" not in sys.argv:
        transfer(rows, found, extra, last)
    head = fit(found, np.array([row.label for row in rows]), balance(rows), name)
    scales, block = quantised(head)
    return scales, [float(head.intercept_[0]), *map(float, last), *cuts], block


def main() -> None:
    """Fits both heads, reports, writes."""
    random = Random(7)
    direct = direct_rows(random)
    scales: list[float] = []
    parameters: list[float] = []
    tables = b""
    for name, rows in (("direct", direct), ("buried", window_rows(random, direct))):
        scale, values, block = train(name, rows)
        scales += scale
        parameters += values
        tables += block
    numbers = [*scales, *parameters]
    numbers += [0.0] * (model.PARAMETERS - len(numbers))
    model.PATH.write_bytes(model.MAGIC + struct.pack(f"<{model.PARAMETERS}f", *numbers) + tables)


if __name__ == "__main__":
    main()
