"""Any OpenAI-compatible `/v1/embeddings`: https://platform.openai.com/docs/api-reference/embeddings/create."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SecretStr

from llmctl.clock import Clock
from llmctl.config.units import parse_seconds
from llmctl.embedding.base import EmbedderOptions, Vector, digest, sendable, unit
from llmctl.embedding.batched import BatchedOptions
from llmctl.embedding.microbatch import Microbatch
from llmctl.embedding.pause import Pause
from llmctl.errors import UpstreamLost, UpstreamProtocolError, UpstreamStatus
from llmctl.model.json import UNDECODABLE, JsonObject, encode
from llmctl.net.endpoint import Endpoint as Address
from llmctl.net.transport import Request, Timeouts, Transport

Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, le=3600, allow_inf_nan=False)]

MAX_ANSWER = 64 * 2**20  # bytes: 500 vectors of 4,096 numbers as text
MOST_CALLS = 32  # under way at a time
STALE_RETRIES = 2  # kept-alive connections that turned out to be closed; asking again does no harm
CONNECT = 5.0

_ADVICE = {
    400: "check model, dimensions and the length of texts",
    401: "check api_key",
    403: "check api_key and what it may use",
    404: "check url and model",
    413: "lower batch",
    422: "check model, dimensions and the length of texts",
    429: "it limits our rate; raise window, or ask for more",
}


class EndpointOptions(BatchedOptions):
    """Options of `endpoint`. Texts are sent there, and what its owner charges for them is on no record here."""

    url: str = Field(description="The service, as `https://host/v1` or `https://host/v1/embeddings`.")
    model: str = Field(min_length=1, description="The model to ask for.")
    api_key: SecretStr | None = Field(None, description="Key to send as a bearer token; write it as ${VARIABLE}.")
    headers: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Further headers to send with every request."
    )
    dimensions: int | None = Field(
        None, ge=1, le=65_536, description="Numbers in a vector to ask for. Default: the model's, and not sent."
    )
    timeout: Seconds = Field(5.0, description="One answer must be complete within this.")
    ca_file: str | None = Field(None, description="PEM file with the certificates to trust instead of the system's.")
    failures: int = Field(5, ge=1, description="After so many failures in a row it is not asked for `pause`.")
    pause: Seconds = Field(30.0, description="Then one call tries it again.")

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts as the transport takes them."""
        return Timeouts(min(CONNECT, self.timeout), self.timeout, self.timeout)

    @property
    def max_response(self) -> int:
        """Bytes of the largest answer."""
        return MAX_ANSWER


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]


_ANSWER = msgspec.json.Decoder(_Answer)


class Endpoint:
    """Any OpenAI-compatible `/v1/embeddings`. Errors name the service; they quote neither the key nor a text."""

    Options: ClassVar[type[EmbedderOptions]] = EndpointOptions

    def __init__(self, options: EndpointOptions, transport: Transport, clock: Clock) -> None:
        """Connects to nothing. Raises ValueError on an address, header or certificate file that cannot be used."""
        self._options, self._transport = options, transport
        key = options.api_key
        headers = {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}
        base = options.url.rstrip("/").removesuffix("/embeddings")
        try:
            self._address = Address.of(base, headers, options)
        except OSError as error:
            raise ValueError(f"ca_file: cannot be read as PEM certificates ({error.strerror or error})") from None
        except ValueError as error:
            raise ValueError(str(error).replace("base_url", "url")) from None
        self._name = f"embedder endpoint: {self._address.origin}"
        self._pause = Pause(self._name, clock, failures=options.failures, seconds=options.pause)
        self._batches = Microbatch(
            f"endpoint {self._address.origin}",
            self._vectors,
            window=options.window,
            size=options.batch,
            calls=MOST_CALLS,
        )
        self.size = options.dimensions or 0
        self.identity = digest(["endpoint", base, options.model, str(options.dimensions), options.prefix])

    def now(self, text: str) -> None:
        """It must be awaited."""
        return

    async def vector(self, text: str) -> Vector:
        """The vector. Raises UpstreamError, and Unavailable at once while the service is left alone."""
        if not text.strip():
            return np.zeros(self.size, np.float32)
        self._pause.check()
        return await self._batches.vector(sendable(self._options.prefix + text))

    async def start(self) -> None:
        """Ask once, which tells the size. Raises as `vector`; then the first answer that comes tells it."""
        await self.vector("hello")

    async def close(self) -> None:
        """Give up what is under way."""
        await self._batches.close()

    async def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        """One call. What comes is checked whole before any of it is used."""
        self._pause.begin()
        payload: JsonObject = {"model": self._options.model, "input": list(texts)}
        if self._options.dimensions is not None:
            payload["dimensions"] = self._options.dimensions
        try:
            found = self._read(await self._ask(encode(payload)), len(texts))
        except Exception:
            self._pause.failed()
            raise
        self._pause.succeeded()
        return [unit(row) for row in found]

    async def _ask(self, body: bytes) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._options.timeout
        request = self._address.request(b"/embeddings", body, deadline=deadline)
        for retry in range(STALE_RETRIES + 1):
            try:
                status, answer = await self._send(request)
                break
            except UpstreamLost as error:
                if not error.unanswered or retry == STALE_RETRIES:
                    raise
        if status != 200:
            advice = _ADVICE.get(status, "see the service's own log" if status >= 500 else "check url")
            raise UpstreamStatus(f"{self._name} answered HTTP {status}; {advice}", status=status)
        return answer

    async def _send(self, request: Request) -> tuple[int, bytes]:
        response = await self._transport.send(request)
        try:
            return response.status, await response.read()
        finally:
            response.close()

    def _read(self, answer: bytes, count: int) -> NDArray[np.float64]:
        """Shape (count, size), in the order of the texts. Raises UpstreamProtocolError."""
        try:
            data = _ANSWER.decode(answer).data
        except UNDECODABLE:
            raise self._nonsense("it is not JSON with lists of numbers") from None
        if len(data) != count:
            raise self._nonsense(f"{len(data)} vectors came for {count} texts")
        if data[0].index is not None:
            data.sort(key=lambda item: -1 if item.index is None else item.index)
            if [item.index for item in data] != list(range(count)):
                raise self._nonsense("its indices are not those of the texts")
        sizes = {len(item.embedding) for item in data}
        size = self.size or len(data[0].embedding)
        if sizes != {size} or not size:
            came = ", ".join(map(str, sorted(sizes)))
            raise self._nonsense(f"vectors of {came} numbers came; {size or 'some'} are due")
        found = np.array([item.embedding for item in data], np.float64)
        if not np.isfinite(found).all():
            raise self._nonsense("not all of its numbers are finite")
        self.size = size
        return found

    def _nonsense(self, what: str) -> UpstreamProtocolError:
        return UpstreamProtocolError(
            f"the answer of {self._name} cannot be used: {what}; check that url, model and dimensions fit together"
        )
