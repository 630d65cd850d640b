"""Semantic hits with a bounded error: false hits over all requests stay under `max_error`.

Every would-be hit has a risk, P(its answer is wrong), and risks are spent from a budget of max_error times requests:

- The risk comes from a logistic model of all entries together (`evidence`, `pooled`), and for an entry that was
  compared six times from that model moved by the entry's own observations.
- A hit is served when its risk is under a level at which the traffic's risks come to max_error, and when
  the risks served so far still bound the false hits, at all times with the given confidence (`bounds.poisson_bound`).
- A share of would-be hits, drawn at random, is sent to the model instead. These audits scale the risks up where they
  were too low, test them (a test that is valid whenever looked at), and by themselves give the `certified` bound. Once
  the test has refuted the risks, or always with `guarantee="certified"`, the certified bound must hold too.
- A stream that changes is noticed (Page's CUSUM, 1954, of bets as in Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532),
  and what was learnt before is forgotten. An abrupt change still costs the hits until some audits fall on it.

Observations by entry, and what counts as an error, are vCache's (Schroeder et al. 2025, arXiv 2502.03771). There each
entry is fitted alone and by similarity alone: on Banking77 and CLINC150 six observations cannot carry two parameters,
and answers said to be wrong once in a hundred times were wrong thirty. Here the pooled model is the prior of an entry's
own shift.

Starts cold, and is the same for the same stream and Random.
"""

import math
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Literal

import msgspec
import numpy as np

from llmctl.cache.bounds import Certificate, poisson_bound, poisson_budget
from llmctl.cache.evidence import FEATURES, Neighbour, features
from llmctl.cache.policies import Decision, Report
from llmctl.cache.pooled import PooledModel, risk, sigmoid

Guarantee = Literal["modelled", "certified"]

FORMAT = 1
ENOUGH = 6  # observations of an entry, as in vCache
KEPT = 32  # observations of an entry
ENTRIES = 1 << 16  # with observations; the oldest are forgotten
SHIFT = 1.0  # prior variance of an entry's own shift, in logits
PRIOR = 4.0  # wrong audits, foreseen and found, that the scale of risks starts with
RECENT = 1000  # risks that the level is taken from
REFRESH = 50  # requests between two levels
HORIZON = 500  # requests, at least, over which unspent budget is spent
RISKIEST = 0.5
BET = 0.7  # that risks have doubled, about
ALARM = math.log(10_000)  # a false one in as many comparisons
REFUTED_AT = 0.2  # of alpha


_Entries = dict[int, list[tuple[float, bool]]]
_State = tuple[
    tuple[int, float, bool],
    tuple[int, int, int, int],
    list[float],
    tuple[bytes, bytes, _Entries, list[float]],
]


