"""What one section alone cannot tell: references between sections, and combinations that are not safe.

These read the plain tree and step around wrong shapes, so that they run beside the schema's own findings.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from llmctl.config.explain import nearest
from llmctl.config.finding import KeyPath
from llmctl.config.schema import Config

Complaint = tuple[KeyPath, str]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def cross_check(tree: dict[str, Any]) -> Iterator[Complaint]:
    """Errors between sections, as (path, what to do)."""
    yield from _models(tree)
    yield from _routes(tree)
    yield from _keys(tree)
    host = _mapping(tree, "server").get("host")
    if isinstance(host, str) and not is_loopback(host) and not tree.get("keys"):
        message = "anyone who reaches this address could call; add a key (`llmctl keys new`) or bind 127.0.0.1"
        yield ("server", "host"), message


def typed_check(config: Config) -> Iterator[Complaint]:
    """Errors that need the decoded values."""
    for at, key in enumerate(config.keys):
        if key.expires is not None and key.expires.tzinfo is None:
            yield ("keys", at, "expires"), "say the time zone, as in 2030-01-31T00:00:00Z"


# Of answers served at a static similarity, the share that was wrong: `llmctl cache bench --threshold`, 2026-11-23.
MEASURED = ((0.80, "8.2%", "4.8%"), (0.85, "5.7%", "3.1%"), (0.90, "2.9%", "1.5%"), (0.95, "1.8%", "0.9%"))


def advise(tree: dict[str, Any]) -> Iterator[Complaint]:
    """What works but was probably not meant."""
    yield from _thresholds(tree)
    if _mapping(_mapping(tree, "telemetry"), "otlp").get("content") is True:
        records = _mapping(tree, "records")
        if records.get("content") == "none" or records.get("enabled") is False:
            message = "none is sent: requests and answers are kept only where `records` keeps them"
            yield ("telemetry", "otlp", "content"), message
    models = _mapping(tree, "models").values()
    used = {m.get("provider") for m in models if isinstance(m, dict) and isinstance(m.get("provider"), str)}
    for name in _mapping(tree, "providers"):
        if name not in used:
            yield ("providers", name), "no model uses it; add one under `models`, or remove it"


def _thresholds(tree: dict[str, Any]) -> Iterator[Complaint]:
    cache = _mapping(tree, "cache")
    routes = _mapping(cache, "routes")
    places = [
        (("cache", "semantic"), cache),
        *((("cache", "routes", name, "semantic"), routes[name]) for name in routes),
    ]
    for path, owner in places:
        semantic = _mapping(owner, "semantic") if isinstance(owner, dict) else {}
        threshold = semantic.get("threshold")
        if not isinstance(threshold, float | int):
            continue
        at, banking, clinc = next((row for row in reversed(MEASURED) if threshold >= row[0]), MEASURED[0])
        yield (
            (*path, "threshold"),
            f"a similarity bounds nothing: at {at:g} {banking} of the answers served were wrong on Banking77, {clinc} "
            "on CLINC150, and at 0.95 19% on Quora's question pairs; `max_error` keeps a bound",
        )


def _mapping(tree: dict[str, Any], name: str) -> dict[str, Any]:
    section = tree.get(name)
    return section if isinstance(section, dict) else {}


def _models(tree: dict[str, Any]) -> Iterator[Complaint]:
    providers = _mapping(tree, "providers")
    if not providers:
        return
    for name, model in _mapping(tree, "models").items():
        provider = model.get("provider") if isinstance(model, dict) else None
        if isinstance(provider, str) and provider not in providers:
            message = f"there is no provider {provider}{nearest(provider, list(providers))}"
            yield ("models", name, "provider"), message


def _routes(tree: dict[str, Any]) -> Iterator[Complaint]:
    models = _mapping(tree, "models")
    for name in _mapping(tree, "routes"):
        if name in models:
            yield ("routes", name), "a model has this name too; rename the route, or clients could not tell which"


def _keys(tree: dict[str, Any]) -> Iterator[Complaint]:
    names = [*_mapping(tree, "models"), *_mapping(tree, "routes")]
    keys = tree.get("keys")
    seen: dict[str, int] = {}
    for at, key in enumerate(keys if isinstance(keys, list) else []):
        if not isinstance(key, dict):
            continue
        ident, models = key.get("id"), key.get("models")
        if isinstance(ident, str) and seen.setdefault(ident, at) != at:
            yield ("keys", at, "id"), f"keys[{seen[ident]}] has this id too; make a fresh key with `llmctl keys new`"
        for n, model in enumerate(models if isinstance(models, list) else []):
            if isinstance(model, str) and names and model not in names:
                yield ("keys", at, "models", n), f"there is no model or route {model}{nearest(model, names)}"
