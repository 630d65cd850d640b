"""Which exchanges' spans are sent, decided when an exchange is over: what went wrong, what was slow, and a share.

The share is taken by the trace id alone, so that every party that samples alike keeps the same traces: a trace is in
where its last 56 bits are at least (1 - share) · 2^56, as OpenTelemetry's consistent probability sampling has it.
Source: https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

from typing import Literal

from llmctl.clock import Clock
from llmctl.model.record import Record

Chosen = Literal["", "failed", "blocked", "slow", "share"]
DIGITS = 14  # 56 bits


class Sampler:
    """Chooses records. At most `per_second` of them a second, and as many at once.

    Of these, the share may use half at once, so that a failure finds room on a busy gateway.
    """

    def __init__(self, share: float, slow: float, per_second: int, clock: Clock) -> None:
        """`share` is from 0 to 1; `slow` is seconds from which an exchange is always chosen."""
        self._least = _threshold(share)
        self._slow_us = slow * 1e6
        self._rate = self._burst = float(per_second)
        self._half = self._burst / 2
        self._tokens = self._burst
        self._now = clock.monotonic
        self._filled_at = clock.monotonic()
        self._not_sampled = 0
        self._over_rate = 0

    @property
    def passed_over(self) -> dict[str, int]:
        """Exchanges not chosen, by reason: not_sampled, over_rate."""
        return {"not_sampled": self._not_sampled, "over_rate": self._over_rate}

    def choose(self, record: Record) -> Chosen:
        """Why this record's spans are sent; empty where they are not."""
        state = record.state
        why: Chosen
        if state == "ok" or (state == "aborted" and not _server_error(record)):  # a client may leave as it likes
            if record.duration_us >= self._slow_us:
                why = "slow"
            elif record.trace_id[-DIGITS:] >= self._least:
                why = "share"
            else:
                self._not_sampled += 1
                return ""
        else:
            why = "blocked" if state == "blocked" else "failed"
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1 or (why == "share" and self._tokens - 1 < self._half and self._burst > 1):
            self._over_rate += 1
            return ""
        self._tokens -= 1
        return why


def _server_error(record: Record) -> bool:
    return record.failure is not None and record.failure.status >= 500


def _threshold(share: float) -> str:
    """What the last digits of a trace id have to be at least, as text: both are lower-case hex of one length."""
    least = round((1 - share) * 16**DIGITS)
    if least <= 0:
        return ""
    return f"{least:0{DIGITS}x}" if least < 16**DIGITS else "g"  # above every digit
