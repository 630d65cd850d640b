"""Makes the guardrail policies of a configuration: the preset's, and those that replace or join them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from llmctl.config.load import Loaded, decode
from llmctl.config.schema import GuardrailsConfig, PolicyConfig, SecondTierConfig
from llmctl.errors import ConfigError
from llmctl.gateway.kept import Kept
from llmctl.gateway.policies import Bug, Policy, Second
from llmctl.gateway.stages.limits import KIND, Limit
from llmctl.guards import TABLE
from llmctl.guards.asked import ADAPTERS
from llmctl.guards.base import Direction
from llmctl.guards.plugins import find
from llmctl.guards.presets import preset
from llmctl.limits.memory import Limiter
from llmctl.limits.options import RateLimitOptions
from llmctl.net.transport import Transport

Path = tuple[str, ...]
PATH: Path = ("guardrails", "policies")


@dataclass(slots=True)
class Policies:
    """What a configuration's guardrails come to."""

    limits: list[Limit] = field(default_factory=list)
    input: list[Policy] = field(default_factory=list)
    output: list[Policy] = field(default_factory=list)
    guards: list[Any] = field(default_factory=list)

    def close(self) -> None:
        """Give back what guards that ask others hold."""
        for guard in self.guards:
            if hasattr(guard, "close"):
                guard.close()


def effective(config: GuardrailsConfig) -> dict[str, PolicyConfig]:
    """Policies by name: the preset's in their order, each replaced by the one of the same name, then the others."""
    policies = {name: PolicyConfig.model_validate(raw) for name, raw in preset(config.preset).items()}
    policies |= config.policies
    return {name: policy for name, policy in policies.items() if policy.mode != "disabled"}


class Maker:
    """Makes guards; what is wrong goes to `trouble` as complete lines."""

    def __init__(self, loaded: Loaded, transport: Transport, bug: Bug, trouble: list[str]) -> None:
        self._loaded = loaded
        self._config = loaded.config.guardrails
        self._transport = transport
        self._bug = bug
        self._trouble = trouble
        self._made: dict[tuple[str, str], Any] = {}

    def policies(self, kept: Kept, now: Any) -> Policies:
        """All of them, ready to use."""
        made = Policies()
        for name, policy in effective(self._config).items():
            self._names(name, policy)
            if policy.kind == KIND:
                self._limit(name, policy, kept, now, made)
            elif (guard := self._guard((*PATH, name), policy.kind, policy.options, policy.preset)) is not None:
                self._attach(name, policy, guard, made)
        made.guards = list(self._made.values())
        return made

    def _attach(self, name: str, policy: PolicyConfig, guard: Any, made: Policies) -> None:
        can: frozenset[Direction] = guard.directions
        wanted: frozenset[str] = can
        if policy.direction is not None:
            wanted = frozenset({"input", "output"}) if policy.direction == "both" else frozenset({policy.direction})
        if not wanted <= can:
            only = " and ".join(sorted(can))
            self._say((*PATH, name, "direction"), f"{policy.kind} judges {only} only; leave this key out")
            return
        for key in ("restore", "sources"):
            if getattr(policy, key) and "input" not in wanted:
                self._say((*PATH, name, key), "it is about requests, and this policy judges answers only; leave it out")
        asked = policy.kind not in TABLE
        if asked and policy.second is not None:
            self._say((*PATH, name, "second"), f"{policy.kind} is slow itself; a second tier is for a fast guard")
            return
        second = self._second(name, policy.second) if policy.second is not None else None
        for direction, into in (("input", made.input), ("output", made.output)):
            if direction in wanted:
                way: Direction = direction  # type: ignore[assignment]
                into.append(Policy(name, policy, way, guard, self._bug, asked=asked, second=second))

    def _second(self, name: str, config: SecondTierConfig) -> Second | None:
        path = (*PATH, name, "second")
        low, high = config.band
        if low > high:
            self._say((*path, "band"), "write the lower score first")
            return None
        if config.kind in TABLE:
            self._say((*path, "kind"), f"{config.kind} is a fast guard; ask one of {', '.join(sorted(ADAPTERS))}")
            return None
        guard = self._guard(path, config.kind, config.options, None)
        return Second(guard, low, high, config.deadline) if guard is not None else None

    def _guard(self, path: Path, kind: str, options: Mapping[str, Any], cautious: str | None) -> Any:
        """The guard of a kind with these options; equal ones are one."""
        default = self._config.preset if self._config.preset != "none" else "balanced"
        raw = {"preset": cautious or default, **options}
        if ":" in kind:
            kind, raw = "custom", {"preset": raw["preset"], "class": kind, "options": dict(options)}
        try:
            found = TABLE.get(kind) or ADAPTERS.get(kind) or find(kind)
        except ValueError as error:
            self._say((*path, "kind"), str(error))
            return None
        if found is None:
            known = ", ".join(sorted([*TABLE, *ADAPTERS, KIND]))
            self._say((*path, "kind"), f"no guard {kind!r}; there are {known}, or write package.module:Class")
            return None
        key = (kind, json.dumps(raw, sort_keys=True))
        if key in self._made:
            return self._made[key]
        decoded = self._options(found.Options, raw, (*path, "options"))
        if decoded is None:
            return None
        try:
            guard = found(decoded) if kind in TABLE else found(decoded, self._transport)
        except (ValueError, OSError) as error:
            self._say((*path, "options"), str(error))
            return None
        self._made[key] = guard
        return guard

    def _options(self, model: type[BaseModel], raw: dict[str, Any], path: Path) -> Any:
        try:
            return decode(model, raw, self._loaded, path)
        except ConfigError as error:
            self._trouble.extend(error.findings)
        except ValidationError as error:
            self._say(path, str(error.errors()[0]["msg"]))
        return None

    def _limit(self, name: str, policy: PolicyConfig, kept: Kept, now: Any, made: Policies) -> None:
        path = (*PATH, name)
        for key in ("direction", "second", "sources", "preset", "actions", "restore"):
            if getattr(policy, key):
                self._say((*path, key), "rate_limit judges no text and has no use for it; leave it out")
        if self._loaded.config.server.workers > 1:
            self._say(
                path, "each worker would count on its own: run one worker (server.workers: 1) until state is shared"
            )
        options = self._options(RateLimitOptions, policy.options, (*path, "options"))
        if options is not None:
            routes = frozenset(policy.routes) if policy.routes else None
            tenants = frozenset(policy.tenants) if policy.tenants else None
            made_from = ("limiter", name, options.model_dump_json())
            limiter = kept.of(made_from, lambda: Limiter(options, now))
            made.limits.append(Limit(name, limiter, routes, tenants, policy.mode == "enforce"))

    def _names(self, name: str, policy: PolicyConfig) -> None:
        config = self._loaded.config
        known = {
            "routes": {*config.models, *config.routes},
            "tenants": {key.tenant for key in config.keys} | {"default"},
        }
        for key, names in known.items():
            for given in getattr(policy, key) or ():
                if given not in names:
                    listed = ", ".join(sorted(names))
                    self._say((*PATH, name, key), f"there is no {given!r} here; there are {listed}")

    def _say(self, path: Path, message: str) -> None:
        self._trouble.append(self._loaded.finding(path, message))
