"""What the savings bench asks and when: recorded prompts and answers, support questions, passages, and arrival times.

Nothing is made up but the support desk's answers: one canned text an intent, given by every model that is asked.
"""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from llmctl.compress.measure import Index, Passage, has_answer

SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data"
MODELS = {
    "strong": "claude-3-5-sonnet-20241022",
    "mini": "gpt-4o-mini-2024-07-18",
    "flash": "gemini-1.5-flash",
}
"""Models of the gateway by the name under which ZeroEval recorded their answers."""

SHAPES = ("azure", "mooncake")
DISTRACTORS = 19
UNKNOWN = "The documents do not say."
PASSAGES = (
    "Write a high-quality answer for the given question using only the provided search results.\n\n{document}\n\n"
    "Question: {question}\nAnswer:"
)

Route = Literal["maths", "code", "support", "reading"]


class Answer(NamedTuple):
    """What a model says to a question, and whether that is right."""

    text: str
    right: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A question. `answers` by model are recorded or canned; where there are none, one of `gold` is to be found."""

    id: str
    route: Route
    prompt: str
    answers: dict[str, Answer]
    gold: tuple[str, ...] = ()

    def answer(self, model: str, prompt: str) -> str:
        """What `model` says to what reached it: a passage's answer as far as it is still there."""
        if self.answers:
            return self.answers[model].text
        return self.gold[0] if has_answer(prompt, self.gold) else UNKNOWN

    def right(self, text: str) -> bool:
        """Whether this is a right answer: a text that no model gave to this question is none."""
        if self.answers:
            return any(one.right for one in self.answers.values() if one.text == text)
        return text == self.gold[0]


class Mix(NamedTuple):
    """Shares of requests: support questions, and questions about twenty passages. The others are ZeroEval's."""

    support: float
    reading: float = 0.0


class Arrival(NamedTuple):
    """A request, and the seconds from the stream's start at which it comes."""

    at: float
    item: Item


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything that may be asked, and the traces' arrivals in seconds from their first."""

    reasoning: tuple[Item, ...]
    support: tuple[Item, ...]
    reading: tuple[Item, ...]
    arrivals: dict[str, tuple[float, ...]]

    def stream(self, shape: str, mix: Mix, seed: int, prompts: int) -> list[Arrival]:
        """So many ZeroEval prompts, the others by their shares, in random order, at a stretch of the trace's times.

        No text comes twice, so that nothing is served again but to questions in other words. Raises ValueError where
        there is too little of something.
        """
        rng = Random(f"{shape} {mix} {seed}")
        total = round(prompts / (1 - mix.support - mix.reading))
        times = self.arrivals[shape]
        if total > len(times):
            raise ValueError(f"{total} requests, and the {shape} trace has {len(times)} arrivals")
        reading = round(total * mix.reading)
        support = total - prompts - reading
        items = [
            *rng.sample(self.reasoning, prompts),
            *rng.sample(self.support, support),
            *rng.sample(self.reading, reading),
        ]
        rng.shuffle(items)
        start = rng.randint(0, len(times) - total)
        return [Arrival(at - times[start], item) for at, item in zip(times[start : start + total], items, strict=True)]

    def others(self, stream: Sequence[Arrival], count: int, seed: int) -> list[Item]:
        """Support questions that are not in the stream: what was asked before it."""
        asked = {one.item.id for one in stream}
        left = [item for item in self.support if item.id not in asked]
        return Random(f"before {seed}").sample(left, min(count, len(left)))


