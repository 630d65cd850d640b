"""The environment, and what in a configuration is secret. Nothing else in llmctl reads the environment."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

MASK = "********"

# Shorter ones ("EMPTY", "ollama") are placeholders; redacting them from records would eat ordinary words.
SHORTEST_REDACTED = 8

_SECRET = re.compile(
    r"(?:^|_)(?:api_?keys?|(?:private|access|secret|routing|subscription|signing|service|account)_key|password|passwd"
    r"|passphrase|secrets?|token|bearer|credentials?|authorization|cookie|dsn)$"
)
_SECRET_HEADER = re.compile(r"(?:^|_)(?:auth|key|signature|session)$")
_USERINFO = re.compile(r"(?<=://)[^/?#\s@]+(?:@[^/?#\s@]+)*(?=@)")
_PARAMETER = re.compile(r"(?<=[?&])((?:api[-_]?key|key|token|access_token|sig|signature|secret|password)=)([^&#\s]+)")


class Environment:
    """Environment variables: the process's own, or a mapping in tests."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    @classmethod
    def of_process(cls) -> "Environment":
        """What this process was started with."""
        return cls(os.environ)

    def get(self, name: str) -> str | None:
        """The variable's value, or None if it is not set."""
        return self._variables.get(name)


def is_secret(key: str, parent: str = "") -> bool:
    """Whether what stands under `key` is secret; below `headers` more names are."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_")
    return bool(_SECRET.search(name) or (parent == "headers" and _SECRET_HEADER.search(name)))


def masked(value: Any) -> Any:
    """A copy of a plain tree in which every secret, also inside URLs, is `********`."""
    return _masked(value, "", False)


def mask_text(text: str) -> str:
    """`text` without the credentials of any URL in it."""
    return _PARAMETER.sub(rf"\g<1>{MASK}", _USERINFO.sub(MASK, text))


def secret_values(tree: Any) -> frozenset[str]:
    """The literal secrets in a plain tree, for telemetry to redact."""
    return frozenset(v for v in _secrets(tree, "", False) if len(v) >= SHORTEST_REDACTED)


def _masked(value: Any, parent: str, secret: bool) -> Any:
    if isinstance(value, dict):
        return {k: _masked(v, k, secret or is_secret(k, parent)) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(v, parent, secret) for v in value]
    if secret and value is not None and not isinstance(value, bool):
        return MASK
    return mask_text(value) if isinstance(value, str) else value


def _secrets(value: Any, parent: str, secret: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _secrets(below, key, secret or is_secret(key, parent))
    elif isinstance(value, list):
        for below in value:
            yield from _secrets(below, parent, secret)
    elif secret and value is not None and not isinstance(value, bool):
        yield str(value)
        scheme, _, credential = str(value).partition(" ")
        if scheme.lower() in ("bearer", "basic", "token"):
            yield credential.strip()
    elif isinstance(value, str):
        for userinfo in _USERINFO.findall(value):
            yield userinfo
            yield userinfo.partition(":")[2]
        yield from (match[1] for match in _PARAMETER.findall(value))
