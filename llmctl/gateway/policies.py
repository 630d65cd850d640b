"""Policies at work: a guard's verdict becomes an action, and so does a guard's failure."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from llmctl.config.schema import PolicyConfig
from llmctl.errors import Blocked, GuardFailed, LlmctlError
from llmctl.guards.asked.checked import checked
from llmctl.guards.base import About, Asked, Direction, Guard, Source, Span, Verdict
from llmctl.model.exchange import Exchange
from llmctl.model.record import GuardAction, GuardResult, GuardVerdict, passed

UNSCANNED = "unscanned:"
SLOW_US = 5_000  # what takes longer would hold up everybody else's exchanges, and is judged in a thread
Bug = Callable[[str, BaseException], None]
_SEVERITY: dict[str, int] = {"allow": 0, "warn": 1, "redact": 2, "block": 3}
_FOUND: dict[str, int] = {"allow": 0, "unscanned": 1, "warn": 2, "redact": 3, "block": 4, "error": 5}
_SHADOWED: dict[str, GuardAction] = {"warn": "would_warn", "redact": "would_redact", "block": "would_block"}


class Finding(Struct, frozen=True, gc=False):
    """What a policy makes of one text. `redactions` are the spans to take out; `rank` orders findings, worst last."""

    verdict: GuardVerdict
    action: GuardAction
    score: float = 0.0
    reason: str = ""
    category: str = ""
    redactions: tuple[Span, ...] = ()

    @property
    def rank(self) -> tuple[int, int, float]:
        """Done, found, score."""
        done = _SEVERITY.get(self.action.removeprefix("would_"), 0)
        return done, _FOUND[self.verdict], self.score


PASSED = Finding("allow", "allow")


class Second(Struct, frozen=True):
    """The slower tier of a policy, and the scores of the first between which it is asked."""

    guard: Asked
    low: float
    high: float
    deadline: float


class Policy:
    """One guard where and how it is used, in one direction. Made by `build`.

    `waits`: its verdict may have to be awaited. `most_inline`: characters up to which it is quick.
    """

    def __init__(
        self,
        name: str,
        config: PolicyConfig,
        direction: Direction,
        guard: Guard | Asked,
        bug: Bug,
        *,
        asked: bool = False,
        second: Second | None = None,
    ) -> None:
        self.name = name
        self.kind = config.kind
        self.direction = direction
        self.guard = guard
        self.asked = asked
        self.second = second
        self.sources: frozenset[Source] | None = frozenset(config.sources) if config.sources else None
        self.routes = frozenset(config.routes) if config.routes else None
        self.tenants = frozenset(config.tenants) if config.tenants else None
        self.enforced = config.mode == "enforce"
        self.restore = config.restore
        self.lookbehind: int | None = None if asked else guard.lookbehind  # type: ignore[union-attr]
        self.waits = asked or second is not None
        self.most_inline = 0 if asked else int(SLOW_US / guard.cost_us * 1000)  # type: ignore[union-attr]
        self._blocks_on_error = config.on_error == "block"
        self._actions: Mapping[str, str] = config.actions
        self._deadline = config.deadline
        self._bug = bug
        self.passed = passed(self.kind, direction, name)
        """What the record says where nothing was found; one for all, because that is nearly always."""

    def applies(self, tenant: str, name: str) -> bool:
        """To a tenant's requests for a model or route."""
        return (self.tenants is None or tenant in self.tenants) and (self.routes is None or name in self.routes)

    def look(self, text: str, about: About, request_id: str) -> Finding:
        """The finding of a guard that answers at once."""
        try:
            verdict: Verdict = self.guard.judge(text, about)  # type: ignore[assignment]
            if verdict.outcome == "allow":
                if verdict.reason and verdict.reason.startswith(UNSCANNED):
                    return Finding("unscanned", "allow", 0.0, verdict.reason)
                return Finding("allow", "allow", verdict.score) if verdict.score else PASSED
            return self.decided(checked(verdict, text) if verdict.spans else verdict)
        except Exception as error:
            return self._failed(error, request_id)

    async def ask(self, text: str, about: About, request_id: str) -> Finding:
        """The finding of any guard, its second tier included, within the deadline."""
        if self.asked:
            return await self._asked(self.guard, text, about, self._deadline, request_id)  # type: ignore[arg-type]
        if len(text) <= self.most_inline:
            first = self.look(text, about, request_id)
        else:
            first = await asyncio.to_thread(self.look, text, about, request_id)
        second = self.second
        if second is None or first.verdict in ("error", "unscanned") or not second.low <= first.score <= second.high:
            return first
        found = await self._asked(second.guard, text, about, second.deadline, request_id)
        if found.verdict == "error" and not self._blocks_on_error:  # the first tier's word stands
            return Finding("error", first.action, first.score, found.reason, first.category, first.redactions)
        return found

    def unsettled(self, text: str, request_id: str) -> int:
        """Characters that its guard wants held back; all of them where it fails to say."""
        try:
            return max(0, self.guard.unsettled(text)) if self.enforced and not self.asked else 0  # type: ignore[union-attr]
        except Exception as error:
            self._bug(request_id, error)
            return len(text)

    def refused(self, finding: Finding) -> LlmctlError | None:
        """The error that stops the exchange, if this finding does."""
        if finding.action != "block":
            return None
        what = "request" if self.direction == "input" else "answer"
        if finding.verdict == "error":
            return GuardFailed(f"the guard of policy {self.name!r} failed, and no {what} passes without it; ask again")
        return Blocked(f"this {what} is blocked by policy {self.name!r} of the gateway")

    async def _asked(self, guard: Asked, text: str, about: About, deadline: float, request_id: str) -> Finding:
        try:
            async with asyncio.timeout(deadline):
                verdict = checked(await guard.judge(text, about), text)
        except Exception as error:
            return self._failed(error, request_id)
        if verdict.outcome != "allow":
            return self.decided(verdict)
        if verdict.reason.startswith(UNSCANNED):
            return Finding("unscanned", "allow", 0.0, verdict.reason)
        return Finding("allow", "allow", verdict.score)

    def unplaced(self, finding: Finding) -> Finding:
        """The finding where there is no place to redact."""
        return Finding(finding.verdict, "block", finding.score, finding.reason, finding.category)

    def decided(self, verdict: Verdict) -> Finding:
        """The action that a verdict leads to under this policy."""
        if verdict.outcome == "allow":
            return PASSED
        if verdict.outcome not in _SEVERITY:
            raise ValueError("a verdict of no known outcome")
        action: str = verdict.outcome
        spans = verdict.spans
        if self._actions:
            chosen = [(self._action(span.category, verdict.outcome), span) for span in spans]
            wanted = [what for what, _ in chosen]
            if all(span.category != verdict.category for span in spans):
                wanted.append(self._action(verdict.category, verdict.outcome))
            action = max(wanted, key=_SEVERITY.__getitem__)
            # What is blocked because of a value keeps it out of the record too.
            out = ("redact", "block") if verdict.outcome == "redact" else ("redact",)
            spans = tuple(span for what, span in chosen if what in out)
        elif action != "redact":
            spans = ()
        if action == "redact" and not spans:
            action = "block"  # nobody knows what to take out
        if not self.enforced:
            return Finding(verdict.outcome, _SHADOWED.get(action, "allow"), verdict.score, verdict.reason,
                           verdict.category)  # fmt: skip
        done: GuardAction = action  # type: ignore[assignment]
        return Finding(verdict.outcome, done, verdict.score, verdict.reason, verdict.category, spans)

    def _action(self, category: str, outcome: str) -> str:
        return self._actions.get(category) or self._actions.get("*") or outcome

    def _failed(self, error: Exception, request_id: str) -> Finding:
        if not isinstance(error, LlmctlError | TimeoutError):
            self._bug(request_id, error)
        action: GuardAction = "allow"
        if self._blocks_on_error:
            action = "block" if self.enforced else "would_block"
        return Finding("error", action, 1.0, f"failed: {type(error).__name__}")


