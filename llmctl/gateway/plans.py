"""Which policies apply to whom, and which texts have passed them lately."""

import os
from collections.abc import Sequence
from hashlib import blake2b

from llmctl.gateway.passages import Passage
from llmctl.gateway.policies import Finding, Policy
from llmctl.guards.base import Source
from llmctl.model.exchange import Exchange

REMEMBERED = 4_096  # texts that passed, by keyed digest: history and tools come again with every turn
WITHOUT_CONTEXT = frozenset(
    {"validation", "pii", "secrets", "content", "toxicity", "refusal", "pattern", "topics", "leakage"}
)
"""Guards that look at nothing but the text, and at the system prompt at most, unless they say so themselves."""

Findings = list[tuple[Policy, Finding]]


class Plan:
    """The policies of some tenants and routes, and what has passed them lately."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = tuple(policies)
        self.waits = any(policy.waits for policy in policies)
        self.quick = 0 if self.waits else min([policy.most_inline for policy in policies], default=0)
        self.needs_system = any(policy.kind == "leakage" for policy in policies)
        self.needs_context = any(
            policy.kind not in WITHOUT_CONTEXT or getattr(policy.guard, "needs_context", False) for policy in policies
        )
        self._of: dict[Source, tuple[Policy, ...]] = {}
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

    def digest(self, passage: Passage) -> bytes:
        """What a text is remembered by. Nobody can make another one with the same."""
        text = passage.text.encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=16, key=self._secret, person=passage.source.encode()).digest()

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

    def of(self, exchange: Exchange) -> Plan:
        """The plan for this exchange."""
        tenant = exchange.principal.tenant if exchange.principal else ""
        name = exchange.requested_model if exchange.requested_model in self._names else ""
        plan = self._found.get((tenant, name))
        if plan is None:
            applying = tuple(policy for policy in self._policies if policy.applies(tenant, name))
            plan = self._plans.setdefault(applying, Plan(applying))
            self._found[tenant, name] = plan
        return plan
