"""One look at a whole text, which says which of many policies have to be asked about it."""

import sys
from collections.abc import Sequence

from llmctl.gateway.policies import PASSED, Findings, Policy
from llmctl.guards.base import Signs
from llmctl.guards.scan import any_of


class Screen:
    """The policies that judge texts of one kind, which all answer at once.

    RE2 looks for the signs of all their guards in one go. Nearly every text shows none, and then only the guards that
    weigh words are asked.
    """

    def __init__(self, policies: Sequence[Policy], *, told: bool) -> None:
        """`told` is whether there is a system prompt."""
        self.policies = tuple(policies)
        self.passed: Findings = dict.fromkeys(policies, PASSED)
        """What is found in a text in which no policy that has to be asked finds anything."""
        self._upto: dict[Policy, int] = {}
        self._of_sign: list[Policy] = []
        patterns: list[str] = []
        for policy in policies:
            signs: Signs | None = getattr(policy.guard, "signs", None)
            if signs is not None and not (signs.unless_told and told):
                self._upto[policy] = signs.upto
                self._of_sign += [policy] * len(signs.patterns)
                patterns += signs.patterns
        self._always = tuple(policy for policy in policies if policy not in self._upto)
        self._shortest = min(self._upto.values(), default=sys.maxsize)
        self._signs = any_of(tuple(patterns))

    def asked(self, text: str) -> tuple[Policy, ...]:
        """The policies that may find something in `text`, in their order."""
        try:
            found = self._signs(text.encode())
        except UnicodeEncodeError:  # a lone surrogate
            return self.policies
        if found is None and len(text) <= self._shortest:
            return self._always
        shown = {self._of_sign[number] for number in found or ()}
        upto, length = self._upto, len(text)
        return tuple(policy for policy in self.policies if policy in shown or upto.get(policy, -1) < length)
