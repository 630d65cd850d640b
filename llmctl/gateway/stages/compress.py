"""What is put before the model only for this request, made shorter: the passages, tool results, long documents.

After routing, because what pays depends on the model chosen. Whoever answers in its place gets the shorter request too,
and copies for experiments are compressed alike. The record keeps what was sent; answers are judged against what was
there before: what an answer says and only a part left out bears out is still borne out for the client, and citations
count all passages.

Nothing is touched that the provider is to find again in its prompt cache. That is known from the request: messages up
to the last `cache_control` or `prompt_cache_breakpoint`, and all of a request with `cache_control` beside its messages
or, unless the chosen model's provider is of a kind that is not sent it, `prompt_cache_key` and its like
(`llmctl.compress.prefix`). Caching that a provider does unasked is not known from a request, and mostly survives: what
becomes of a message depends on nothing after it, so that tool results come out the same in every turn. The user's last
message is new; where its documents stay in the conversation (`history` says so) it comes out the same in later turns
too, and without `history` it goes whole from the next turn on, which costs one miss. Where many questions are asked of
one document that stands before them, give it a mark or the route `compress: off`.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from llmctl.compress.options import MinifyOptions
from llmctl.compress.payload import Applied, Shortener, compress_payload, volume
from llmctl.compress.prefix import stable
from llmctl.errors import LlmctlError
from llmctl.gateway.client import Client
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject
from llmctl.model.record import Compression

INLINE = 12_000  # characters compressed on the loop, in 2 to 4 ms; with more, others would wait too long
PATIENCE = 10.0  # seconds after which a request goes as it is
MAX_WAITING = 32  # requests for the one thread; more go as they are
SILENCE = 60.0  # seconds between two reports of failures


@dataclass(frozen=True, slots=True)
class Plan:
    """How the requests for a name are compressed; `shorten` is None for white space alone. `slow`: a model is run."""

    options: MinifyOptions
    shorten: Shortener | None = None
    slow: bool = False

    @property
    def least(self) -> int:
        """Bytes; of a request with fewer no text can be long enough."""
        return 4 * self.options.min_tokens - 3

    def apply(self, payload: JsonObject, stable: int) -> Applied:
        """The payload with all compressed but its first `stable` messages."""
        return compress_payload(payload, self.options, shorten=self.shorten, stable=stable)


class Compress:
    """Compresses chats. Where that fails the request goes as it is, and nothing is recorded as compressed.

    Long prompts are compressed in a thread of their own, one after the other: it holds the interpreter as the loop
    would, but hands it over every 5 ms, and a second one would only take from the first. Measured with 200,000
    characters, others waited 13 ms at most rather than 94; with 5,000 it is not worth a thread's handing over.
    """

    name = "compress"

    def __init__(
        self,
        plans: Mapping[str, Plan],
        kinds: Mapping[str, str],
        now: Callable[[], float],
        bug: Callable[[str, BaseException], None],
        warn: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        """`plans` by the name asked for, `kinds` of providers by model; `bug`, or `warn`, hears of failures, seldom."""
        self._plans = {name: (plan, plan.least) for name, plan in plans.items()}
        self._kinds = dict(kinds)
        self._now = now
        self._bug, self._warn = bug, warn
        self._thread = ThreadPoolExecutor(1, "compress")
        self._patience = patience
        self._waiting = 0
        self._quiet_until = 0.0

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `payload` and `compression` where something became shorter, and `original`. Raises nothing."""
        found = self._plans.get(exchange.requested_model)
        if found is None or exchange.operation != "chat" or exchange.replayed:
            return
        plan, least = found
        if exchange.raw is not None and len(exchange.raw) < least:
            return
        try:
            applied = await self._applied(exchange, plan)
        except Exception as error:
            self._report(exchange.id, error)
            return
        if applied is not None and applied.changes:
            exchange.original, exchange.payload, exchange.raw = exchange.payload, applied.payload, None
            exchange.compression = Compression(applied.before, applied.after)

    async def _applied(self, exchange: Exchange, plan: Plan) -> Applied | None:
        payload = exchange.payload
        size = volume(payload, plan.options)
        if not size:
            return None
        kind = self._kinds.get(exchange.decision.model, "") if exchange.decision else ""
        first = stable(payload, kind)
        if first >= len(payload["messages"]):
            return None
        if size <= INLINE and not plan.slow:
            return plan.apply(payload, first)
        return await self._apart(plan, payload, first)

    async def _apart(self, plan: Plan, payload: JsonObject, first: int) -> Applied:
        if self._waiting >= MAX_WAITING:
            raise LlmctlError(f"{self._waiting} long prompts wait for compression already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.get_running_loop().run_in_executor(self._thread, plan.apply, payload, first)
        except TimeoutError:
            raise LlmctlError(f"compression was not done after {self._patience:g} s") from None
        finally:
            self._waiting -= 1

    def _report(self, request_id: str, error: Exception) -> None:
        now = self._now()
        if now < self._quiet_until:
            return
        self._quiet_until = now + SILENCE
        if isinstance(error, LlmctlError):
            self._warn(f"request {request_id} was sent uncompressed: {error}")
        else:
            self._bug(request_id, error)
