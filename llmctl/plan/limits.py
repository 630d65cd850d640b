"""What rate limits would have let in: both configurations' limiters, run over the records by the records' times.

Every request asks in the order in which they came, and settles when it ended with the tokens that it used. One that was
refused takes nothing. Clients that would have come again later are not imagined.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence

from msgspec import Struct, structs

from llmctl.config.load import Loaded, decode
from llmctl.gateway.build_policies import effective
from llmctl.gateway.stages.limits import KIND, Limit, output
from llmctl.limits.memory import Held, Limiter
from llmctl.limits.options import RateLimitOptions
from llmctl.plan.report import Example, Stage, kinds_of, without
from llmctl.plan.shares import share
from llmctl.plan.traffic import NO_CONTENT, Seen, WithoutContent

SHOWN = 3
NEWLY_LIMITED, NO_LONGER_LIMITED = "newly limited", "no longer limited"


class Asked(Struct, frozen=True, gc=False):
    """What limits look at. Times in seconds since the epoch; `most` tokens of the answer, 0 where it named no maximum.

    `answers` is how many answers were asked for; 0 for embeddings.
    """

    start: float
    end: float
    id: str
    tenant: str
    key: str
    name: str
    prompt: int
    most: int
    answers: int
    used: int
    limited: bool


class _Now:
    """A clock that stands where the records are."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class LimitsSeen:
    """Takes note of every request; `stage` plays them."""

    def __init__(self, old: Loaded, new: Loaded) -> None:
        self._old, self._new = old, new
        self._asked: list[Asked] = []
        self._texts: dict[str, str] = {}
        self.left_out: Counter[str] = Counter()

    def see(self, seen: Seen) -> None:
        """One request."""
        record = seen.record
        if record.cache is not None and record.cache.kind in ("audit", "revalidation") and record.shadow_of:
            return
        limited = any(one.guard == KIND and one.action == "block" for one in record.guards)
        payload = seen.payload
        try:
            prompt = seen.features.tokens
        except WithoutContent:
            if not limited and not record.usage.prompt:
                self.left_out[f"{NO_CONTENT}, nor tokens, which limits count"] += 1
                return
            prompt = record.usage.prompt  # of one that was limited nothing is known: requests still count
        answers = 0 if record.operation == "embedding" else max(_whole(payload, "n"), _whole(payload, "best_of"), 1)
        most = output(payload, 0) // answers if payload is not None and answers else 0
        used = record.usage.prompt + record.usage.completion
        name = record.requested_model
        end = record.started + record.duration_us / 1e6
        self._asked.append(
            Asked(record.started, end, record.id, record.tenant, record.key, name, prompt, most, answers, used, limited)
        )

    def stage(self) -> Stage:
        """Play them under both."""
        asked = _imagined(sorted(self._asked, key=lambda one: one.start))
        if not asked:
            return without("limits", [(NEWLY_LIMITED, "share"), (NO_LONGER_LIMITED, "share")], self.left_out)
        before, after = played(self._old, asked), played(self._new, asked)
        pairs = list(zip(before, after, strict=True))
        figures = [
            share(NEWLY_LIMITED, [int(bool(new) and not old) for old, new in pairs]),
            share(NO_LONGER_LIMITED, [int(bool(old) and not new) for old, new in pairs]),
        ]
        kinds: dict[str, list[Example]] = defaultdict(list)
        counts: Counter[str] = Counter()
        for one, (old, new) in zip(asked, pairs, strict=True):
            if bool(old) != bool(new):
                kind = f"limited by {new}" if new else f"no longer limited by {old}"
                counts[kind] += 1
                if len(kinds[kind]) < SHOWN:
                    kinds[kind].append(Example(one.id, kind, f"{one.name}, {one.prompt:,} tokens"))
        recorded = sum(one.limited for one in asked)
        agreed = sum(bool(old) for old in before)
        notes = [
            "requests that follow one another are not independent: the intervals tend to be too narrow",
            f"as a check: records have {recorded:,} limited requests, OLD played over them limits {agreed:,}",
        ]
        found = [(kind, float(count), kinds[kind]) for kind, count in counts.items()]
        return Stage(
            "limits", "evaluated", "", len(asked), figures, kinds_of(found, len(asked)), dict(self.left_out), notes
        )


def played(loaded: Loaded, asked: Sequence[Asked]) -> list[str]:
    """By which policy each request, in the order of their times, is refused; empty where it is let in."""
    now = _Now()
    limits = limits_of(loaded, now)
    names = frozenset({*loaded.config.models, *loaded.config.routes})
    ends: list[tuple[float, int, list[tuple[Limiter, Held]], int]] = []
    refused: list[str] = []
    for at, one in enumerate(asked):
        while ends and ends[0][0] <= one.start:
            now.at, _, held, used = heapq.heappop(ends)
            for limiter, what in held:
                limiter.settle(what, used)
        now.at = one.start
        name = one.name if one.name in names else ""
        taking, by = [], ""
        for limit in limits:
            if limit.applies(one.tenant, name):
                options = limit.limiter.options
                parts = {"key": one.key, "tenant": one.tenant, "model": name}
                subject = tuple(parts[part] for part in options.per)
                tokens = one.prompt + (one.most or options.assumed_output) * one.answers
                if limit.limiter.check(subject, tokens) is None:
                    taking.append((limit.limiter, subject, tokens))
                elif limit.enforced and not by:
                    by = limit.name
        refused.append(by)
        if not by:
            held = [(limiter, limiter.take(subject, tokens)) for limiter, subject, tokens in taking]
            heapq.heappush(ends, (one.end, at, held, one.used))
    return refused


def limits_of(loaded: Loaded, now: _Now) -> list[Limit]:
    """The limits of a configuration, fresh. Raises ConfigError."""
    made = []
    for name, policy in effective(loaded.config.guardrails).items():
        if policy.kind == KIND:
            path = ("guardrails", "policies", name, "options")
            options = decode(RateLimitOptions, policy.options, loaded, path)
            routes = frozenset(policy.routes) if policy.routes else None
            tenants = frozenset(policy.tenants) if policy.tenants else None
            made.append(Limit(name, Limiter(options, now), routes, tenants, policy.mode == "enforce"))
    return made


def _imagined(asked: list[Asked]) -> list[Asked]:
    """Those that were limited took no time and no tokens: let in, they would have been as others are on average."""
    others = [one for one in asked if not one.limited]
    if len(others) in (0, len(asked)):
        return asked
    seconds = sum(one.end - one.start for one in others) / len(others)
    used = round(sum(one.used for one in others) / len(others))
    return [structs.replace(one, end=one.start + seconds, used=used) if one.limited else one for one in asked]


def _whole(payload: dict[str, object] | None, name: str) -> int:
    value = payload.get(name) if payload is not None else None
    return value if isinstance(value, int) and value > 0 else 0
