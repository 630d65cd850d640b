"""How much of what matters compression keeps: answers of questions over passages, relevant turns of meetings.

Both are proxies: that an answer's words are still there does not say a model finds them, nor that it would have.
"""

import math
import random
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from llmctl.clock import Clock
from llmctl.compress.extract import Count, compress
from llmctl.compress.rank import K1, B, Ranker, words
from llmctl.compress.units import Unit, blocks

RUNS = 3
METHODS = ("extractive", "truncation", "random")

_SPLIT = re.compile(r"\w+")


class Passage(NamedTuple):
    """A retrieved text."""

    title: str
    text: str


class Question(NamedTuple):
    """A question, its answers as strings, and the passage that has one of them."""

    query: str
    answers: tuple[str, ...]
    gold: Passage


class Turn(NamedTuple):
    """What one speaker says."""

    speaker: str
    text: str


class Meeting(NamedTuple):
    """A transcript, and queries with the numbers of the turns that are relevant to each."""

    turns: tuple[Turn, ...]
    queries: tuple[tuple[str, frozenset[int]], ...]


class Outcome(NamedTuple):
    """One document compressed one way. `kept` is a share: 0 or 1 for an answer, of the relevant turns for a meeting."""

    kept: float
    hits: int
    of: int
    before: int
    after: int


class Measured(NamedTuple):
    """Outcomes by method, row by row; the rows' clusters; what each extraction cost.

    `ms` are milliseconds for 10,000 characters: of the first run, and of the fastest of `RUNS`, which is nearer to what
    it costs where other processes want the same cores.
    """

    outcomes: dict[str, list[Outcome]]
    clusters: list[int]
    ms: list[tuple[float, float]]


class Methods:
    """The ways that are compared: ours, the document's beginning, and whole units drawn at random."""

    def __init__(self, budget: float, count: Count, clock: Clock, seed: int) -> None:
        self._budget, self._count, self._clock = budget, count, clock
        self._random = random.Random(seed)
        self._ranker = Ranker()
        self._ranker.load()
        self.ms: list[tuple[float, float]] = []

    def run(self, document: str, query: str) -> Iterator[tuple[str, str, Sequence[tuple[int, int]]]]:
        """Of each method its name, the text, and the places of the document that it keeps."""
        costs = []
        for _ in range(RUNS):
            started = self._clock.monotonic()
            found = compress(document, query, self._budget, count=self._count, ranker=self._ranker)
            costs.append((self._clock.monotonic() - started) * 1e3 / max(1, len(document)) * 10_000)
        self.ms.append((costs[0], min(costs)))
        yield "extractive", found.text, [(unit.start, unit.end) for unit in found.kept]
        cut = self._cut(document, found.budget)
        yield "truncation", document[:cut], [(0, cut)]
        drawn = self._drawn(document, found.budget)
        text = "".join(document[unit.start : unit.end] for unit in drawn)
        yield "random", text, [(unit.start, unit.end) for unit in drawn]

    def _cut(self, document: str, allowed: int) -> int:
        """How many characters from the beginning are so many tokens."""
        low, high = 0, len(document)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._count(document[:middle]) <= allowed else (low, middle - 1)
        return low

    def _drawn(self, document: str, allowed: int) -> list[Unit]:
        units = blocks(document)
        left = allowed
        drawn = []
        for unit in self._random.sample(units, len(units)):
            cost = self._count(document[unit.start : unit.end])
            if cost <= left:
                left -= cost
                drawn.append(unit)
        return sorted(drawn, key=lambda unit: unit.start)


class Index:
    """BM25 over many passages, by which distractors are chosen: plain words, no stems, frequencies of the pool."""

    def __init__(self, texts: Sequence[str]) -> None:
        split = [words(text) for text in texts]
        mean = sum(map(len, split)) / max(1, len(split)) or 1.0
        self._norms = np.asarray([K1 * (1 - B + B * len(one) / mean) for one in split])
        self._places: dict[str, list[int]] = {}
        self._counts: dict[str, list[int]] = {}
        for at, one in enumerate(split):
            for word, n in Counter(one).items():
                self._places.setdefault(word, []).append(at)
                self._counts.setdefault(word, []).append(n)

    def best(self, query: str) -> list[int]:
        """All passages' numbers, best first."""
        total = len(self._norms)
        scores = np.zeros(total)
        for word in set(words(query)) & self._places.keys():
            at, n = np.asarray(self._places[word]), np.asarray(self._counts[word], float)
            scores[at] += math.log1p((total - len(at) + 0.5) / (len(at) + 0.5)) * n * (K1 + 1) / (n + self._norms[at])
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        return order


