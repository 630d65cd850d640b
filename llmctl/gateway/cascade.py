"""The panel of a cascade: cheap models are asked at the same time, and believed where they agree.

Source: Yue et al., "Large Language Model Cascades with Mixture of Thought Representations", ICLR 2024
(arXiv 2310.03094).
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from llmctl.errors import LlmctlError
from llmctl.gateway.attempt import Begun, Caller
from llmctl.gateway.tally import used
from llmctl.gateway.target import Target
from llmctl.model.chat import Answer
from llmctl.model.exchange import Exchange


class Judge(Protocol):
    """The strategy that named the panel."""

    def agreed(self, texts: Sequence[str]) -> bool:
        """Whether all of these say the same."""
        ...


async def cascaded(exchange: Exchange, panel: Sequence[Target], caller: Caller, within: float | None) -> Begun | None:
    """The first panel member's answer where all agree, else None. What the others used is in `exchange.spent`."""
    judge: Judge = exchange.strategy
    payload = {key: value for key, value in exchange.payload.items() if key not in ("stream", "stream_options")}
    tasks = [
        asyncio.create_task(caller.call(exchange, target, "panel", within, payload, stream=False)) for target in panel
    ]
    try:
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                _spend(exchange, task.result())
        raise
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, LlmctlError):
            raise one
    begun = [one for one in ended if isinstance(one, Begun) and one.whole is not None]
    texts = [_text(one.whole) for one in begun if one.whole is not None]
    agreed = len(begun) == len(panel) and judge.agreed(texts)
    for one in begun[1:] if agreed else begun:
        _spend(exchange, one)
    return begun[0] if agreed else None


def _spend(exchange: Exchange, begun: Begun) -> None:
    assert begun.whole is not None
    exchange.spent.append((begun.target.name, used(exchange, begun.whole)))


def _text(answer: Answer) -> str:
    choice = answer.body.choices[0]
    said = choice.message.content if choice.message is not None else choice.text
    return said if isinstance(said, str) else ""
