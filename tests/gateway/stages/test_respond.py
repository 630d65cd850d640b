"""What is noted of an answer while it goes out. Streams that break are in test_pipeline.py."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product

import pytest

from llmctl.gateway.stages.respond import Respond, charge
from llmctl.model import chat
from llmctl.model.chat import Chunk, Operation
from llmctl.model.pricing import Price, PriceList, Tier
from llmctl.model.usage import NO_USAGE, UNPRICED, Usage, UsageSource
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, exchange

PRICES = PriceList({"m": Price((Tier(1.0, 2.0),), "v"), "dear": Price((Tier(100.0, 200.0),), "v")})
RAW = (
    b'{"model":"m-1","choices":[{"message":{"content":"a"},"finish_reason":"length"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":2}}'
)


@dataclass
class Chunks:
    """A stream that knows whether it was closed."""

    closed: bool = False

    async def run(self) -> AsyncIterator[list[Chunk]]:
        try:
            yield [chat.chunk(b'{"choices":[{"delta":{"content":"abcdefgh"}}]}')]
            yield [chat.chunk(b'{"choices":[{"delta":{},"finish_reason":"stop"}]}')]
        finally:
            self.closed = True


def stage(*, keep_content: bool = True) -> Respond:
    return Respond(ManualClock(), PRICES, keep_content=keep_content)


@pytest.mark.parametrize(
    ("operation", "keep", "kept"),
    [("chat", True, RAW), ("chat", False, None), ("completion", True, RAW), ("embedding", True, None)],
)
async def test_a_whole_answer(operation: Operation, keep: bool, kept: bytes | None) -> None:
    asked, client = exchange(ManualClock(), operation), CollectingClient({})
    asked.model, asked.whole = "m", chat.answer(RAW)
    await stage(keep_content=keep).run(asked, client)
    assert client.answer is asked.whole
    assert (asked.cost.usd, asked.cost.status) == (7.0, "exact")
    assert (asked.served_model, asked.finish_reason, asked.transcript) == ("m-1", "length", kept)
    assert asked.first_chunk_at is not None


async def test_a_client_that_goes_away_is_still_accounted_for() -> None:
    async def gone() -> None:
        raise ConnectionError

    chunks, asked = Chunks(), exchange(ManualClock())
    asked.model, asked.payload, asked.chunks = "m", {"model": "m"}, chunks.run()
    with pytest.raises(ConnectionError):
        await stage().run(asked, CollectingClient({}, pause=gone))
    assert chunks.closed
    assert (asked.chunk_count, asked.usage.output, asked.cost.status) == (1, 2, "estimated")
    assert asked.transcript is not None


async def test_what_was_thrown_away_is_paid_to_the_model_that_made_it() -> None:
    asked = exchange(ManualClock())
    asked.model = "dear"
    asked.discard(Usage(input=1, output=1, source="provider"))
    asked.model, asked.whole = "m", chat.answer(RAW)
    await stage().run(asked, CollectingClient({}))
    assert (asked.cost.usd, asked.cost.status) == (300 + 7, "exact")
    assert (asked.usage.prompt, asked.usage.completion) == (4, 3)


async def test_a_text_of_the_routes_own_costs_nothing() -> None:
    counts = b'"usage":{"prompt_tokens":0,"completion_tokens":0}'
    own = b'{"model":"r","choices":[{"message":{"content":"sorry"},"finish_reason":"stop"}],%b}' % counts
    asked = exchange(ManualClock())
    asked.degraded, asked.whole = "static", chat.answer(own)
    await stage().run(asked, CollectingClient({}))
    assert (asked.usage, asked.cost) == (NO_USAGE, UNPRICED)
    asked.spent, asked.whole = [("m", Usage(input=1, output=1, source="provider"))], chat.answer(own)
    await stage().run(asked, CollectingClient({}))
    assert (asked.cost.usd, asked.cost.status, asked.usage.prompt) == (3.0, "exact", 1)


SOURCES: tuple[UsageSource, ...] = ("provider", "estimated", "none")
MODELS = PriceList(
    {"all": Price((Tier(1.0, 2.0),), "v"), "some": Price((Tier(1.0, None),), "v"), "none": Price((), "v")}
)
SPENT = [(model, source) for model in ("all", "some", "none", "unheard of") for source in SOURCES[:2]]


@pytest.mark.parametrize("spent", [[], *([one] for one in SPENT), [SPENT[0], SPENT[3]], [SPENT[1], SPENT[6]]])
def test_the_status_is_as_good_as_the_least_known_part(spent: list[tuple[str, UsageSource]]) -> None:
    """Of an exchange and of what its retries, hedges and panels threw away."""
    for model, source in product(("all", "some", "none", "unheard of"), SOURCES):
        asked = exchange(ManualClock())
        asked.model, asked.usage = model, Usage(1, output=1, source=source) if source != "none" else NO_USAGE
        asked.spent = [(name, Usage(1, output=1, source=known)) for name, known in spent]
        parts = [*spent, *([(model, source)] if source != "none" else [])]
        charge(asked, MODELS)
        models, sources = {name for name, _ in parts}, {known for _, known in parts}
        if not models & {"all", "some"}:
            assert asked.cost == UNPRICED, (model, source)
            continue
        expected = "partial" if models != {"all"} else "estimated" if "estimated" in sources else "exact"
        usd = sum({"all": 3.0, "some": 1.0}.get(name, 0.0) for name, _ in parts)
        assert (asked.cost.status, asked.cost.usd, asked.cost.price_version) == (expected, usd, "v"), (model, source)
        assert (asked.usage.input, asked.usage.output) == (len(parts), len(parts))
