"""The configuration of a drill's gateway: the user's own, with imitated providers, fresh keys and folders of ours."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Tree = dict[str, Any]
FOLDERS = {
    ("cache",): ("dir", "cache"),
    ("budgets",): ("dir", "budgets"),
    ("batches",): ("dir", "batches"),
    ("alerts",): ("state", "alerts"),
}
LEFT_OUT = ("alerts",)
"""Nobody is to be woken by a drill."""


def settings(
    tree: Mapping[str, Any],
    bases: Mapping[str, str],
    options: Mapping[str, Any],
    keys: list[Tree],
    collector: str | None,
) -> Tree:
    """What is served. `bases` are the imitated providers' base URLs by name, `collector` the address of ours."""
    made: Tree = {name: deepcopy(value) for name, value in tree.items() if name not in LEFT_OUT}
    made.pop("include", None)  # what it named is in the tree already
    made["providers"] = {name: {"kind": "openai", "base_url": base, **options} for name, base in bases.items()}
    made["keys"] = keys
    made["server"] = {**made.get("server", {}), "host": "127.0.0.1", "port": 0, "workers": 1}
    made["records"] = {**made.get("records", {}), "dir": "records"}
    for path, (key, folder) in FOLDERS.items():
        section = made.get(path[0])
        if isinstance(section, dict) and section.get(key, folder) is not None:
            section[key] = folder
    telemetry = {name: value for name, value in made.get("telemetry", {}).items() if name != "otlp"}
    if collector is not None:
        telemetry["otlp"] = {"endpoint": collector, "sample": 1.0, "per_second": 10000, "timeout": 1}
    made["telemetry"] = telemetry
    if "models" not in made:
        made["models"] = {name: {"provider": name} for name in bases}
    return made


def overlaid(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> Tree:
    """The same with some settings changed, by their dotted names."""
    made = deepcopy(dict(tree))
    for name, value in changes.items():
        at = made
        *path, last = name.split(".")
        for part in path:
            at = at.setdefault(part, {})
        at[last] = deepcopy(value)
    return made
