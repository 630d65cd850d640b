"""Whether, where and when a failed call is made again. Decides; calls and sleeps nothing."""

from collections.abc import Callable
from random import Random
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llmctl.config.section import Seconds
from llmctl.errors import (
    ClientGone,
    GuardFailed,
    LlmctlError,
    RequestError,
    Unavailable,
    UpstreamConnectError,
    UpstreamError,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnsupported,
)

ErrorClass = Literal[
    "rate_limit",
    "context_length",
    "content_policy",
    "timeout",
    "server_error",
    "connect",
    "protocol",
    "auth",
    "client",
    "other",
]

# What providers call it, in `code` or `type`. An account without money is `auth`: waiting does not fill it.
NAMES: dict[ErrorClass, str] = {
    "rate_limit": "rate_limit_exceeded rate_limit_error resource_exhausted throttlingexception",
    "context_length": "context_length_exceeded string_above_max_length exceed_context_size_error request_too_large"
    " model_max_prompt_tokens_exceeded",
    "content_policy": "content_filter content_policy_violation responsibleaipolicyviolation invalid_prompt"
    " moderation_blocked data_inspection_failed",
    "timeout": "timeout_error",
    "server_error": "overloaded_error internal_server_error service_unavailable",
    "auth": "insufficient_quota billing_not_active billing_hard_limit_reached billing_error invalid_api_key"
    " account_deactivated authentication_error permission_error",
    "other": "model_not_found deploymentnotfound not_found_error",
}
NAMED: dict[str, ErrorClass] = {name: meant for meant, names in NAMES.items() for name in names.split()}

# What a 400 says where its code says nothing: vLLM, Anthropic, Gemini, Bedrock; Azure, Anthropic, OpenAI; Anthropic.
SAID: tuple[tuple[str, ErrorClass], ...] = (
    ("maximum context length", "context_length"),
    ("context window", "context_length"),
    ("exceed context limit", "context_length"),
    ("prompt is too long", "context_length"),
    ("input is too long", "context_length"),
    ("input token count", "context_length"),
    ("content management policy", "content_policy"),
    ("content filtering policy", "content_policy"),
    ("safety system", "content_policy"),
    ("credit balance is too low", "auth"),
)

STATUS: dict[int, ErrorClass] = {
    **dict.fromkeys((401, 402, 403, 407), "auth"),
    **dict.fromkeys((404, 405, 410), "other"),
    **dict.fromkeys((408, 504), "timeout"),
    **dict.fromkeys((409, 425), "server_error"),
    413: "context_length",
    429: "rate_limit",
}


def classify(error: LlmctlError) -> ErrorClass:
    """The class of a failure, for fallback chains, retries and metrics.

    A connection that cannot be made or that breaks is `connect`; our own full queue, as its provider's, `rate_limit`;
    Anthropic's overload (529) `server_error`. `other` from upstream means that this model cannot, such as a 404.
    """
    if isinstance(error, UpstreamStatus):
        return _classify_status(error)
    if isinstance(error, UpstreamTimeout):
        return "connect" if error.phase == "connect" else "timeout"
    if isinstance(error, UpstreamConnectError | UpstreamLost):
        return "connect"
    if isinstance(error, UpstreamProtocolError):
        return "protocol"
    if isinstance(error, UpstreamUnsupported):
        return "other"
    if isinstance(error, RequestError | ClientGone):
        return "client"
    if isinstance(error, Unavailable) and not isinstance(error, GuardFailed):
        return "rate_limit"
    return "other"


def _classify_status(error: UpstreamStatus) -> ErrorClass:
    for name in (error.code, error.type):
        # The name of a limit beats the status: several servers send 400, 413 or, within a stream, nothing.
        if (named := NAMED.get(name.lower())) is not None:
            return named
    if error.status in (400, 413, 422):
        said = error.message.lower()
        for phrase, meant in SAID:
            if phrase in said:
                return meant
    if error.status >= 500:
        return STATUS.get(error.status, "server_error")
    return STATUS.get(error.status, "client" if 400 <= error.status < 500 else "other")


