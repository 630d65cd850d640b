"""JSON as it travels: the alias for decoded objects, and the one encoder."""

from typing import Any

import msgspec

JsonObject = dict[str, Any]

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for text that is not JSON, not UTF-8, not of the type asked for, or nested too deeply."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def compact(raw: bytes) -> bytes:
    """`raw`, which must be valid JSON, on one line, so that it fits a JSON-lines record."""
    return msgspec.json.format(raw, indent=-1) if b"\n" in raw or b"\r" in raw else raw
