"""Who may ask how much: a place and an estimate of tokens are reserved on the way in, and settled in every case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llmctl.errors import Blocked, LlmctlError, RateLimited
from llmctl.gateway.client import Client
from llmctl.gateway.tally import asked
from llmctl.limits.memory import Denial, Limiter
from llmctl.limits.options import RateLimitOptions
from llmctl.model.exchange import Exchange
from llmctl.model.record import GuardAction, GuardResult, passed

KIND = "rate_limit"
Subject = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A limiter where it applies."""

    name: str
    limiter: Limiter
    routes: frozenset[str] | None
    tenants: frozenset[str] | None
    enforced: bool

    def applies(self, tenant: str, name: str) -> bool:
        """To a tenant's requests for a model or route."""
        return (self.tenants is None or tenant in self.tenants) and (self.routes is None or name in self.routes)


class Reserve:
    """Checks all limits, then takes from all of them: a refused request is charged nothing."""

    name = "limits"

    def __init__(self, limits: Sequence[Limit], names: frozenset[str]) -> None:
        """`names` are the models and routes there are: all others share one allowance."""
        self._limits = tuple(limits)
        self._names = names

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `reservations` and `limits`. Raises RateLimited, or Blocked for what could never pass."""
        if not self._limits:
            return
        tenant = exchange.principal.tenant if exchange.principal else ""
        name = exchange.requested_model if exchange.requested_model in self._names else ""
        prompt = asked(exchange)
        taking: list[tuple[Limit, Subject, int]] = []
        refusing: list[tuple[Limit, Subject]] = []
        refusal: LlmctlError | None = None
        for limit in self._limits:
            if not limit.applies(tenant, name):
                continue
            options = limit.limiter.options
            subject = _subject(options, exchange, tenant, name)
            answer = 0 if exchange.operation == "embedding" else output(exchange.payload, options.assumed_output)
            tokens = prompt + answer
            denial = limit.limiter.check(subject, tokens)
            if denial is None:
                taking.append((limit, subject, tokens))
                exchange.passed.append(passed(KIND, "input", limit.name))
                continue
            done: GuardAction = "block" if limit.enforced else "would_block"
            why = f"{denial.dimension} over {denial.limit}"
            exchange.guards.append(
                GuardResult(KIND, "input", "block", done, 1.0, why, denial.dimension, policy=limit.name)
            )
            if limit.enforced and refusal is None:
                refusal = _refusal(limit, denial)
                refusing.append((limit, subject))
                exchange.notices.append(f"input.{limit.name}=block")
        if refusal is None:
            for limit, subject, tokens in taking:
                exchange.reservations.append((limit.limiter, limit.limiter.take(subject, tokens)))
        exchange.limits = _headers([(limit, subject) for limit, subject, _ in taking] + refusing)
        if refusal is not None:
            raise refusal


class Settle:
    """Closing step: what was really used is charged, and the place given back."""

    def close(self, exchange: Exchange) -> None:
        """Settle every reservation, once."""
        if exchange.reservations:
            used = exchange.usage.prompt + exchange.usage.completion
            for limiter, held in exchange.reservations:
                limiter.settle(held, used)
            exchange.reservations = []


def _subject(options: RateLimitOptions, exchange: Exchange, tenant: str, name: str) -> Subject:
    parts = {"key": exchange.principal.key if exchange.principal else "", "tenant": tenant, "model": name}
    return tuple(parts[part] for part in options.per)


def output(payload: dict[str, Any], assumed: int) -> int:
    """Tokens that the answer may have: the larger of two maxima, as nobody knows which one a provider heeds."""
    given = [_count(payload.get(field)) for field in ("max_completion_tokens", "max_tokens", "max_output_tokens")]
    return (max(given) or assumed) * max(_count(payload.get("n")), _count(payload.get("best_of")), 1)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _refusal(limit: Limit, denial: Denial) -> LlmctlError:
    if denial.never:
        return Blocked(
            f"this request may use more tokens than policy {limit.name!r} ever lets in at once ({denial.limit:,}); "
            "shorten it or lower max_tokens"
        )
    what = {"requests": "requests", "tokens": "tokens", "concurrency": "requests at a time"}[denial.dimension]
    return RateLimited(
        f"over the limit of {denial.limit:,} {what} of policy {limit.name!r}; try again in {denial.retry_after:.1f} s",
        retry_after=denial.retry_after,
    )


def _headers(asked: Sequence[tuple[Limit, Subject]]) -> bytes:
    """What is left, by the limit that has the least left of each kind."""
    least: dict[str, tuple[int, int, float]] = {}
    for limit, subject in asked:
        for standing in limit.limiter.standing(subject):
            found = (standing.remaining, standing.limit, standing.reset_s)
            if standing.dimension not in least or found < least[standing.dimension]:
                least[standing.dimension] = found
    head = b""
    for what in ("requests", "tokens"):
        if what in least:
            remaining, most, reset = least[what]
            kind = what.encode()
            head += b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\n" % (kind, most, kind, remaining)
            head += b"x-ratelimit-reset-%b: %.3fs\r\n" % (kind, reset)
    return head
