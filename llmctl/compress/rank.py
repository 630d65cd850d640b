"""Which units of a document a question is about: BM25, static embeddings, and neighbours.

BM25 (Robertson and Zaragoza, 2009) with k1 = 1.2, b = 0.75 and document frequencies of the document's own units, over
lightly stemmed words without those by which a question only asks. Passages and sentences add the cosine of the static
embedding, both at unit variance: words that a question does not share with its answer still count. A turn of a dialogue
is judged with its neighbours, because an answer seldom repeats the question's words.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.embedding.static import Table, load

K1 = 1.2
B = 0.75
REACH = 15.0  # turns over which a turn's relevance fades to 1/e: a dialogue stays on a subject for dozens of turns
AT_ONCE = 32  # texts
TILE = 64  # tokens: AT_ONCE by TILE by DIMENSIONS is what OpenBLAS still does without threads, which would wait
DIMENSIONS = 128  # of 256: the table is trained so that the first ones are an embedding too (Matryoshka)
TURN_MEANING = 0.5  # weight of the embedding for turns, which are short and chatty
BONUS = 0.25  # standard deviations for each of number, name and negation; twice that for what the question asks for
MAX_QUERY = 2_000  # characters

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_ANY_CJK = re.compile(rf"[{_CJK}]")
_PLAIN_WORD = re.compile(r"\w+")
# Every byte of ASCII text in lower case, or a space where it belongs to no word: four times as fast as a pattern.
_WORD_BYTES = bytes(
    ord(chr(at).lower()) if at < 128 and (chr(at).isalnum() or at == ord("_")) else 32 for at in range(256)
)
_NUMBER = re.compile(r"\d")
_NAME = re.compile(r" (?<=[a-z,;:(] )[A-Z][a-z]")
# Of text in lower case. Each begins with a letter, which a search finds faster than a word's edge.
_NEGATION = re.compile(
    r"n(?<!\wn)(?:o(?:t|ne|r)?|ever|either)\b|w(?<!\ww)ithout\b|c(?<!\wc)annot\b|e(?<!\we)xcept\b|u(?<!\wu)nless\b"
    r"|n['\u2019]t\b"
)
_ASKS_NUMBER = re.compile(
    r"\b(?:when|year|date|old|age|how (?:many|much|long|far|often|tall|big|high)|number|price|cost|percent)\b", re.I
)
_ASKS_NAME = re.compile(r"\b(?:who|whom|whose|where|which|name|named|called)\b", re.I)

_STOP_WORDS = """
a an the of in on at to for and or is are was were be been being am do does did done has have had who whom whose what
which when where why how that this these those it its by with from as into about than then there their they them he she
his her him i you your my me we our us if so but s t d ll m re ve can could will would shall should may might must any
all some each other such also just only very more most much many please
"""
_STOP = frozenset(_STOP_WORDS.split())
# Words by which a question asks, rather than what it asks about.
_ASKING_WORDS = """
summarize summarise summary describe explain discuss discussed discussing discussion mention mentioned say said saying
tell told talk talked talking think thought opinion view answer question document documents passage passages context
text following according based given use using information
"""
_ASKING = frozenset(_ASKING_WORDS.split())

Vector = NDArray[np.float64]


def words(text: str) -> list[str]:
    """The words of a text in lower case; of scripts without spaces, the characters."""
    if text.isascii():
        return text.encode().translate(_WORD_BYTES).decode().split()
    text = text.lower()
    found: list[str] = (_WORD if _ANY_CJK.search(text) else _PLAIN_WORD).findall(text)
    return found


def stem(word: str) -> str:
    """The word without the commonest English endings, so that plural, past and gerund meet: a weak S-stemmer.

    After Harman (1991), who found that for ranking the weak ones do as well as any.
    """
    if len(word) < 4:
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 5 and word.endswith("ing"):
        return word[:-3]
    if len(word) > 4 and word.endswith("ed"):
        return word[:-2]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def forms(stemmed: str) -> set[str]:
    """All words whose stem this is: what `stem` takes away, put on again."""
    found = {stemmed + ending + plural for ending in ("", "e", "ed", "ing") for plural in ("", "s")}
    return {word for word in (*found, stemmed[:-1] + "ies") if stem(word) == stemmed}


def terms(query: str) -> list[str]:
    """The stems of what the query asks about, each once. Empty where it names nothing ("Summarise this.")."""
    said = words(query)
    return list(dict.fromkeys(stem(word) for word in said if word not in _STOP and word not in _ASKING))


def spellings(query: str) -> dict[str, str]:
    """From every form of the query's terms to its stem."""
    return {form: one for one in terms(query) for form in forms(one)}


def bm25(units: Sequence[str], stems: Mapping[str, str]) -> Vector:
    """The score of each unit for a query's `spellings`. Zeros where nothing matches."""
    scores = np.zeros(len(units))
    if not stems or not units:
        return scores
    split = [words(unit) for unit in units]
    counts = {
        at: Counter(matched) for at, unit in enumerate(split) if (matched := list(filter(None, map(stems.get, unit))))
    }
    seen = Counter(term for count in counts.values() for term in count)
    mean = sum(map(len, split)) / len(units) or 1.0
    weights = {term: math.log1p((len(units) - df + 0.5) / (df + 0.5)) for term, df in seen.items()}
    for at, count in counts.items():
        norm = K1 * (1 - B + B * len(split[at]) / mean)
        scores[at] = sum(weights[term] * n * (K1 + 1) / (n + norm) for term, n in count.items())
    return scores


