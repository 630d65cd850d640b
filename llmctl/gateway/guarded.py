"""A stream on its way through output guards: chunks wait until all they say is settled, then go as they came."""

from collections import deque
from collections.abc import AsyncIterator

from msgspec import Struct

from llmctl.gateway.judging import Judging
from llmctl.gateway.spoken import ARGUMENTS, REASONING, REPEATING, Place, resaid, said, untold
from llmctl.guards.window import Channel
from llmctl.model import chat
from llmctl.model.chat import Chunk

Key = tuple[int, str, int]


class _Text(Struct):
    """One text of the stream: whether some of it is not judged yet, no more will come, and that was judged."""

    channel: Channel
    field: str
    choice: int
    stale: bool = False
    ended: bool = False
    finished: bool = False
    edited: bool = False


class _Piece(Struct):
    """What a chunk says of a text, and where."""

    text: _Text
    place: Place | None
    start: int
    end: int


class _Waiting(Struct):
    """A chunk, and what must be settled before it may go."""

    chunk: Chunk
    pieces: list[_Piece]
    thinking: bool = False


class Guarded:
    """Takes chunks and gives back those that may go."""

    def __init__(self, judging: Judging, segment: int) -> None:
        self._judging = judging
        self._holds_all = judging.plan.holds_all
        self._segment = segment
        self._texts: dict[Key, _Text] = {}
        self._waiting: deque[_Waiting] = deque()
        self._begun = False
        self._over = False
        self._lookbehind = max((policy.lookbehind or 0 for policy in judging.plan.policies), default=0)
        self._keeps_all = any(policy.lookbehind is None for policy in judging.plan.policies)

    async def stream(self, source: AsyncIterator[list[Chunk]]) -> AsyncIterator[list[Chunk]]:
        """The guarded stream. Raises Blocked, GuardFailed."""
        async for batch in source:
            for chunk in batch:
                self._take(chunk)
            await self._judge()
            if not self._holds_all and (ready := self._ready()):
                yield ready
        await self._finish()
        self._begun = True
        if ready := self._ready():
            yield ready

    def waiting(self) -> list[Chunk]:
        """Chunks that have not gone."""
        return [waiting.chunk for waiting in self._waiting]

    def said(self) -> str:
        """All that the first choice said; only where everything is held."""
        text = self._texts.get((0, "content", 0))
        return text.channel.everything() if text is not None else ""

    async def _finish(self) -> None:
        self._over = True
        for text in self._texts.values():
            text.ended = True
        await self._judge()

    def _take(self, chunk: Chunk) -> None:
        pieces: list[_Piece] = []
        choices = chunk.body.choices
        for place, key, words in said(choices):
            text = self._texts.get(key)
            if text is None:
                text = self._texts[key] = _Text(Channel(self._segment), place.field, key[0])
            text.stale, text.ended, text.finished = True, False, False
            pieces.append(_Piece(text, place, *text.channel.feed(words)))
        raw = chunk.raw
        thinking = any(key in raw for key in REPEATING)
        # Blocks that come with the words they repeat may go on; those that come after them are their end.
        closing = thinking and not any(piece.text.field in REASONING for piece in pieces)
        self._answers(pieces)
        for choice in choices:
            if choice.finish_reason is not None or closing:
                self._end(choice.index, pieces, only_reasoning=choice.finish_reason is None)
        self._waiting.append(_Waiting(chunk, pieces, thinking))

    def _answers(self, pieces: list[_Piece]) -> None:
        """Who answers has thought: the end of the reasoning must not hold up the answer behind it."""
        thinking = {text.choice for text in self._texts.values() if text.field in REASONING and not text.ended}
        if not thinking:
            return
        thinking.difference_update([piece.text.choice for piece in pieces if piece.text.field in REASONING])
        for choice in thinking.intersection([piece.text.choice for piece in pieces]):
            self._end(choice, pieces, only_reasoning=True)

    def _end(self, choice: int, pieces: list[_Piece], *, only_reasoning: bool) -> None:
        """These texts are complete: the chunk that says so waits for all of them."""
        for text in self._texts.values():
            if text.choice == choice and (text.field in REASONING or not only_reasoning):
                text.ended = True
                pieces.append(_Piece(text, None, text.channel.end, text.channel.end))

    async def _judge(self) -> None:
        for text in self._texts.values():
            if text.stale or (text.ended and not text.finished):
                # Where all is held anyway, what comes behind the last word (token counts) is waited for too.
                final = text.ended and (self._over or not self._holds_all)
                await self._judging.advance(text.channel, text.field, final=final)
                text.stale, text.finished = False, final

    def _ready(self) -> list[Chunk]:
        ready: list[Chunk] = []
        waiting = self._waiting
        if not self._begun:
            # Nothing goes before the first words may: until then a refusal is still an ordinary error.
            first = next((one for one in waiting if one.pieces), None)
            if first is None or not _settled(first):
                return ready
            self._begun = True
        while waiting and _settled(waiting[0]):
            ready.append(self._sent(waiting.popleft()))
        if ready and not self._keeps_all:
            for one in self._texts.values():
                if one.field in ARGUMENTS or not one.channel.long:
                    continue
                held = next((piece.start for w in waiting for piece in w.pieces if piece.text is one), one.channel.end)
                one.channel.forget(held, self._lookbehind)
        return ready

    def _unjudged(self, raw: bytes) -> bool:
        return self._judging.plan.enforces and untold(raw)

    def _sent(self, one: _Waiting) -> Chunk:
        texts: dict[Place, str] = {}
        for piece in one.pieces:
            if piece.place is not None:
                words = piece.text.channel.delivered(piece.start, piece.end)
                if words is not None:
                    texts[piece.place] = words
                    piece.text.edited = True
        reasoning = [text.edited for text in self._texts.values() if text.field in REASONING] if one.thinking else []
        without_thinking = one.thinking and (any(reasoning) or (not reasoning and self._unjudged(one.chunk.raw)))
        if not texts and not without_thinking:
            return one.chunk
        return chat.chunk(resaid(one.chunk.raw, texts, without_thinking=without_thinking))


def _settled(one: _Waiting) -> bool:
    return all(piece.text.channel.settled >= piece.end for piece in one.pieces)
