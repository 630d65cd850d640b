"""Whether an experiment could be run: its file is right, and so is the configuration that its gateway is to serve."""

import json
import tempfile
from pathlib import Path

from llmctl.chaos.load import Experiment, load_experiment
from llmctl.chaos.questions import tenant_name
from llmctl.chaos.settings import settings
from llmctl.config.keys import new_key
from llmctl.config.load import load
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.build import check


def checked(path: Path, env: Environment) -> Experiment:
    """The experiment. Raises ConfigError: what is wrong with the gateway's part is said with the keys that it has."""
    experiment = load_experiment(path, env)
    world = experiment.config.world
    bases = dict.fromkeys(experiment.providers, "http://127.0.0.1:9/v1")
    entry = {**new_key()[1], "tenant": tenant_name(0)}
    tree = settings(experiment.tree, bases, world.options, [entry], None)
    with tempfile.TemporaryDirectory(prefix="llmctl-chaos-") as folder:
        file = Path(folder) / "gateway.yaml"
        file.write_text(json.dumps(tree))
        try:
            check(load(file, env))
        except ConfigError as error:
            findings = [f"{path}: world.gateway: {line.removeprefix(f'{file}:1: ')}" for line in error.findings]
            raise ConfigError(findings, [path]) from None
    load_ = experiment.config.load
    if load_.route not in {**tree.get("models", {}), **tree.get("routes", {})}:
        raise ConfigError([f"{path}: load.route: the gateway has no model or route {load_.route!r}"], [path])
    return experiment
