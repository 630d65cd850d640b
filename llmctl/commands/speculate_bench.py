"""`llmctl speculate bench`: the same greedy questions to the local model with and without speculation.

Both are loaded and asked in turn, so that whatever else the machine does falls on both alike. Prompts and answers are
compared as token ids, straight from the engine.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from llmctl.clock import SystemClock
from llmctl.errors import UsageError

if TYPE_CHECKING:
    from httpx import AsyncClient

    from llmctl.providers.local import LocalOptions
    from llmctl.providers.speculative import DraftOptions, NgramOptions

POEM = (
    "The lamp burns low on the harbour wall, the boats lie still in the bay, and the keeper counts the ropes and all "
    "the nets that dried today. The wind turns west and the tide runs out, the gulls have gone to the land, and the "
    "keeper walks with his coat about him over the silver sand."
)
CODE = (
    "def total(prices, tax):\n    result = 0\n    for price in prices:\n        result = result + price\n"
    "    result = result + result * tax\n    return result\n"
)
ORDER = (
    '{"order": 1042, "customer": "Mara Lind", "items": [{"name": "lamp", "count": 2}, {"name": "rope", "count": 5}]}'
)
COPYING = (
    f"Repeat this text exactly, word for word:\n\n{POEM}",
    f"Repeat this code exactly:\n\n{CODE}",
    f"Rename `prices` to `amounts` in this code and write all of it:\n\n{CODE}",
    f"Repeat this JSON exactly:\n\n{ORDER}",
    f"Write this text again, with `keeper` replaced by `captain`:\n\n{POEM}",
    f"Quote the first sentence of this text, then the second:\n\n{POEM}",
)
FREE = (
    "Write a short story about a cat that finds a key.",
    "Explain in one paragraph why the sky is blue.",
    "Give me three ideas for a birthday present for a gardener.",
    "How do I cook rice so that it does not stick?",
    "Write a polite message that declines an invitation to a wedding.",
    "What should I look at first when a bicycle's brakes squeak?",
)
QUESTIONS = (*((True, each) for each in COPYING), *((False, each) for each in FREE))
DRAWS = 2000


class Said(NamedTuple):
    """One answer: its token ids, the engine's milliseconds for those after the first, and ours for the whole call."""

    tokens: tuple[int, ...]
    ms: float
    whole_ms: float
    drafted: int
    accepted: int


class Asked(NamedTuple):
    """A question, and the answers to it, one a round."""

    copying: bool
    question: str
    prompt: list[int]
    without: list[Said]
    speculating: list[Said]

    @property
    def differs(self) -> bool:
        """Whether any answer is another than the first without speculation, token for token."""
        return any(one.tokens != self.without[0].tokens for one in (*self.without, *self.speculating))


def run(
    path: str | None,
    threads: int | None,
    speculative: "NgramOptions | DraftOptions",
    rounds: int,
    tokens: int,
    watched: Callable[[str], None],
    questions: Sequence[tuple[bool, str]] = QUESTIONS,
) -> dict[str, Any]:
    """Ask `questions`, each with whether it is to copy. Raises UsageError where a model cannot be loaded."""
    from pydantic import ValidationError

    from llmctl.providers.local import LocalOptions

    plain = {"path": path, "threads": threads, "context": 2048, "parallel": 1, "embeddings": False}
    try:
        both = LocalOptions(**plain), LocalOptions(**plain, speculative=speculative)
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    asked = asyncio.run(_ask(both, rounds, tokens, watched, questions))
    told = {"model": path or "SmolLM2-135M-Instruct", "speculative": speculative.model_dump()}
    return {**told, "rounds": rounds, "answer_tokens": tokens, **figures(asked, speculative)}


async def _ask(
    both: "tuple[LocalOptions, LocalOptions]",
    rounds: int,
    tokens: int,
    watched: Callable[[str], None],
    questions: Sequence[tuple[bool, str]],
) -> list[Asked]:
    from httpx import AsyncClient

    async with AsyncExitStack() as stack:
        clients = []
        for name, options in zip(("without", "speculating"), both, strict=True):
            address = await _started(name, options, stack)
            # llama.cpp closes connections without saying so.
            client = AsyncClient(base_url=address, timeout=600, headers={"connection": "close"}, trust_env=False)
            clients.append(await stack.enter_async_context(client))
        asked = []
        for copying, question in questions:
            asked.append(Asked(copying, question, await _tokens(clients[0], question), [], []))
        for number in range(rounds):
            for at, one in enumerate(asked):
                watched(f"round {number + 1} of {rounds}: question {at + 1} of {len(asked)}")
                turns = list(zip(clients, (one.without, one.speculating), strict=True))
                for client, answers in turns if (at + number) % 2 else reversed(turns):
                    answers.append(await _answer(client, one.prompt, tokens))
        return asked