Findings = dict[Policy, Finding]


class Hearing:
    """What the policies of one direction found in one exchange; `close` writes it into the exchange, once."""

    def __init__(self, exchange: Exchange, direction: Literal["input", "output"], now: Callable[[], float]) -> None:
        self.exchange = exchange
        self._direction: Literal["input", "output"] = direction
        self._now = now
        self._worst: Findings = {}
        self._spent: dict[Policy, float] = {}
        self._mark = now()

    def hear(self, policy: Policy, finding: Finding) -> None:
        """Take note of a finding, and of the time since the one before. Raises Blocked or GuardFailed."""
        now = self._now()
        self._spent[policy] = now - self._mark + self._spent.get(policy, 0.0)
        self._mark = now
        self.note({policy: finding})
        if finding.action == "block" and (error := policy.refused(finding)) is not None:
            raise error

    def judge(self, asked: Iterable[Policy], text: str, about: About, found: Findings) -> bool:
        """Ask policies that answer at once; what they find is added to `found`, which holds the others already.

        Says whether the text may go as it is. What one of them takes is too short to be timed. Raises as `hear` does.
        """
        clean, request_id = True, self.exchange.id
        left = iter(asked)
        for policy in left:
            finding = found[policy] = policy.look(text, about, request_id)
            if finding.verdict != "allow":
                clean = False
                if finding.action == "block" and (error := policy.refused(finding)) is not None:
                    for other in left:
                        del found[other]
                    self.note(found)
                    raise error
        self.note(found)
        return clean

    def note(self, findings: Findings) -> None:
        """Take note of findings on one text: of each policy, the worst of all texts counts."""
        worst = self._worst
        if not worst:
            self._worst = findings.copy()
            return
        for policy, finding in findings.items():
            known = worst.get(policy)
            if known is not None and finding.verdict == "allow" and finding.score <= known.score:
                continue  # the usual case: no rank is needed to tell
            if known is None or finding.rank > known.rank:
                worst[policy] = finding

    def start(self) -> None:
        """Time from here on is the next finding's."""
        self._mark = self._now()

    def close(self, *, mended: bool = False) -> None:
        """One result for each policy that was asked. Of what was `mended` since, the client is not told."""
        exchange, spent = self.exchange, self._spent
        for policy, found in self._worst.items():
            if found is PASSED and policy not in spent:
                exchange.passed.append(policy.passed)
                continue
            exchange.guards.append(
                GuardResult(
                    policy.kind,
                    self._direction,
                    found.verdict,
                    found.action,
                    found.score or None,
                    found.reason,
                    found.category,
                    int(spent.get(policy, 0.0) * 1e6),
                    policy.name,
                )
            )
            if found.action in ("redact", "block") and not mended:
                exchange.notices.append(f"{self._direction}.{policy.name}={found.action}")
        self._worst = {}
