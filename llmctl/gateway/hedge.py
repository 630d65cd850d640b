"""When a second request is sent because the first is late. Decides; sends nothing.

Source: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013: a second request after the 95th percentile of the time
an answer takes adds 5% of load and cuts the tail.
"""

from bisect import bisect_left, insort
from collections import deque
from math import ceil, inf

from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.section import Seconds

REMEMBERED = 256  # first-byte times kept of each model


class HedgeOptions(BaseModel):
    """After how long, and how often, a second request is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Seconds | None = Field(
        None, gt=0, description="Wait for the first token before a second request is sent. Default: see quantile."
    )
    quantile: float = Field(
        0.95, gt=0, lt=1, description="Without after: wait as long as this share of the last 256 requests took at most."
    )
    minimum_samples: int = Field(
        20, ge=1, le=REMEMBERED, description="Without after: no second request before so many first tokens were timed."
    )
    minimum_delay: Seconds = Field(0.05, description="Without after: never wait for less than this.")
    share: float = Field(0.05, ge=0, le=1, description="Second requests per request, at most.")
    burst: float = Field(10.0, ge=1, le=1e6, description="Most second requests saved up while none was needed.")


class HedgePolicy:
    """Knows how long each model takes to its first token, and how many second requests are left.

    Only a wait for a first token is ever cut short by a second request: once there is one, ask nothing here. Of n calls
    of `delay`, at most share * n `spend` say yes, and over any stretch with m of them burst + share * m.
    Models' names come from the configuration; each keeps 256 numbers.
    """

    def __init__(self, options: HedgeOptions) -> None:
        self._options = options
        self._recent: dict[str, tuple[deque[float], list[float]]] = {}  # the last times: as they came, and sorted
        self._level = 0.0

    def delay(self, model: str) -> float | None:
        """Seconds without a first token after which to `spend`; None: not known yet. To be asked once per request."""
        options = self._options
        self._level = min(self._level + options.share, options.burst)
        if options.after is not None:
            return options.after
        recent = self._recent.get(model)
        if recent is None or len(recent[1]) < options.minimum_samples:
            return None
        ranked = recent[1]
        return max(ranked[ceil(options.quantile * len(ranked)) - 1], options.minimum_delay)

    def observe(self, model: str, seconds: float) -> None:
        """A first token came after so long. For a request given up for its second: the time it had been waited for.

        Leaving those out would make the model look ever faster, and every request late.
        """
        if not 0 <= seconds < inf:
            return
        recent = self._recent.get(model)
        if recent is None:
            recent = self._recent[model] = (deque(), [])
        arrived, ranked = recent
        if len(arrived) == REMEMBERED:
            del ranked[bisect_left(ranked, arrived.popleft())]
        arrived.append(seconds)
        insort(ranked, seconds)

    def spend(self) -> bool:
        """Whether a second request may be sent; if so it is paid for. Ask when the delay has passed, not before."""
        if self._level < 1 - 1e-9:  # twenty twentieths may add up to a little less than one
            return False
        self._level = max(self._level - 1, 0.0)
        return True