async def _started(name: str, options: "LocalOptions", stack: AsyncExitStack) -> str:
    from llmctl.providers.local import Local

    try:
        local = Local(name, options)
    except ValueError as error:
        raise UsageError(str(error)) from None
    stack.push_async_callback(local.close)
    await local.start()
    while (why := local.unready()) is not None:
        if local.child.restarts or "being started again" in why:
            raise UsageError(f"{why}; the lines above say what it said last")
        await asyncio.sleep(0.02)
    return f"http://127.0.0.1:{local.endpoint.origin.port}"


async def _post(client: "AsyncClient", path: str, body: dict[str, Any]) -> Any:
    response = await client.post(path, json=body)
    if response.status_code != 200:
        raise UsageError(f"llama.cpp answered {response.status_code} to {path}: {response.text[:200]}")
    return json.loads(response.content)


async def _tokens(client: "AsyncClient", question: str) -> list[int]:
    asked = {"messages": [{"role": "user", "content": question}]}
    prompt = (await _post(client, "/apply-template", asked))["prompt"]
    found = await _post(client, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True})
    return [int(each) for each in found["tokens"]]


async def _answer(client: "AsyncClient", prompt: list[int], tokens: int) -> Said:
    body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "top_k": 1}
    clock = SystemClock()
    began = clock.monotonic()
    found = await _post(client, "/completion", {**body, "return_tokens": True, "cache_prompt": False})
    whole = 1000 * (clock.monotonic() - began)
    timings = found["timings"]
    guesses = int(timings.get("draft_n") or 0), int(timings.get("draft_n_accepted") or 0)
    return Said(tuple(found["tokens"]), float(timings["predicted_ms"]), whole, *guesses)


def figures(asked: Sequence[Asked], speculative: "NgramOptions | DraftOptions") -> dict[str, Any]:
    """What the answers come to: whether they are the same, and speeds for copying, free and all questions."""
    differing = [one.question for one in asked if one.differs]
    groups = {"copying": [one for one in asked if one.copying], "free": [one for one in asked if not one.copying]}
    found = {name: _group(rows, speculative) for name, rows in {**groups, "all": list(asked)}.items() if rows}
    return {"lossless": not differing, "differing": differing, "questions": found}


def _group(asked: "Sequence[Asked]", speculative: "NgramOptions | DraftOptions") -> dict[str, Any]:
    import numpy as np

    from llmctl.providers.speculative import NgramOptions
    from llmctl.reports.speculation import Counts, simulate

    said = [one for row in asked for one in row.speculating]
    drafted, accepted = (sum(getattr(one, name) for one in said) for name in ("drafted", "accepted"))
    made = sum(max(len(one.tokens) - 1, 0) for one in said)
    rows = np.array([[*_sums(one.without), *_sums(one.speculating)] for one in asked])
    at = np.random.default_rng(0).integers(len(rows), size=(DRAWS, len(rows)))
    speeds, draws = _speeds(rows.sum(0)), _speeds(np.moveaxis(rows[at].sum(1), 1, 0))
    names = ("tokens_per_s_without", "tokens_per_s", "ratio", "whole_call_ratio")
    found: dict[str, Any] = {"n": len(asked), "drafted": drafted, "accepted": accepted}
    found["tokens_per_step"] = round(made / (made - accepted), 3) if made > accepted else None
    if isinstance(speculative, NgramOptions):
        sizes = speculative.max_tokens, speculative.min_match
        counts = [simulate(one.prompt, one.speculating[0].tokens, *sizes) for one in asked]
        total = Counts(*map(sum, zip(*counts, strict=True)))
        found["tokens_per_step_predicted"] = round(total.tokens / total.steps, 3) if total.steps else None
    for name, value, drawn in zip(names, speeds, draws, strict=True):
        low, high = np.quantile(drawn, (0.025, 0.975))
        found[name] = {"value": round(float(value), 3), "interval": [round(float(low), 3), round(float(high), 3)]}
    return found


def _sums(said: Sequence[Said]) -> tuple[float, float, float]:
    return (sum(len(one.tokens) - 1 for one in said), sum(one.ms for one in said), sum(one.whole_ms for one in said))


def _speeds(rows: Any) -> tuple[Any, Any, Any, Any]:
    """Tokens a second without and with, their ratio, and that of whole calls; of sums (6,) or (6, draws)."""
    tokens, ms, whole, tokens_with, ms_with, whole_with = rows
    without, speculating = 1000 * tokens / ms, 1000 * tokens_with / ms_with
    return without, speculating, speculating / without, (tokens_with / whole_with) / (tokens / whole)
