"""What differs between two configurations in meaning: defaults filled in, units resolved, order and comments aside."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from llmctl.config.finding import KeyPath, dotted
from llmctl.config.schema import Config
from llmctl.config.secrets import is_secret, masked

Change = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One changed value; secrets are masked, so a rotated one shows the same text twice."""

    change: Change
    path: str
    old: Any = None
    new: Any = None


def diff(old: Config, new: Config) -> list[Difference]:
    """Differences in the order of the keys."""
    return list(_values(plain(old), plain(new), (), False))


def plain(config: Config) -> dict[str, Any]:
    """The whole configuration as a plain tree, defaults included. Not masked."""
    return config.model_dump(mode="json")


def _values(old: Any, new: Any, path: KeyPath, secret: bool) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        parent = str(path[-1]) if path else ""
        for key in dict.fromkeys((*old, *new)):
            below, hidden = (*path, key), secret or is_secret(key, parent)
            yield from _entry(old, new, key, below, hidden)
    elif _identified(old) and _identified(new):
        yield from _values({k["id"]: k for k in old}, {k["id"]: k for k in new}, path, secret)
    elif old != new:
        yield Difference("changed", dotted(path), _shown(old, path, secret), _shown(new, path, secret))


def _entry(old: dict[str, Any], new: dict[str, Any], key: str, path: KeyPath, secret: bool) -> Iterator[Difference]:
    if key not in new:
        yield Difference("removed", dotted(path), old=_shown(old[key], path, secret))
    elif key not in old:
        yield Difference("added", dotted(path), new=_shown(new[key], path, secret))
    else:
        yield from _values(old[key], new[key], path, secret)


def _identified(value: Any) -> bool:
    """A list such as `keys`, whose items are the same thing when they have the same id."""
    return isinstance(value, list) and all(isinstance(item, dict) and "id" in item for item in value)


def _shown(value: Any, path: KeyPath, secret: bool) -> Any:
    # Masking looks at names, so the value is shown to it under its own name.
    name = "secret" if secret else str(path[-1])
    return masked({str(path[-2]) if len(path) > 1 else "": {name: value}}).popitem()[1][name]
