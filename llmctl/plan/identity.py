"""Which models of two configurations are the same ones, whatever they are called."""

import json
from collections.abc import Mapping

from llmctl.config.load import Loaded
from llmctl.config.secrets import is_secret
from llmctl.gateway.odds import Action

_TUNING = ("timeout", "retries", "connections", "concurrency", "batch")


def renamed(old: Loaded, new: Loaded) -> dict[str, str]:
    """NEW's models by the names under which the records know them.

    One that OLD has not, or has under this name with something else behind it, gets a name that no record has.
    """
    before = {name: _behind(old, name) for name in old.config.models}
    known: dict[str, str] = {}
    for name, behind in before.items():
        known.setdefault(behind, name)
    found = {}
    for name in new.config.models:
        behind = _behind(new, name)
        if before.get(name) == behind:
            found[name] = name
        else:
            found[name] = known.get(behind, f"{name} (new)" if name in before else name)
    return found


def translated(action: Action, names: Mapping[str, str]) -> Action:
    """NEW's action by the records' names."""
    panel, _, model = action.rpartition(">")
    if not panel:
        return names.get(model, model)
    return f"{'+'.join(names.get(one, one) for one in panel.split('+'))}>{names.get(model, model)}"


def _behind(loaded: Loaded, name: str) -> str:
    """What answers under a model's name: the provider's kind and address, and the model's name there."""
    model = loaded.config.models[name]
    provider = loaded.config.providers[model.provider]
    options = {
        key: value
        for key, value in provider.options.items()
        if not is_secret(key, model.provider) and not any(word in key for word in _TUNING)
    }
    return json.dumps([provider.kind, options, model.model or name], sort_keys=True)