def pool(folder: Path = SHARED) -> Pool:
    """Everything, from the shared data. Raises OSError where it is not there."""
    return Pool(_reasoning(folder), _support(folder), _reading(folder), {s: _times(folder, s) for s in SHAPES})


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a gzipped file of JSON lines. Raises OSError."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _reasoning(folder: Path) -> tuple[Item, ...]:
    results = rows(folder / "routing" / "zeroeval_results.jsonl.gz")
    right = {(row["model"], row["id"]): bool(row["correct"]) for row in results}
    said: dict[str, dict[str, Answer]] = {}
    for name, model in MODELS.items():
        for row in rows(folder / "routing" / "zeroeval_outputs" / f"{model}.jsonl.gz"):
            said.setdefault(row["id"], {})[name] = Answer(row["output"], right[model, row["id"]])
    prompts = rows(folder / "routing" / "zeroeval_prompts.jsonl.gz")
    return tuple(
        Item(row["id"], "code" if row["id"].startswith("crux") else "maths", row["prompt"], said[row["id"]])
        for row in prompts
    )


def _support(folder: Path) -> tuple[Item, ...]:
    """Banking77: the same intent, the same answer, whoever answers."""
    found = rows(folder / "cache" / "banking77_train.jsonl.gz")
    numbers = {intent: at for at, intent in enumerate(sorted({row["intent"] for row in found}), 101)}
    texts = dict.fromkeys(row["text"].strip() for row in found)
    labels = {row["text"].strip(): row["intent"] for row in found}
    return tuple(
        Item(f"bank#{at}", "support", text, dict.fromkeys(MODELS, Answer(canned(labels[text], numbers), True)))
        for at, text in enumerate(texts)
    )


def canned(intent: str, numbers: dict[str, int]) -> str:
    """An intent's answer. The article's number makes answers of different intents differ for the cache."""
    about = intent.replace("_", " ").strip("? ").lower()
    return (
        f"You are asking about: {about}. What to do is in help article {numbers[intent]}, {about}. Open it in the app "
        f"under Help, follow its steps in order, and write to us here, naming article {numbers[intent]}, if they do "
        "not solve it. We can then look at your account together."
    )


def _reading(folder: Path) -> tuple[Item, ...]:
    """Natural Questions: the passage that has the answer, at a random place among those that BM25 finds nearest."""
    found = []
    for row in rows(folder / "compression" / "nq_dev.jsonl.gz"):
        gold = next((one for one in row["ctxs"] if one.get("isgold")), row["ctxs"][0])
        if has_answer(gold["text"], row["answers"]):
            found.append((row["question"], tuple(row["answers"]), Passage(gold["title"], gold["text"])))
    passages = list(dict.fromkeys(passage for _, _, passage in found))
    index, rng = Index([f"{one.title} {one.text}" for one in passages]), Random(0)
    items = []
    for at, (question, answers, gold) in enumerate(found):
        near = [passages[best] for best in index.best(question)[: DISTRACTORS + 1] if passages[best] != gold]
        near = near[:DISTRACTORS]
        near.insert(rng.randint(0, len(near)), gold)
        document = "\n".join(f"Document [{n}](Title: {one.title}) {one.text}" for n, one in enumerate(near, 1))
        items.append(Item(f"nq#{at}", "reading", PASSAGES.format(document=document, question=question), {}, answers))
    return tuple(items)


def _times(folder: Path, shape: str) -> tuple[float, ...]:
    if shape == "azure":
        stamps = [row["timestamp"] for row in rows(folder / "traffic" / "azure2023_code.jsonl.gz")]
        times = [datetime.fromisoformat(stamp[:26]).timestamp() for stamp in stamps]
    else:
        times = [row["timestamp"] / 1e3 for row in rows(folder / "traffic" / "mooncake_synthetic.jsonl.gz")]
    times.sort()
    return tuple(at - times[0] for at in times)


def counter() -> tuple[str, Callable[[str], int]]:
    """How tokens are counted, by name: OpenAI's o200k for every model, else four characters a token."""
    try:
        from bpe_openai import get_encoding
    except ImportError:
        return "four characters", lambda text: -(-len(text) // 4)
    encode = get_encoding("o200k_base").encode_ordinary
    return "o200k", lambda text: len(encode(text))
