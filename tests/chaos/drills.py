"""Short experiments for tests, and what running one comes to."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from llmctl.chaos.load import Experiment, load_experiment
from llmctl.chaos.outcome import Outcome
from llmctl.chaos.run import run
from llmctl.chaos.settings import overlaid
from llmctl.clock import SystemClock
from llmctl.config.secrets import Environment

TREE: Mapping[str, Any] = {
    "name": "short",
    "description": "A short one.",
    "world": {
        "gateway": {
            "models": {"a": {"provider": "a"}, "b": {"provider": "b"}},
            "routes": {"chain": {"kind": "fixed", "model": "a", "fallbacks": ["b"], "attempt_timeout": 1}},
            "resilience": {"breaker": {"minimum_calls": 5, "window": 5}},
            "guardrails": {"preset": "none"},
            "prices": {"models": {"a": {"input": 1, "output": 2}, "b": {"input": 3, "output": 4}}},
            "budgets": {"limits": {"each": {"usd": 100, "every": "month"}}},
        },
        "providers": {"a": {}, "b": {}},
    },
    "load": {"route": "chain", "rate": 150, "seconds": 0.6},
    "steady_state": {"seconds": 0.1},
    "method": [{"action": "refuse", "provider": "a", "at": 0.1, "for": 0.3}],
}


def written(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """The file of one that has these settings, by dotted names."""
    path = folder / "short.yaml"
    path.write_text(yaml.safe_dump(overlaid(TREE, changes or {})))
    return path


def experiment(folder: Path, changes: Mapping[str, Any] | None = None) -> Experiment:
    """The same, loaded."""
    return load_experiment(written(folder, changes), Environment({}))


def outcome(folder: Path, changes: Mapping[str, Any] | None = None) -> Outcome:
    """What running it comes to."""
    return asyncio.run(run(experiment(folder, changes), SystemClock()))
