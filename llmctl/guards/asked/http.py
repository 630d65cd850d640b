"""What guards that ask an HTTP service share: one POST of JSON, and an answer that is JSON or an error."""

import asyncio
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

from llmctl.config.units import parse_seconds
from llmctl.errors import UpstreamLost, UpstreamProtocolError, UpstreamStatus
from llmctl.guards.base import GuardOptions
from llmctl.model.json import UNDECODABLE, JsonObject, decode, encode
from llmctl.net.endpoint import Endpoint
from llmctl.net.transport import Request, Timeouts, Transport

Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, le=3600, allow_inf_nan=False)]

MAX_ANSWER = 2**20  # bytes; a verdict is short
STALE_RETRIES = 2  # kept-alive connections that turned out to be closed; asking again does no harm
CONNECT = 5.0

_ADVICE = {
    400: "check model and what else is sent",
    401: "check api_key",
    402: "check the account's balance",
    403: "check api_key and what it may use",
    404: "check base_url and model",
    407: "check the proxy's credentials",
    413: "lower max_chars",
    429: "it limits our rate; lower it, or ask for more",
}


class RemoteOptions(GuardOptions):
    """Options of every guard that asks an HTTP service."""

    api_key: SecretStr | None = Field(None, description="Key to send as a bearer token; write it as ${VARIABLE}.")
    headers: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Further headers to send with every request."
    )
    timeout: Seconds = Field(10.0, description="One answer must be complete within this, whatever the policy allows.")
    ca_file: str | None = Field(None, description="PEM file with the certificates to trust instead of the system's.")

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts as the transport takes them."""
        return Timeouts(min(CONNECT, self.timeout), self.timeout, self.timeout)

    @property
    def max_response(self) -> int:
        """Bytes of the largest answer."""
        return MAX_ANSWER


class Remote:
    """One service. Errors name the guard and the status; they quote neither the key, the text nor the answer."""

    def __init__(self, kind: str, base_url: str, options: RemoteOptions, transport: Transport) -> None:
        """Raises ValueError on an address, header or certificate file that cannot be used."""
        self._kind = kind
        self._timeout = options.timeout
        self._transport = transport
        headers = {}
        if options.api_key is not None:
            headers["authorization"] = f"Bearer {options.api_key.get_secret_value()}"
        try:
            self._endpoint = Endpoint.of(base_url, headers, options)
        except OSError as error:
            raise ValueError(f"ca_file: cannot be read as PEM certificates ({error.strerror or error})") from None

    async def ask(self, path: bytes, payload: JsonObject) -> Any:
        """The decoded answer. Raises UpstreamError."""
        try:
            body = encode(payload)
        except UnicodeEncodeError:
            raise ValueError(
                f"guard {self._kind}: the request holds a lone surrogate; pass it `sendable` text"
            ) from None
        deadline = asyncio.get_running_loop().time() + self._timeout
        request = self._endpoint.request(path, body, deadline=deadline)
        for retry in range(STALE_RETRIES + 1):
            try:
                status, answer = await self._send(request)
                break
            except UpstreamLost as error:
                if not error.unanswered or retry == STALE_RETRIES:
                    raise
        if status != 200:
            advice = _ADVICE.get(status, "see the service's own log" if status >= 500 else "check base_url")
            text = f"guard {self._kind}: {self._endpoint.origin} answered HTTP {status}; {advice}"
            raise UpstreamStatus(text, status=status)
        try:
            return decode(answer)
        except UNDECODABLE:
            raise self.nonsense("it is not JSON") from None

    async def _send(self, request: Request) -> tuple[int, bytes]:
        response = await self._transport.send(request)
        try:
            return response.status, await response.read()
        finally:
            response.close()

    def nonsense(self, what: str) -> UpstreamProtocolError:
        """The error for an answer that cannot be understood; `what` is wrong with it."""
        return UpstreamProtocolError(
            f"guard {self._kind}: the answer of {self._endpoint.origin} cannot be understood: {what}; "
            "check that base_url, model and the guard's options fit together"
        )
