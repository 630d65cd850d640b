"""A gateway in this process, asked from code: evals, replays and plans run on the very path that serves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random

import msgspec

from llmctl.clock import Clock, SystemClock
from llmctl.config.load import Loaded
from llmctl.errors import InvalidRequest, LlmctlError, Unavailable
from llmctl.gateway.asking import Call, Reply, Trouble
from llmctl.gateway.build import Surroundings, build
from llmctl.gateway.gateway import Gateway
from llmctl.gateway.gathered import Gathered
from llmctl.gateway.stages.record import Sink
from llmctl.gateway.tokens import installed
from llmctl.model import trace
from llmctl.model.chat import Answer, ChatRequest, Chunk, CompletionRequest, EmbeddingRequest, Operation
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.json import decode, encode
from llmctl.model.record import Record
from llmctl.net.pool import Pool
from llmctl.net.transport import Transport

KINDS: dict[Operation, type[msgspec.Struct]] = {
    "chat": ChatRequest,
    "completion": CompletionRequest,
    "embedding": EmbeddingRequest,
}
READY = 90.0
POLL = 0.02


def apart(loaded: Loaded, *, limits: bool = False) -> Loaded:
    """The configuration for a gateway that serves nobody: it shares nothing on disk with one that does.

    Its cache is in memory, it has no budgets, batches or alerts, and no rate limits unless `limits`. The policy digest
    stays that of the files.
    """
    config = loaded.config
    policies = config.guardrails.policies
    if not limits:
        policies = {name: policy for name, policy in policies.items() if policy.kind != "rate_limit"}
    changes = {
        "budgets": config.budgets.model_copy(update={"limits": {}}),
        "batches": None,
        "alerts": None,
        "cache": config.cache.model_copy(update={"dir": None}) if config.cache is not None else None,
        "guardrails": config.guardrails.model_copy(update={"policies": policies}),
    }
    return replace(loaded, config=config.model_copy(update=changes))


class LocalGateway:
    """An `Asker` over a gateway of its own, made by `start` from a configuration that is set `apart`."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        limits: bool = False,
        transport: Transport | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """`sinks` get every record, those of copies too. Raises ConfigError with every finding."""
        self._clock = clock or SystemClock()
        self._random = random or Random()
        self._pool = Pool(self._clock) if transport is None else None
        self._caught = _Caught()
        self.bugs: list[tuple[str, BaseException]] = []
        """What went wrong in us, by request: the replies say `internal_error`."""
        around = Surroundings(
            transport or self._pool or Pool(self._clock),
            self._clock,
            self._random,
            (self._caught, *sinks),
            lambda request, bug: self.bugs.append((request, bug)),
            tokens=installed(),
            trusting=True,
        )
        self.gateway: Gateway = build(apart(loaded, limits=limits), around)
        self._principals = {key.id: Principal(key.id, key.tenant, _models(key.models)) for key in loaded.config.keys}

    async def start(self) -> None:
        """Start providers, and wait until models that must be loaded are. Raises Unavailable where that takes long."""
        await self.gateway.start()
        until = self._clock.monotonic() + READY
        while unready := self.gateway.unready():
            if self._clock.monotonic() >= until:
                await self.close()
                raise Unavailable(f"after {READY:.0f} s not ready: {'; '.join(unready.values())}")
            await asyncio.sleep(POLL)

    async def ask(self, call: Call) -> Reply:
        """Take it along the path."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        ident = f"req_{int(wall * 1000):011x}{self._random.getrandbits(64):016x}"
        exchange = Exchange(
            ident,
            call.operation,
            "openai",
            {},
            None,
            trace.start(None, self._random),
            now,
            wall,
            now + call.timeout,
            principal=self._principals.get(call.key) or Principal(call.key or "local", call.tenant or "default"),
            tags=dict(call.tags),
        )
        client = _Collect(call, self._clock)
        self._caught.waiting[ident] = None
        await self.gateway.run(exchange, client)
        record = self._caught.waiting.pop(ident)
        seconds = self._clock.monotonic() - now
        failure = client.failure
        trouble = _trouble(failure) if failure is not None else None
        answer = client.answer
        if answer is None and trouble is None:
            trouble = Trouble(502, "no_answer", "the gateway ended without an answer, or with one too odd")
        return Reply(
            ident,
            record.state if record is not None else "failed",
            seconds,
            answer.body if answer is not None and trouble is None else None,
            answer.raw if answer is not None and trouble is None else b"",
            trouble,
            client.first_at - now if client.first_at is not None else None,
            exchange.answering,
            exchange.usage,
            exchange.cost,
            exchange.cache.kind if exchange.cache is not None else None,
            record,
        )

    async def close(self) -> None:
        """Let what is under way end, and stop."""
        await self.gateway.close()
        if self._pool is not None:
            self._pool.close()


class _Caught:
    """The sink that hands a caller the record of its own exchange."""

    def __init__(self) -> None:
        self.waiting: dict[str, Record | None] = {}

    def write(self, record: Record) -> None:
        """Keep it where somebody waits for it."""
        if record.id in self.waiting:
            self.waiting[record.id] = record


class _Collect:
    """The client of a call."""

    def __init__(self, call: Call, clock: Clock) -> None:
        self._call = call
        self._clock = clock
        self.answer: Answer | None = None
        self.failure: LlmctlError | None = None
        self.first_at: float | None = None

    async def read(self, exchange: Exchange) -> None:
        """Hand over the payload. Raises InvalidRequest."""
        payload = self._call.payload
        try:
            msgspec.convert(payload, KINDS[self._call.operation])
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"the request body: {error}") from None
        exchange.raw = encode(payload)
        exchange.payload = decode(exchange.raw)  # guards rewrite messages in place, and a call may be asked again
        exchange.requested_model, exchange.stream = payload["model"], bool(payload.get("stream"))

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """Keep the answer."""
        exchange.committed = True
        self.answer = answer

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Keep what comes, and put it together in the end."""
        gathered = Gathered()
        async for batch in chunks:
            if self.first_at is None:
                self.first_at, exchange.committed = self._clock.monotonic(), True
            gathered.add(batch)
        exchange.committed = True
        self.answer = gathered.answer()

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """Keep the error."""
        self.failure = error


def _trouble(error: LlmctlError) -> Trouble:
    after = getattr(error, "retry_after", None)
    return Trouble(error.http_status, error.code, error.message, error.type, after)


def _models(names: Sequence[str] | None) -> frozenset[str] | None:
    return frozenset(names) if names is not None else None