def answers(
    questions: Sequence[Question],
    budget: float,
    *,
    count: Count,
    clock: Clock,
    distractors: int = 19,
    titles: bool = True,
    seed: int = 0,
) -> Iterator[Measured]:
    """Each gold passage among the best distractors for its question out of the other questions' passages.

    The gold passage stands at a random place, as in Lost in the Middle (Liu et al. 2023, arXiv 2307.03172), whose form
    of prompt this is. Yields what is measured so far after each question; the last is the result.
    """
    pool = list(dict.fromkeys(question.gold for question in questions))
    index = Index([f"{one.title} {one.text}" if titles else one.text for one in pool])
    methods = Methods(budget, count, clock, seed)
    places = random.Random(seed)
    measured = Measured({name: [] for name in METHODS}, [], methods.ms)
    for at, question in enumerate(questions):
        others = [pool[best] for best in index.best(question.query) if pool[best] != question.gold][:distractors]
        others.insert(places.randint(0, len(others)), question.gold)
        document = "\n".join(_passage(number, one, titles) for number, one in enumerate(others, 1))
        before = count(document)
        measured.clusters.append(at)
        for name, text, _ in methods.run(document, question.query):
            kept = int(has_answer(text, question.answers))
            measured.outcomes[name].append(Outcome(kept, kept, 1, before, count(text)))
        yield measured


def _passage(number: int, one: Passage, titles: bool) -> str:
    return f"Document [{number}]" + (f"(Title: {one.title}) " if titles else " ") + one.text.replace("\n", " ")


def meetings(
    found: Sequence[Meeting], budget: float, *, count: Count, clock: Clock, seed: int = 0
) -> Iterator[Measured]:
    """The share of the relevant turns that is kept, for each query. Yields as `answers` does."""
    methods = Methods(budget, count, clock, seed)
    measured = Measured({name: [] for name in METHODS}, [], methods.ms)
    for at, meeting in enumerate(found):
        lines = [f"{turn.speaker}: {' '.join(turn.text.split())}" for turn in meeting.turns]
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)
        document = "\n".join(lines)
        before = count(document)
        for query, relevant in meeting.queries:
            measured.clusters.append(at)
            for name, text, places in methods.run(document, query):
                hits = len(relevant & _turns(starts, places))
                outcome = Outcome(hits / len(relevant), hits, len(relevant), before, count(text))
                measured.outcomes[name].append(outcome)
            yield measured


def _turns(starts: Sequence[int], places: Sequence[tuple[int, int]]) -> set[int]:
    """The turns that lie wholly within a place, but for the line break at their end; `starts` ends with the total."""
    kept: set[int] = set()
    for start, end in places:
        kept.update(range(bisect_left(starts, start), bisect_right(starts, end + 1) - 1))
    return kept


def has_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers is in the text, as whole words, whatever their case and punctuation."""
    spoken = f" {_normal(text)} "
    return any(f" {wanted} " in spoken for answer in answers if (wanted := _normal(answer)))


def _normal(text: str) -> str:
    return " ".join(_SPLIT.findall(text.lower()))


def resampled(measured: Sequence[Outcome], clusters: Sequence[int], *, draws: int, seed: int) -> tuple[float, float]:
    """A 95% percentile interval of the mean share kept, by drawing whole clusters (meetings) with replacement."""
    names = sorted(set(clusters))
    place = {name: at for at, name in enumerate(names)}
    sums, sizes = np.zeros(len(names)), np.zeros(len(names))
    for outcome, name in zip(measured, clusters, strict=True):
        sums[place[name]] += outcome.kept
        sizes[place[name]] += 1
    chosen = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    means = sums[chosen].sum(1) / sizes[chosen].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