def smooth(rows: NDArray[Any], reach: float = REACH) -> NDArray[Any]:
    """Each row with those around it added, fading by 1/e in `reach` rows, in both directions."""
    both: NDArray[Any] = _faded(rows, reach) + _faded(rows[::-1], reach)[::-1] - rows
    return both


def _faded(rows: NDArray[Any], reach: float) -> NDArray[Any]:
    """Each row with those before it added; some rows at a time, by the matrix of what fades within them."""
    powers = np.exp(-np.arange(AT_ONCE + 1) / reach).astype(rows.dtype)
    apart = np.subtract.outer(np.arange(AT_ONCE), np.arange(AT_ONCE))
    within = np.where(apart >= 0, powers[np.abs(apart)], rows.dtype.type(0))
    found = np.empty_like(rows)
    carried = np.zeros_like(rows, shape=rows.shape[1])
    for at in range(0, len(rows), AT_ONCE):
        size = len(rows[at : at + AT_ONCE])
        part = within[:size, :size] @ rows[at : at + AT_ONCE] + np.outer(powers[1 : size + 1], carried)
        found[at : at + AT_ONCE], carried = part, part[-1]
    return found


def standard(scores: Vector) -> Vector:
    """At mean 0 and variance 1; zeros where all are equal."""
    if not len(scores):
        return scores
    apart = scores - scores.sum() / len(scores)
    spread = math.sqrt(float(apart @ apart) / len(scores))
    return apart / spread if spread > 1e-12 else np.zeros(len(scores))


class Query(NamedTuple):
    """What is asked, once for all units: the text, its `spellings`, and the sum of its token vectors, if any."""

    text: str
    stems: Mapping[str, str]
    vector: NDArray[np.float32] | None


class Ranker:
    """Scores units for a query. Making one costs nothing; `load` reads the embedding's table, or the first use does.

    Once loaded it may be used by several threads: all they share is a dict of what words consist of, which each fills.
    """

    def __init__(self, *, embedding: bool = True) -> None:
        self._embedding = embedding
        self._table: Table | None = None

    def load(self) -> None:
        """Read the table now. Raises ValueError or OSError as `llmctl.embedding.static.load` does."""
        if self._embedding and self._table is None:
            self._table = load()

    def query(self, text: str) -> Query:
        """What the other methods take. Of a very long text the end counts."""
        self.load()
        text = text[-MAX_QUERY:]
        vector = None if self._table is None else _sums(self._table, [self._table.pieces.encode(text)])[0]
        return Query(text, spellings(text), vector)

    def passages(self, units: Sequence[str], query: Query) -> Vector:
        """Relevance of passages or sentences that stand for themselves."""
        return standard(bm25(units, query.stems)) + standard(self._cosines(units, query))

    def sentences(self, units: Sequence[str], query: Query) -> Vector:
        """As `passages`, and sentences with numbers, names and negations are put higher: they carry facts."""
        return self.passages(units, query) + facts(units, query.text)

    def turns(self, units: Sequence[str], query: Query) -> Vector:
        """Relevance of a dialogue's turns, each with its neighbours."""
        scores = standard(smooth(bm25(units, query.stems)[:, None])[:, 0])
        return scores + TURN_MEANING * standard(self._cosines(units, query, around=True))

    def _cosines(self, units: Sequence[str], query: Query, *, around: bool = False) -> Vector:
        """Zeros without an embedding, and for a unit or a query without a token."""
        if self._table is None or query.vector is None:
            return np.zeros(len(units))
        sums = _sums(self._table, list(map(self._table.pieces.encode, units)))
        if around:
            sums = smooth(sums)
        lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums) * float(query.vector @ query.vector))
        result: Vector = (sums @ query.vector / np.where(lengths > 0, lengths, 1)).astype(np.float64)
        return result


def _sums(table: Table, coded: Sequence[bytes]) -> NDArray[np.float32]:
    """The sum of the token vectors of each text; zeros for one without tokens.

    By counts of the distinct tokens, some texts at a time: texts repeat their words, and reading a token's row is
    what costs.
    """
    sums = np.zeros((len(coded), DIMENSIONS), np.float32)
    for at in range(0, len(coded), AT_ONCE):
        part = coded[at : at + AT_ONCE]
        tokens, places = np.unique(np.frombuffer(b"".join(part), "<u2"), return_inverse=True)
        owners = np.repeat(np.arange(len(part)), [len(one) // 2 for one in part])
        counts = np.bincount(owners * len(tokens) + places, minlength=len(part) * len(tokens))
        weights = counts.reshape(len(part), -1) * table.scales.take(tokens)
        rows = table.vectors.take(tokens, 0)
        for first in range(0, len(tokens), TILE):
            tile = slice(first, first + TILE)
            sums[at : at + AT_ONCE] += weights[:, tile].astype(np.float32) @ rows[tile, :DIMENSIONS].astype(np.float32)
    return sums


def facts(units: Iterable[str], query: str) -> Vector:
    """What each unit gets for a number, a name and a negation; more where the query asks for a number or a name."""
    number = BONUS * (2 if _ASKS_NUMBER.search(query) else 1)
    name = BONUS * (2 if _ASKS_NAME.search(query) else 1)
    return np.asarray(
        [
            (number if _NUMBER.search(unit) else 0.0)
            + (name if _NAME.search(unit) else 0.0)
            + (BONUS if _NEGATION.search(unit.lower()) else 0.0)
            for unit in units
        ]
    )
