"""What differs between two configurations, by what it is about, and which stages that can touch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llmctl.config.diff import Difference, diff
from llmctl.config.finding import dotted
from llmctl.config.load import Loaded
from llmctl.config.schema import Config, PolicyConfig
from llmctl.gateway.build_policies import effective
from llmctl.gateway.stages.limits import KIND as RATE_LIMIT

GROUPS = ("models", "routes", "guardrails", "limits", "cache", "compress", "resilience", "budgets", "keys", "other")
_SECTIONS = {
    "providers": "models", "models": "models", "prices": "models", "guardrails": "guardrails", "cache": "cache",
    "compress": "compress", "resilience": "resilience", "budgets": "budgets", "keys": "keys",
}  # fmt: skip
FAILING = (
    "fallbacks", "cheaper", "static_answer", "attempt_timeout", "timeout", "hedge", "resume", "priority", "concurrency",
    "max_queue",
)  # fmt: skip
"""Keys of routes and models that matter when something fails or waits, which records cannot play again."""


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies by name that differ; None where there is none on that side. Those that are equal are not listed."""

    changed: dict[str, tuple[PolicyConfig | None, PolicyConfig | None]] = field(default_factory=dict)

    def of(self, wanted: Callable[[PolicyConfig], bool]) -> "Policies":
        """Only those of which one side is wanted."""
        return Policies(
            {
                name: sides
                for name, sides in self.changed.items()
                if any(side is not None and wanted(side) for side in sides)
            }
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences by group, in the order of `GROUPS`, and what each stage has to look at.

    `routes` are names whose choice may differ, None where all may; `guards` and `limits` the policies that differ.
    """

    groups: dict[str, list[Difference]]
    routes: frozenset[str] | None
    guards: Policies
    limits: Policies
    segment: bool

    @property
    def routing(self) -> bool:
        """Whether any choice or price may differ."""
        return self.routes is None or bool(self.routes)

    def touches(self, group: str) -> bool:
        """Whether something of the group differs."""
        return group in self.groups


def changes(old: Loaded, new: Loaded) -> Changes:
    """What differs between the two."""
    given = {*old.config.routes, *new.config.routes, *old.config.models, *new.config.models}
    names = sorted((dotted((name,)) for name in given), key=len)
    groups: dict[str, list[Difference]] = {group: [] for group in GROUPS}
    for one in diff(old.config, new.config):
        groups[_group(one, names, (old.config, new.config))].append(one)
    found = {group: differences for group, differences in groups.items() if differences}
    policies = _policies(old.config, new.config)
    return Changes(
        found,
        _routes(old.config, new.config, found),
        policies.of(lambda policy: policy.kind != RATE_LIMIT),
        policies.of(lambda policy: policy.kind == RATE_LIMIT),
        old.config.guardrails.segment != new.config.guardrails.segment,
    )


def _group(one: Difference, names: list[str], sides: tuple[Config, Config]) -> str:
    section, _, rest = one.path.partition(".")
    group = _SECTIONS.get(section, "other")
    if section == "routes" or section == "models":
        name = next((name for name in reversed(names) if rest == name or rest.startswith(f"{name}.")), "")
        key = rest[len(name) + 1 :].partition(".")[0].partition("[")[0]
        if key in FAILING:
            return "resilience"
        if section == "routes":
            return "compress" if key == "compress" else "routes"
    if section == "guardrails" and rest.startswith("policies."):
        name = rest.removeprefix("policies.")
        kinds = {
            policy.kind
            for side in sides
            for known, policy in side.guardrails.policies.items()
            if name == dotted((known,)) or name.startswith(f"{dotted((known,))}.")
        }
        return "limits" if RATE_LIMIT in kinds else "guardrails"
    return group


def _policies(old: Config, new: Config) -> Policies:
    before, after = effective(old.guardrails), effective(new.guardrails)
    presets = old.guardrails.preset, new.guardrails.preset
    return Policies(
        {
            name: (before.get(name), after.get(name))
            for name in dict.fromkeys((*before, *after))
            if _judges(before.get(name), presets[0]) != _judges(after.get(name), presets[1])
        }
    )


def _judges(policy: PolicyConfig | None, preset: str) -> Any:
    """All that a policy's outcome depends on: how cautious it is may be the gateway's word."""
    if policy is None:
        return None
    cautious = policy.preset or (preset if preset != "none" else "balanced")
    return policy.model_dump(mode="json") | {"preset": cautious}


def _routes(old: Config, new: Config, groups: dict[str, list[Difference]]) -> frozenset[str] | None:
    if "models" in groups or "keys" in groups:
        return None
    before, after = ({name: _choosing(route) for name, route in side.routes.items()} for side in (old, new))
    return frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))


def _choosing(route: Any) -> Any:
    """A route without what does not bear on its choice."""
    dumped: dict[str, Any] = route.model_dump(mode="json")
    if (dumped.get("experiment") or {}).get("kind") == "shadow":
        dumped["experiment"] = None
    return {key: value for key, value in dumped.items() if key not in (*FAILING, "compress")}
