"""`llmctl guard policies`: what a configuration's guardrails come to."""

from typing import Any

from llmctl.config.schema import GuardrailsConfig, PolicyConfig
from llmctl.gateway.build_policies import effective


def rows(config: GuardrailsConfig) -> list[dict[str, Any]]:
    """A row for each policy that is at work, in the order in which they are asked."""
    own = config.policies
    return [
        {"policy": name, "from": "file" if name in own else f"preset {config.preset}", **_shown(policy)}
        for name, policy in effective(config).items()
    ]


def lines(table: list[dict[str, Any]]) -> list[str]:
    """The same for people."""
    if not table:
        return ["no policies: everything passes"]
    wide = max(len(row["policy"]) for row in table)
    return [
        f"{row['policy']:<{wide}}  {row['kind']:<13} {row['direction'] or '-':<7} {row['mode']:<8} "
        f"on_error={row['on_error']:<6} {_scope(row)}".rstrip()
        for row in table
    ]


def _shown(policy: PolicyConfig) -> dict[str, Any]:
    return policy.model_dump(
        mode="json", include={"kind", "direction", "mode", "on_error", "routes", "tenants", "sources", "actions"}
    )


def _scope(row: dict[str, Any]) -> str:
    said = [f"{key}={','.join(row[key])}" for key in ("routes", "tenants", "sources") if row[key]]
    said += [f"{category}→{action}" for category, action in row["actions"].items()]
    return " ".join([*said, f"({row['from']})"])