class RetryOptions(BaseModel):
    """How often, after which failures and after how long a call is made again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int = Field(4, ge=1, le=20, description="Most calls for one request, over all models.")
    attempts_per_model: int = Field(2, ge=1, le=20, description="Most calls of one model for one request.")
    backoff: Seconds = Field(0.1, description="Upper end of the first random wait; doubles with each retry of a model.")
    max_backoff: Seconds = Field(5.0, description="Upper end of any random wait.")
    max_retry_after: Seconds = Field(
        10.0, description="A provider that asks to wait for longer than this is not waited for."
    )
    least_time: Seconds = Field(0.1, description="A further call that would have less time than this left is not made.")
    same_model: frozenset[ErrorClass] = Field(
        frozenset[ErrorClass]({"rate_limit", "server_error", "connect", "protocol"}),
        description="Failures after which the same model is called again.",
    )
    other_model: frozenset[ErrorClass] = Field(
        frozenset(get_args(ErrorClass)) - {"client"},
        description="Failures after which the next model of the chain is called.",
    )

    @model_validator(mode="after")
    def _client_errors_stay(self) -> Self:
        if "client" in self.same_model | self.other_model:
            raise ValueError("client: the request itself is wrong, so making it again cannot help; take it out")
        return self


class RetryPolicy:
    """Decides after each failure; the upstream stage alone asks, and never once a byte has gone to the client."""

    def __init__(self, options: RetryOptions, random: Random) -> None:
        self.options = options
        self._random = random

    def on_same(self, error: LlmctlError, *, tried: int, total: int, left: float) -> float | None:
        """Seconds to wait before the same model is called again; None: do not.

        `tried` calls of this model and `total` calls in all have been made; `left` seconds remain to the deadline. The
        wait is full jitter over an exponential (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
        on top of a Retry-After, so that those who were told the same do not come back together.
        """
        options = self.options
        if isinstance(error, Unavailable):  # our own word: a full queue sheds nothing if what it sheds comes back
            return None
        if tried >= options.attempts_per_model or total >= options.attempts:
            return None
        if not self._may(error, options.same_model):
            return None
        asked = max(getattr(error, "retry_after", None) or 0.0, 0.0)
        spare = left - options.least_time - asked
        if asked > options.max_retry_after or not spare >= 0:
            return None
        span = min(options.backoff * 2.0 ** (tried - 1), options.max_backoff, spare)
        wait: float = asked + span * self._random.random()
        return wait

    def on_another(self, error: LlmctlError, *, total: int, left: float) -> bool:
        """Whether another model is called instead, at once: that one did not ask for a pause."""
        options = self.options
        return total < options.attempts and left >= options.least_time and self._may(error, options.other_model)

    def _may(self, error: LlmctlError, classes: frozenset[ErrorClass]) -> bool:
        # Failures of our own, such as a full disk, are no better elsewhere.
        upstream = isinstance(error, UpstreamError | Unavailable) and not isinstance(error, GuardFailed)
        return upstream and classify(error) in classes


class RetryBudgetOptions(BaseModel):
    """How much retries may add to the load."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ratio: float = Field(0.2, ge=0, le=10, description="Retries per request, in the long run.")
    per_second: float = Field(
        1.0, ge=0, le=1e6, description="Retries per second besides, for when there is little traffic."
    )
    burst: float = Field(20.0, ge=1, le=1e6, description="Most retries saved up.")


class RetryBudget:
    """A token bucket, as in Finagle, but capped where Finagle's tokens expire.

    Source: https://finagle.github.io/blog/2016/02/08/retry-budgets/. Retries over any stretch of time are at most
    burst + ratio * requests + per_second * seconds in it, so that an outage is met with little more than the load there
    was, however many attempts each request may make. A clock that goes back is taken as standing still, and goes on
    from there.
    """

    __slots__ = ("_burst", "_level", "_now", "_options", "_time")

    def __init__(self, options: RetryBudgetOptions, now: Callable[[], float]) -> None:
        """It begins full. `now` gives seconds, such as `Clock.monotonic`."""
        self._options = options
        self._now = now
        self._level = self._burst = options.burst
        self._time = now()

    @property
    def level(self) -> float:
        """Retries that could be made now."""
        self._fill()
        return self._level

    def deposit(self) -> None:
        """A request has come. Once for each, whatever becomes of it."""
        if self._level < self._burst:
            self._level = min(self._level + self._options.ratio, self._burst)

    def withdraw(self) -> bool:
        """Whether a retry may be made; if so it is paid for."""
        self._fill()
        if self._level < 1 - 1e-9:  # ten tenths may add up to a little less than one
            return False
        self._level = max(self._level - 1, 0.0)
        return True

    def _fill(self) -> None:
        now = self._now()
        if now > self._time:
            self._level = min(self._level + (now - self._time) * self._options.per_second, self._options.burst)
        self._time = now