class BoundedPolicy:
    """See the module. One for each stream of requests that is to keep the bound: a route, or a tenant's route."""

    def __init__(
        self,
        max_error: float,
        *,
        random: Random,
        audit: float = 0.05,
        confidence: float = 0.99,
        guarantee: Guarantee = "modelled",
    ) -> None:
        """`max_error` and `audit` in (0, 1): false hits over all requests, and the share of would-be hits audited."""
        if not 0 < max_error < 1 or not 0 < audit < 1 or not 0 < confidence < 1:
            raise ValueError("max_error, audit and confidence are shares between 0 and 1")
        self.max_error = max_error
        self._random = random
        self._audit = audit
        self._alpha = 1 - confidence
        self._certify = guarantee == "certified"
        self._refuted = False
        self._model = PooledModel(len(FEATURES))
        self._entries: _Entries = {}
        self._certificate = Certificate(audit, self._alpha)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._requests = self._hits = self._audits = self._wrong = 0
        self._spent = 0.0  # risk of what was served
        self._audited = 0.0  # risk of what was audited
        self._foreseen = 0.0  # the same, before scaling
        self._level = self._budget = 0.0
        self._due = 0
        self._alarm = 0.0
        self._rising = 0  # comparisons since the alarm began to rise
        self._alarms = 0

    def decide(self, text: str, neighbours: Sequence[Neighbour], size: int) -> Decision:
        """A hit, an audit of one, or the model. Give `observe` what came of the latter two."""
        self._requests += 1
        if not neighbours:
            return Decision("empty")
        first = neighbours[0]
        row = features(text, neighbours, size)
        if not self._model.ready:
            return Decision("explore", first.entry, first.similarity, evidence=tuple(row))
        logit, variance = self._model.predict(row)
        found = min(1.0, self._risk(first.entry, logit, variance) * self.scale)
        self._recent.append(found)
        self._refresh()
        probability = self._audit if self._affordable(found) else 0.0
        reason: Literal["hit", "audit", "explore"] = "explore"
        if probability:
            reason = "audit" if self._random.random() < probability else "hit"
        if reason == "hit":
            self._hits += 1
            self._spent += found
            self._certificate.served()
        return Decision(reason, first.entry, first.similarity, found, probability, tuple(row), logit)

    def observe(self, decision: Decision, right: bool) -> None:
        """Learn from a comparison. An audit that was never compared is left out, as if it had not been drawn."""
        if decision.entry is None or decision.serve:
            return
        if decision.audit:
            self._audits += 1
            self._wrong += not right
            self._audited += decision.risk
            self._foreseen += decision.risk / self.scale
            self._certificate.audited(not right, decision.probability)
            self._refuted |= self._wrong > poisson_bound(self._audited, self._alpha * REFUTED_AT)
        self._model.observe(list(decision.evidence), right)
        self._watch(decision, right)
        seen = self._entries.setdefault(decision.entry, [])
        seen.append((decision.logit, right))
        del seen[:-KEPT]
        if len(self._entries) > ENTRIES:
            del self._entries[next(iter(self._entries))]

    def exact(self) -> None:
        """Counts a request that needed no decision."""
        self._requests += 1

    @property
    def scale(self) -> float:
        """What risks are multiplied by: wrong answers that audits found over those foreseen; never less than 1.

        One standard deviation above its gamma posterior's mean. A logistic model has no floor: where some answers are
        wrong however similar the requests are, risks are too low, and only audits can say so.
        """
        found = PRIOR + self._wrong
        return max(1.0, (found + math.sqrt(found)) / (PRIOR + self._foreseen))

    def report(self) -> Report:
        """Figures up to now."""
        requests = max(1, self._requests)
        certified = self._certificate.bound / requests
        modelled = min(poisson_bound(self._spent, self._alpha), self._hits) / requests
        expected = self._spent / requests
        counts = (self._requests, self._hits, self._audits, self._wrong)
        return Report(*counts, certified, modelled, expected, self._refuted)

    def state(self) -> bytes:
        """What was learnt and counted, to go on after a restart: MessagePack, 100 KB and 20 bytes a comparison."""
        rows, labels = self._model.observations()
        counts = (self._requests, self._hits, self._audits, self._wrong)
        sums = (self._spent, self._audited, self._foreseen, *self._certificate.paid)
        about = (FORMAT, self._audit, self._refuted)
        learnt = (rows.astype("<f4").tobytes(), labels.astype("u1").tobytes(), self._entries, list(self._recent))
        return msgspec.msgpack.encode((about, counts, sums, learnt))

    def restore(self, data: bytes) -> None:
        """Go on from a `state` with the same share of audits. Raises ValueError, changing nothing, for any other."""
        try:
            about, counts, sums, learnt = msgspec.msgpack.decode(data, type=_State)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ValueError("not what a bounded policy learnt") from None
        if about[:2] != (FORMAT, self._audit) or len(sums) != 3 + len(self._certificate.paid):
            raise ValueError("learnt by another version, or with another share of audits")
        rows = np.frombuffer(learnt[0], "<f4").astype(float).reshape(-1, len(FEATURES))
        self._model.take(rows, np.frombuffer(learnt[1], "u1").astype(float))
        self._refuted = about[2]
        self._requests, self._hits, self._audits, self._wrong = counts
        self._spent, self._audited, self._foreseen = sums[:3]
        self._certificate.resume(self._hits, sums[3:])
        self._entries = learnt[2]
        self._recent.extend(learnt[3])
        self._due = 0

    def _risk(self, entry: int, logit: float, variance: float) -> float:
        seen = self._entries.get(entry, ())
        if len(seen) >= ENOUGH:
            shift, uncertain = _shift(seen)
            return risk(logit + shift, variance + uncertain)
        return risk(logit, variance)

    def _watch(self, decision: Decision, right: bool) -> None:
        """Notice that the stream has changed: a CUSUM of bets that more is wrong than was foreseen."""
        self._rising += 1
        if decision.risk > RISKIEST:
            return
        self._alarm += (0.0 if right else BET) - decision.risk * math.expm1(BET)
        if self._alarm <= 0:
            self._alarm, self._rising = 0.0, 0
        elif self._alarm > ALARM:
            self._model.forget(self._rising)
            self._entries.clear()
            self._recent.clear()
            self._spent = max(self._spent, self._wrong * (1 - self._audit) / self._audit)
            self._alarm, self._rising, self._level = 0.0, 0, 0.0
            self._alarms += 1

    def _affordable(self, found: float) -> bool:
        if found > self._level or self._spent + found > self._budget:
            return False
        return not (self._certify or self._refuted) or (self._certificate.bound + 1 <= self.max_error * self._requests)

    def _refresh(self) -> None:
        if self._requests < self._due:
            return
        self._due = self._requests + REFRESH
        allowed = self.max_error * self._requests
        self._budget = poisson_budget(allowed, self._alpha)
        left = allowed - poisson_bound(self._spent, self._alpha)
        if self._certify or self._refuted:
            left = min(left, allowed - self._certificate.bound)
        aim = self.max_error + left / max(HORIZON, self._requests)
        self._level = _level(self._recent, aim)


def _level(recent: Sequence[float], aim: float) -> float:
    """The highest risk such that all risks up to it come to `aim` a request, at most RISKIEST."""
    total, highest = aim * len(recent), 0.0
    for found in sorted(recent):
        if found > RISKIEST:
            break
        total -= found
        if total < 0:
            break
        highest = found
    return highest


def _shift(seen: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """An entry's own shift of the logit, and its variance, by Laplace's approximation under a normal prior."""
    shift, curvature = 0.0, 1 / SHIFT
    for _ in range(20):
        slope, curvature = -shift / SHIFT, 1 / SHIFT
        for logit, right in seen:
            chance = sigmoid(logit + shift)
            slope += right - chance
            curvature += chance * (1 - chance)
        step = slope / curvature
        shift += step
        if math.fabs(step) < 1e-4:
            break
    return shift, 1 / curvature
