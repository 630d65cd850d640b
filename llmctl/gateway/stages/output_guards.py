"""What is let out: every text of the answer is judged, redacted or refused before the client sees it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from llmctl.gateway.client import Client
from llmctl.gateway.guarded import Guarded
from llmctl.gateway.judging import Judging, Unfit
from llmctl.gateway.passages import Texts
from llmctl.gateway.plans import Plan, Plans
from llmctl.gateway.policies import Finding, Hearing
from llmctl.gateway.spoken import REASONING, Place, lone, resaid, said, untold
from llmctl.gateway.tally import estimate, used
from llmctl.gateway.tokens import Tokens
from llmctl.guards.base import About
from llmctl.model import chat
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.usage import Usage

Again = Callable[[Exchange, Client], Awaitable[None]]
"""Has the model asked (again): the upstream stage."""


class OutputGuards:
    """Judges whole answers at once and streams piece by piece. An answer of the wrong form is asked for once more."""

    name = "output_guards"

    def __init__(
        self,
        plans: Plans,
        segment: int,
        now: Callable[[], float],
        again: Again | None,
        tokens: Tokens | None = None,
    ) -> None:
        """`again` is None where no answer is to be asked for twice; `tokens` counts what no provider did."""
        self._plans = plans
        self._tokens = tokens
        self._segment = segment
        self._now = now
        self._again = again

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Replaces `whole` or `chunks` by what may go out. Raises Blocked, GuardFailed."""
        plan = self._plans.of(exchange)
        if not plan.policies or exchange.operation == "embedding":
            return
        if exchange.chunks is not None:
            exchange.chunks = self._stream(exchange, client, plan, exchange.chunks)
        elif exchange.whole is not None:
            await self._whole(exchange, client, plan)

    async def _whole(self, exchange: Exchange, client: Client, plan: Plan, *, repaired: bool = False) -> None:
        answer = exchange.whole
        assert answer is not None
        hearing, mended = Hearing(exchange, "output", self._now), False
        try:
            exchange.whole = await _guarded(answer, Judging(plan, _about(exchange, plan), hearing))
        except Unfit as unfit:
            exchange.whole = None
            spent = used(exchange, answer, self._tokens)
            if not self._repairs(exchange) or repaired:
                exchange.discard(spent)
                raise
            mended = True
            await self._repair(exchange, client, _first(answer), unfit, spent)
        except BaseException:  # cancelled, too: the answer is paid for
            exchange.whole = None
            exchange.discard(used(exchange, answer, self._tokens))
            raise
        else:
            return
        finally:
            hearing.close(mended=mended)
        await self._whole(exchange, client, plan, repaired=True)

    async def _stream(
        self, exchange: Exchange, client: Client, plan: Plan, source: AsyncIterator[list[Chunk]],
        *, repaired: bool = False,
    ) -> AsyncIterator[list[Chunk]]:  # fmt: skip
        hearing, mended = Hearing(exchange, "output", self._now), False
        guarded = Guarded(Judging(plan, _about(exchange, plan), hearing), self._segment)
        passing = guarded.stream(source)
        again: AsyncIterator[list[Chunk]] | None = None
        try:
            async for batch in passing:
                yield batch
        except Unfit as unfit:
            held = guarded.waiting()
            if not self._repairs(exchange) or repaired:
                exchange.discard(_spent(exchange, held, self._tokens))
                raise
            mended = True
            await source.aclose()  # type: ignore[attr-defined]
            spent = _spent(exchange, held, self._tokens)
            await self._repair(exchange, client, guarded.said(), unfit, spent)
            assert exchange.chunks is not None
            again = self._stream(exchange, client, plan, exchange.chunks, repaired=True)
        except BaseException:  # also where the client has gone
            _account(exchange, guarded.waiting(), self._tokens)
            raise
        finally:
            await passing.aclose()  # type: ignore[attr-defined]
            await source.aclose()  # type: ignore[attr-defined]
            hearing.close(mended=mended)
        if again is not None:
            try:
                async for batch in again:
                    yield batch
            finally:
                await again.aclose()  # type: ignore[attr-defined]

    def _repairs(self, exchange: Exchange) -> bool:
        return self._again is not None and exchange.operation == "chat" and exchange.degraded != "static"

    async def _repair(self, exchange: Exchange, client: Client, bad: str, unfit: Unfit, spent: Usage) -> None:
        """Ask once more, saying what was wrong. The record keeps the request as it was."""
        assert self._again is not None
        exchange.discard(spent)
        payload, raw = exchange.payload, exchange.raw
        demand = f"This answer cannot be used: {unfit.reason}. Answer again with the corrected JSON and nothing else."
        turns = [{"role": "assistant", "content": bad or "{}"}, {"role": "user", "content": demand}]
        exchange.payload, exchange.raw = {**payload, "messages": [*payload.get("messages", ()), *turns]}, None
        try:
            await self._again(exchange, client)
        finally:
            exchange.payload, exchange.raw = payload, raw


