"""The gateway that runbooks are tried on, and what becomes of its configuration by their edits."""

from typing import Any

from llmctl.config.keys import new_key

REVOKED = "AbCdEfGh1234"
"""The key that cost-anomaly.md ends."""
TRIED = {"kind": "shadow", "name": "trial", "model": "large", "share": 0.01}


def base() -> tuple[str, dict[str, Any]]:
    """A key, and a configuration with everything that runbooks change."""
    key, entry = new_key()
    revoked = {"id": REVOKED, "hash": "0" * 32 + ":" + "0" * 64}
    return key, {
        "providers": {
            "up": {"kind": "scripted", "tokens": 8},
            "down": {"kind": "scripted", "faults": [{"kind": "error"}]},
        },
        "models": {"small": {"provider": "up"}, "large": {"provider": "up"}, "broken": {"provider": "down"}},
        "routes": {"default": {"kind": "weighted", "weights": {"small": 9, "large": 1}, "experiment": TRIED}},
        "resilience": {"retry": {"attempts": 1}},
        "cache": {"dir": "cache", "semantic": {"max_error": 0.02}},
        "budgets": {"dir": "budgets", "limits": {"monthly": {"usd": 500}}},
        "prices": {"models": {"small": {"input": 0.15, "output": 0.6}, "large": {"input": 1, "output": 3}}},
        "keys": [entry, revoked],
        "records": {"dir": "records"},
    }


def merged(tree: Any, change: Any) -> Any:
    """What a person makes of an edit: sections are merged, a kind with its options replaced, keys found by id."""
    if (
        isinstance(tree, list)
        and isinstance(change, list)
        and all(isinstance(one, dict) and "id" in one for one in change)
    ):
        found = {one["id"]: one for one in change}
        return [merged(one, found.get(one["id"], {})) for one in tree]
    if not isinstance(tree, dict) or not isinstance(change, dict):
        return change
    kept = {} if "kind" in change and change["kind"] != tree.get("kind") else tree
    return {**kept, **{name: merged(kept.get(name), value) for name, value in change.items()}}
