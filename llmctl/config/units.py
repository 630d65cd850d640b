"""Sizes and durations as people write them: `10MiB`, `30s`, `250ms`."""

import re
from typing import Any

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _split(value: str) -> tuple[float, str] | None:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
    return (float(match[1]), match[2].lower()) if match else None


def parse_bytes(value: Any) -> Any:
    """Bytes from `10MiB`, `64kB` or a plain number; other types pass through for pydantic to judge."""
    if not isinstance(value, str):
        return value
    if (parts := _split(value)) is None or parts[1] not in _BYTES:
        raise ValueError("write a size such as 65536, 64KiB or 10MB")
    return int(parts[0] * _BYTES[parts[1]])


def parse_seconds(value: Any) -> Any:
    """Seconds from `250ms`, `30s`, `5m` or a plain number; other types pass through for pydantic to judge."""
    if not isinstance(value, str):
        return value
    if (parts := _split(value)) is None or parts[1] not in _SECONDS:
        raise ValueError("write a duration such as 30, 250ms, 30s or 5m")
    return parts[0] * _SECONDS[parts[1]]
