"""From an experiment's path to a checked experiment: every mistake at once, `file:line: key: what to do`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmctl.chaos.experiment import ActionConfig, ExperimentConfig
from llmctl.config.document import read_document
from llmctl.config.explain import explain, nearest
from llmctl.config.finding import Finding, KeyPath, nearest_mark, ordered
from llmctl.config.load import load
from llmctl.config.resolve import Resolved
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError

ABSENT = "configs/chaos/provider-down.yaml is one to copy"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked experiment. `tree` is the gateway's configuration as it was given, `document` the file's own values."""

    path: Path
    config: ExperimentConfig
    tree: Mapping[str, Any] = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    @property
    def providers(self) -> list[str]:
        """Names of the imitated providers: all that the gateway's configuration has."""
        return list(self.tree.get("providers") or {}) or list(self.config.world.providers)


def load_experiment(path: Path, env: Environment) -> Experiment:
    """Read and check. Raises ConfigError with every finding at once."""
    resolved = read_document(path, env, ABSENT)
    try:
        config = ExperimentConfig.model_validate_json(json.dumps(resolved.tree), strict=True)
    except ValidationError as error:
        found = explain(error, resolved.marks, (), ExperimentConfig)
        raise ConfigError(ordered([*resolved.findings, *found]), [path]) from None
    tree = config.world.gateway or {}
    if config.world.config is not None:
        tree = load(path.parent / config.world.config, env).tree
    experiment = Experiment(path, config, tree, resolved.tree)
    if findings := [*resolved.findings, *_crossed(experiment, resolved)]:
        raise ConfigError(ordered(findings), [path])
    return experiment


def _crossed(experiment: Experiment, resolved: Resolved) -> list[Finding]:
    """What pydantic cannot see."""
    config, found = experiment.config, []

    def add(at: KeyPath, message: str) -> None:
        found.append(Finding(nearest_mark(resolved.marks, at), at, message))

    known = experiment.providers
    if not known:
        add(("world", "providers"), "give one at least: who answers")
    for name in config.world.providers:
        if name not in known:
            add(("world", "providers", name), f"the gateway has no such provider{nearest(name, known)}")
    actions: Sequence[tuple[KeyPath, ActionConfig]] = [
        *((("method", at), step) for at, step in enumerate(config.method)),
        *((("rollback", at), step) for at, step in enumerate(config.rollback)),
    ]
    for place, step in actions:
        if step.provider is not None and step.provider not in known:
            hint = nearest(step.provider, known)
            add((*place, "provider"), f"there is no provider {step.provider!r}{hint}")
        if step.action == "collector" and not config.world.collector:
            add(place, "there is no collector; write `collector: true` under `world`")
    for at, one in enumerate(config.method):
        if one.at >= config.load.seconds:
            add(("method", at, "at"), f"the load is over after {config.load.seconds:g} s; begin before")
    return found
