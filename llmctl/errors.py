"""Every error llmctl raises on purpose. An error that is not in this tree is a bug and leaves a traceback in the log.

    LlmctlError
    ├── UsageError                 the command line is wrong (exit 2)
    ├── ConfigError                a configuration file is wrong; carries every finding with file:line:key
    ├── CheckFailed                a gate or check said no (exit 3)
    ├── StoreError                 a file of ours cannot be read or written
    ├── RequestError               the client's request is wrong
    │   ├── InvalidRequest         400; `param` names the field
    │   ├── Unauthorized           401
    │   ├── Forbidden              403
    │   ├── UnknownModel           404, with the nearest names
    │   ├── UnknownPath            404
    │   ├── MethodNotAllowed       405
    │   ├── RequestTimeout         408; the body did not arrive in time
    │   ├── BodyTooLarge           413
    │   ├── Blocked                400; a policy does not let the request, or its answer, through
    │   └── RateLimited            429; over a limit, with the time to come back
    │       └── OverBudget         429; the money is spent until the period ends
    ├── Unavailable                503; draining, or no candidate is up
    │   └── GuardFailed            503; a guard failed, and its policy blocks then
    ├── NotCached                  504; only a cached answer would do, and there is none
    ├── ClientGone                 499; the client hung up (never sent, only recorded)
    └── UpstreamError              the provider's side went wrong
        ├── UpstreamConnectError   502; no connection
        ├── UpstreamTimeout        504; `phase` is connect, first_byte, idle or total
        ├── UpstreamLost           502; the connection broke
        ├── UpstreamProtocolError  502; what came is not HTTP, JSON or SSE as agreed
        ├── UpstreamStatus         the provider answered with an error status
        └── UpstreamUnsupported    400; this provider cannot do what was asked

A class knows `http_status`, `code`, `type`, `retryable`, `exit_code` and the `state` its exchange ends in; an instance
may narrow them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal


class LlmctlError(Exception):
    """Base of the tree. `message` is complete: what, where, and what to do."""

    http_status = 500
    code = "internal_error"
    type = "api_error"
    retryable = False
    exit_code = 1
    state: Literal["failed", "blocked"] = "failed"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code


class UsageError(LlmctlError):
    """The command line asks for something that cannot be."""

    code = "usage"
    exit_code = 2


class ConfigError(LlmctlError):
    """The configuration is wrong. `findings` are complete lines, `file:line: key: what to do`."""

    code = "config"

    def __init__(self, findings: Sequence[str], sources: Sequence[Path] = ()) -> None:
        """`sources` are the files that were read, as far as is known."""
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)
        self.sources = tuple(sources)


class CheckFailed(LlmctlError):
    """A gate was asked and said no."""

    code = "check_failed"
    exit_code = 3


class StoreError(LlmctlError):
    """A file of ours cannot be read or written."""

    code = "store"


class RequestError(LlmctlError):
    """The client's request is wrong; sending it again unchanged is no use."""

    http_status = 400
    code = "invalid_request"
    type = "invalid_request_error"


class InvalidRequest(RequestError):
    """A field is missing, of the wrong type, or out of range."""


class Unauthorized(RequestError):
    """No key, or one we do not know."""

    http_status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class Forbidden(RequestError):
    """The key is known and may not do this."""

    http_status = 403
    code = "forbidden"
    type = "permission_error"


class UnknownModel(RequestError):
    """No such model here."""

    http_status = 404
    code = "model_not_found"
    type = "not_found_error"


class UnknownPath(RequestError):
    """No such endpoint here."""

    http_status = 404
    code = "not_found"
    type = "not_found_error"


class MethodNotAllowed(RequestError):
    """The endpoint exists and takes another method."""

    http_status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class RequestTimeout(RequestError):
    """The request's body did not arrive in time."""

    http_status = 408
    code = "request_timeout"


class BodyTooLarge(RequestError):
    """The request's body is over the configured cap."""

    http_status = 413
    code = "body_too_large"


class Blocked(RequestError):
    """A policy does not let this request, or its answer, through. The message names the policy, never the pattern."""

    code = "guardrail_blocked"
    state = "blocked"


class RateLimited(RequestError):
    """Over a limit. `retry_after` is seconds, or None where coming back is no use."""

    http_status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"
    state = "blocked"

    def __init__(self, message: str, *, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.retryable = retry_after is not None


class OverBudget(RateLimited):
    """The budget's period has to end first, `retry_after` seconds from now. Named as OpenAI names it."""

    code = "insufficient_quota"
    type = "insufficient_quota"


class Unavailable(LlmctlError):
    """Nothing can answer just now."""

    http_status = 503
    code = "unavailable"
    type = "overloaded_error"
    retryable = True

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotCached(LlmctlError):
    """A cached answer was asked for or none (RFC 9111, only-if-cached), and there is none."""

    http_status = 504
    code = "not_cached"
    type = "cache_error"


class GuardFailed(Unavailable):
    """A guard raised, hung or answered nonsense, and its policy says `on_error: block`."""

    code = "guardrail_unavailable"
    type = "api_error"
    state = "blocked"


class ClientGone(LlmctlError):
    """The client hung up before the answer was complete. Never sent to anyone; the record's state is `aborted`."""

    http_status = 499
    code = "client_closed_request"


class UpstreamError(LlmctlError):
    """The provider's side went wrong. `retry_after` is seconds, where the provider named them."""

    http_status = 502
    code = "upstream_error"
    type = "upstream_error"
    retryable = True
    retry_after: float | None = None


class UpstreamConnectError(UpstreamError):
    """No connection could be made: refused, unresolvable, TLS not verified."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """The provider took longer than configured."""

    http_status = 504
    code = "upstream_timeout"

    def __init__(self, message: str, *, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class UpstreamLost(UpstreamError):
    """The connection broke. `unanswered` says that a kept-alive connection closed before a byte of this answer came."""

    code = "upstream_connection_lost"

    def __init__(self, message: str, *, unanswered: bool = False) -> None:
        super().__init__(message)
        self.unanswered = unanswered


class UpstreamProtocolError(UpstreamError):
    """What came back is not what the protocol promises."""

    code = "upstream_protocol_error"


class UpstreamStatus(UpstreamError):
    """The provider answered with an error status.

    `status` is what the provider sent; `http_status` what our client is told: bad credentials of ours are
    a 502, never the client's 401; other 4xx are the client's own and pass through; 5xx pass through.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        param: str | None = None,
        error_type: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.status = status
        self.retry_after = retry_after
        self.http_status = 502 if status in (401, 402, 403, 407) or not 400 <= status < 600 else status
        self.retryable = status in (408, 409, 429) or status >= 500
        if self.http_status == 502:
            self.code, self.type, self.param = code or "upstream_error", "upstream_error", None
        elif status == 429:
            self.type = error_type or "rate_limit_error"
        else:
            self.type = error_type or ("upstream_error" if status >= 500 else "invalid_request_error")


class UpstreamUnsupported(UpstreamError):
    """This provider has no way to do what was asked."""

    http_status = 400
    code = "unsupported_by_provider"
    type = "invalid_request_error"
    retryable = False
