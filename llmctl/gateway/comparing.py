"""Was the cached answer the one that the model gives? Found out behind the client's back, and told to the policy."""

from collections.abc import Mapping
from typing import Protocol

from llmctl.cache.compare import Comparer, normalised, said
from llmctl.cache.key import Key
from llmctl.embedding.base import Embedder, Vector
from llmctl.errors import LlmctlError
from llmctl.gateway.caching import Asking, Cache
from llmctl.gateway.copies import Copies, copy_of
from llmctl.gateway.shelf import Shelf
from llmctl.model import chat
from llmctl.model.chat import Answer
from llmctl.model.exchange import Exchange
from llmctl.model.record import CacheOutcome, Decision

MOST_COMPARED = 20_000  # characters of an answer that is embedded or judged
QUESTION = (
    "Two answers to one question follow. Do they tell the user the same thing, so that either could stand for the "
    "other? Differences in wording do not count; differences in facts, numbers, names, advice or language do. Reply "
    "with one word, yes or no.\n\nQuestion:\n{question}\n\nFirst answer:\n{one}\n\nSecond answer:\n{two}"
)


class Judge(Protocol):
    """Compares two answers where nothing cheaper could."""

    async def same(self, exchange: Exchange, question: str, one: str, two: str) -> bool | None:
        """Whether they say the same; None where that could not be found out."""
        ...


class ModelJudge:
    """Asks a model of this gateway. What that costs is booked apart, as an audit of the exchange it is about."""

    def __init__(self, model: str, copies: Copies) -> None:
        self._model = model
        self._copies = copies

    async def same(self, exchange: Exchange, question: str, one: str, two: str) -> bool | None:
        """One short call."""
        prompt = QUESTION.format(question=question, one=one, two=two)
        asked = copy_of(exchange, "audit", Decision(self._model, "audit", f"judges the cache for {exchange.id}"))
        asked.cache = CacheOutcome("audit")
        asked.operation, asked.stream, asked.raw, asked.passages, asked.restoration = "chat", False, None, (), None
        asked.requested_model = self._model
        asked.payload = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 4,
            "temperature": 0,
        }
        answer = await self._copies.ask(asked)
        word = normalised(said(answer))[:3] if answer is not None else ""
        return True if word == "yes" else False if word.startswith("no") else None


class Verdicts:
    """Compares a model's answer with those that were near, tells the shelf's policy, and shelves the answer."""

    def __init__(self, cache: Cache, judges: Mapping[str, Judge]) -> None:
        """`judges` by the model's name."""
        self._cache = cache
        self._judges = dict(judges)

    async def learn(self, exchange: Exchange, asking: Asking, answer: Answer) -> None:
        """Nearest first; only of the nearest does the policy learn, so only for it is anything dear asked."""
        shelf, match = asking.shelf, asking.match
        assert shelf is not None
        assert match is not None
        mine = said(answer)
        theirs: dict[int, str | None] = {}
        for one in match.neighbours:
            theirs[one.entry] = await self._text(shelf, one.entry, asking.key)
        verdicts = {entry: text is not None and normalised(text) == normalised(mine) for entry, text in theirs.items()}
        if match.neighbours and (text := theirs[nearest := match.neighbours[0].entry]) is None:
            shelf.semantic.remove(nearest)  # its answer is gone: there is nothing to be compared with
        elif match.neighbours and not verdicts[nearest]:
            same = await self._near(exchange, asking, shelf, text or "", mine)
            if same is None:
                shelf.add(match, asking.key.exact, None)
                return
            verdicts[nearest] = same
        group = shelf.semantic.learn(match, lambda entry: verdicts.get(entry, False))
        shelf.add(match, asking.key.exact, group)

    async def _near(self, exchange: Exchange, asking: Asking, shelf: Shelf, one: str, two: str) -> bool | None:
        """Whether two answers that differ in their words are the same."""
        if max(len(one), len(two)) > MOST_COMPARED or not one.strip() or not two.strip():
            return False
        try:
            vectors = {text: await _vector(shelf.embedder, text) for text in (one, two)}
        except LlmctlError:
            return None
        if Comparer(vectors.__getitem__, shelf.config.compare.similarity).compare(one, two).same:
            return True
        judge = self._judges.get(shelf.config.compare.judge or "")
        return False if judge is None else await judge.same(exchange, asking.key.text, one, two)

    async def _text(self, shelf: Shelf, entry: int, asked: Key) -> str | None:
        try:
            key = shelf.semantic.key(entry)
        except KeyError:
            return None
        if key == asked.exact:  # the request's own answer of long ago, which the new one has replaced
            return None
        found = await self._cache.store.get(key, asked.tenant)
        return said(chat.answer(found.entry.raw)) if found is not None else None


async def _vector(embedder: Embedder, text: str) -> Vector:
    vector = embedder.now(text)
    return await embedder.vector(text) if vector is None else vector
