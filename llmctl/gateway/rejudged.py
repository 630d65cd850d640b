"""What policies find in texts that were recorded, once more and off the path: for `llmctl plan`.

Every policy says what it finds in every text, where the path stops at the first refusal. Only policies whose guards
answer from the text alone: nobody else is asked.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llmctl.config.load import Loaded
from llmctl.errors import ConfigError
from llmctl.gateway.build_policies import Maker
from llmctl.gateway.judging import ANSWERS
from llmctl.gateway.kept import Kept
from llmctl.gateway.passages import Texts
from llmctl.gateway.plans import Plan
from llmctl.gateway.policies import PASSED, Finding, Policy
from llmctl.gateway.spoken import said
from llmctl.gateway.stages.input_guards import JOINED_CHARACTERS
from llmctl.guards.base import About
from llmctl.guards.validation import Validation, check_request
from llmctl.model.chat import AnswerBody, Operation
from llmctl.model.json import JsonObject, decode, encode

Found = dict[str, Finding]
"""The worst that each policy finds, by its name."""


class Rejudging:
    """The policies of a configuration. `asking` are the names of those that would ask somebody else."""

    def __init__(self, loaded: Loaded) -> None:
        """Raises ConfigError."""
        trouble: list[str] = []
        made = Maker(loaded, Nobody(), lambda request_id, bug: None, trouble).policies(Kept(), float)
        if trouble:
            raise ConfigError(trouble)
        self.asking = frozenset(policy.name for policy in (*made.input, *made.output) if policy.waits)
        self.answering = frozenset(policy.name for policy in made.output)
        self._names = frozenset({*loaded.config.models, *loaded.config.routes})
        self._input = [one for one in made.input if not one.waits]
        self._output = [one for one in made.output if not one.waits]
        self._applying: dict[tuple[bool, frozenset[str] | None, str, str], Plan] = {}

    def request(
        self, payload: JsonObject, operation: Operation, tenant: str, name: str, among: frozenset[str] | None = None
    ) -> Found:
        """What they, or those `among` these, find in a request; policies that do not apply to it find nothing."""
        plan = self._plan(True, among, tenant, name)
        found: Found = {}
        if not plan.policies:
            return found
        texts = Texts(decode(encode(payload)), operation)  # what is read of arguments is written back into them
        for policy in plan.whole:
            guard: Validation = policy.guard  # type: ignore[assignment]  # `whole` are of that kind
            _note(found, policy, policy.decided(check_request(payload, guard.limits)))
        for passage in texts.passages:
            about = About("input", passage.source)
            for policy in plan.of(passage.source):
                _note(found, policy, policy.look(passage.text, about, ""))
        users = texts.of("user")
        if plan.joined and len(texts.passages) > 1 and len(users) > 1:
            text = " ".join(users)[-JOINED_CHARACTERS:]
            for policy in plan.joined:
                finding = policy.look(text, About("input", "user"), "")
                _note(found, policy, policy.unplaced(finding) if finding.action == "redact" else finding)
        return found

    def answer(
        self, body: Any, payload: JsonObject, operation: Operation, tenant: str, name: str,
        among: frozenset[str] | None = None,
    ) -> Found:  # fmt: skip
        """The same of an answer as it was recorded, to this request."""
        plan = self._plan(False, among, tenant, name)
        found: Found = {}
        if not plan.policies or operation == "embedding":
            return found
        about = _about(payload, operation)
        for field, text in _texts(body):
            for policy in plan.policies:
                if field in ("content", "text") or policy.kind not in ANSWERS:
                    _note(found, policy, policy.look(text, about, ""))
        return found

    def _plan(self, before: bool, among: frozenset[str] | None, tenant: str, name: str) -> Plan:
        known = name if name in self._names else ""
        key = (before, among, tenant, known)
        plan = self._applying.get(key)
        if plan is None:
            policies = self._input if before else self._output
            mine = [one for one in policies if one.applies(tenant, known) and (among is None or one.name in among)]
            plan = self._applying[key] = Plan(mine)
        return plan


def _about(payload: JsonObject, operation: Operation) -> About:
    texts = Texts(decode(encode(payload)), operation)
    user, wanted = texts.of("user"), payload.get("response_format")
    return About(
        "output",
        "assistant",
        texts.of("tool", "retrieved"),
        user[-1] if user else "",
        "\n".join(texts.of("system")),
        wanted if isinstance(wanted, dict) else None,
    )


def _texts(body: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(body, Mapping):
        return
    try:
        choices = msgspec.convert(body, AnswerBody).choices
    except msgspec.ValidationError:
        return
    for place, _, text in said(choices):
        yield place.field, text


def _note(found: Found, policy: Policy, finding: Finding) -> None:
    known = found.get(policy.name)
    if known is None or finding.rank > known.rank:
        found[policy.name] = finding if finding.verdict != "allow" else PASSED


class Nobody:
    """The transport of stages that are asked apart from any path, and send nothing."""

    async def send(self, request: Any) -> Any:
        """Never: a bug if it is."""
        raise AssertionError("a stage that was asked apart from its path was about to send")