async def _guarded(answer: Answer, judging: Judging) -> Answer:
    if (text := lone(answer)) is not None:
        words = await judging.text("content", text)
        return answer if words is None else chat.answer(resaid(answer.raw, {Place(0, "content"): words}))
    texts: dict[Place, str] = {}
    told = False
    for place, _, text in said(answer.body.choices):
        told = told or place.field in REASONING
        words = await judging.text(place.field, text)
        if words is not None:
            texts[place] = words
    if any(choice.message and isinstance(choice.message.content, list) for choice in answer.body.choices):
        unheard = Finding("unscanned", "allow", 0.0, "unscanned: parts that are no text", "media")
        for policy in judging.plan.policies:
            judging.hearing.hear(policy, unheard)
    without_thinking = any(place.field in REASONING for place in texts) or (
        judging.plan.enforces and not told and untold(answer.raw)
    )
    if not texts and not without_thinking:
        return answer
    return chat.answer(resaid(answer.raw, texts, without_thinking=without_thinking))


ANSWER = About("output", "assistant")


def _about(exchange: Exchange, plan: Plan) -> About:
    """What the answer may rest on, out of the request; as much of it as somebody looks at."""
    if not plan.needs_context:
        messages = exchange.payload["messages"] if plan.needs_system and exchange.operation == "chat" else ()
        told = [message for message in messages if message["role"] in ("system", "developer")]
        if not told:
            return ANSWER
        return About("output", "assistant", system="\n".join(Texts({"messages": told}, "chat").of("system")))
    texts = Texts(exchange.payload if exchange.original is None else exchange.original, exchange.operation)
    user = texts.of("user")
    wanted: Any = exchange.payload.get("response_format")
    return About(
        "output",
        "assistant",
        (*texts.of("tool", "retrieved"), *exchange.passages),
        user[-1] if user else "",
        "\n".join(texts.of("system")),
        wanted if isinstance(wanted, dict) else None,
    )


def _account(exchange: Exchange, held: list[Chunk], tokens: Tokens | None) -> None:
    """A stream that is cut short: what was held is paid for too. Counts, where there are any, cover all of it."""
    spent = _spent(exchange, held, tokens)
    if spent.source == "provider":
        exchange.usage = spent
    elif exchange.first_chunk_at is None:
        exchange.discard(spent)
    else:  # the tally estimates the request with what was delivered
        exchange.discard(Usage(output=spent.output, source=spent.source))


def _first(answer: Answer) -> str:
    return next((text for place, _, text in said(answer.body.choices) if place.field == "content"), "")


def _spent(exchange: Exchange, held: list[Chunk], tokens: Tokens | None) -> Usage:
    """Tokens of chunks that the client will not see."""
    counted = [chunk.body.usage for chunk in held if chunk.body.usage is not None]
    if counted:
        return counted[-1].partition()
    texts = [text for chunk in held for _, _, text in said(chunk.body.choices)]
    if not any(texts):
        return Usage()
    return estimate(exchange, sum(map(len, texts)), texts, tokens, held[0].body.model or exchange.model)
