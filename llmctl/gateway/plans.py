"""Which policies apply to whom, and which texts have passed them lately."""

import os
from collections.abc import Sequence
from hashlib import blake2b

from llmctl.gateway.policies import Findings, Policy
from llmctl.gateway.screen import Screen
from llmctl.guards.base import Source
from llmctl.model.exchange import Exchange

REMEMBERED = 4_096  # texts that passed, by keyed digest: history and tools come again with every turn
SHORT = 160  # characters of an answer that is remembered: labels, and yes and no, come again
WITHOUT_CONTEXT = frozenset(
    {"validation", "pii", "secrets", "content", "toxicity", "refusal", "pattern", "topics", "leakage"}
)
"""Guards that look at nothing but the text, and at the system prompt at most, unless they say so themselves."""

JOINED = frozenset({"injection"})  # guards that also judge all that the user said as one text: attacks come in parts
WHOLE = "validation"  # the guard that also judges the request as a whole
WRITTEN: dict[Source, bytes] = {
    source: source.encode() for source in ("system", "user", "assistant", "tool", "retrieved")
}


class Plan:
    """The policies of some tenants and routes in one direction, and what has passed them lately.

    `quick`: characters up to which all of them answer at once. `enforces`: whether any of them may change a text.
    `holds_all`: whether nothing of a stream may go before all of it is there. `screens` are for whole texts that are
    judged at once: of a request by source, and `answers`, without a system prompt and with one.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = tuple(policies)
        self.waits = any(policy.waits for policy in policies)
        slow = self.waits or any(policy.kind == "schema" for policy in policies)  # which may have the answer mended
        self.quick = -1 if slow else min([policy.most_inline for policy in policies], default=-1)
        self.enforces = any(policy.enforced for policy in policies)
        self.holds_all = any(policy.lookbehind is None and policy.enforced for policy in policies)
        self.whole = tuple(policy for policy in policies if policy.kind == WHOLE)
        self.joined = tuple(
            policy
            for policy in policies
            if policy.kind in JOINED and (policy.sources is None or "user" in policy.sources)
        )
        self.needs_system = any(policy.kind == "leakage" for policy in policies)
        self.needs_context = any(
            policy.kind not in WITHOUT_CONTEXT or getattr(policy.guard, "needs_context", False) for policy in policies
        )
        self._of: dict[Source, tuple[Policy, ...]] = {}
        self.screens = {source: Screen(self.of(source), told=False) for source in WRITTEN}
        self.answers = Screen(policies, told=False), Screen(policies, told=True)
        self._passed: dict[bytes, Findings] = {}
        self._before: dict[bytes, Findings] = {}
        self._secret = os.urandom(16)

    def of(self, source: Source) -> tuple[Policy, ...]:
        """Those that judge texts from there; the system prompt is the operator's own unless one asks for it."""
        found = self._of.get(source)
        if found is None:
            found = self._of[source] = tuple(
                policy
                for policy in self.policies
                if (source in policy.sources if policy.sources is not None else source != "system")
            )
        return found

    def digest(self, source: Source, text: str) -> bytes:
        """What a text is remembered by. Nobody can make another one with the same."""
        raw = text.encode("utf-8", "surrogatepass")
        return blake2b(raw, digest_size=16, key=self._secret, person=WRITTEN[source]).digest()

    def passed(self, digest: bytes) -> Findings | None:
        """What was found when this text passed, if it did lately."""
        found = self._passed.get(digest)
        return self._before.get(digest) if found is None else found

    def remember(self, digest: bytes, findings: Findings) -> None:
        """That a text passed every guard."""
        if len(self._passed) >= REMEMBERED // 2:  # a dict that loses its first key each time gets slow at finding it
            self._before, self._passed = self._passed, {}
        self._passed[digest] = findings


class Plans:
    """Which plan is whose. Names that are not configured share one entry, so that clients cannot fill the table."""

    def __init__(self, policies: Sequence[Policy], names: frozenset[str]) -> None:
        self._policies = tuple(policies)
        self._names = names
        self._plans: dict[tuple[Policy, ...], Plan] = {}
        self._found: dict[tuple[str, str], Plan] = {}
        for tenant in {"", *(tenant for policy in policies for tenant in policy.tenants or ())}:
            for name in {"", *(name for policy in policies for name in policy.routes or ())}:
                self._plan(tenant, name)  # now, so that nobody's request waits for it

    def of(self, exchange: Exchange) -> Plan:
        """The plan for this exchange."""
        tenant = exchange.principal.tenant if exchange.principal else ""
        name = exchange.requested_model if exchange.requested_model in self._names else ""
        plan = self._found.get((tenant, name))
        if plan is None:
            plan = self._found[tenant, name] = self._plan(tenant, name)
        return plan

    def _plan(self, tenant: str, name: str) -> Plan:
        applying = tuple(policy for policy in self._policies if policy.applies(tenant, name))
        plan = self._plans.get(applying)
        if plan is None:
            plan = self._plans[applying] = Plan(applying)
        return plan
