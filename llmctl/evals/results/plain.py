"""Foreign text where other programs read it: models and datasets write what they like."""

import dataclasses
import math
from typing import Any

# The last four are the first four in full width, which some spreadsheets read alike.
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: Any) -> Any:
    """What a spreadsheet will not run: a text that it would take for a formula begins with an apostrophe.

    Control characters but line ends are written out; None is empty.
    """
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value)
    return f"'{text}" if value.lstrip(" ").startswith(_RUNS) else text


def printable(text: str) -> str:
    """Control and direction characters but line ends and tabs written out."""
    return "".join(char if char.isprintable() or char in "\n\t" else _written(char) for char in text)


def xml(text: str) -> str:
    """Text for an XML document or attribute. What XML 1.0 has no way to hold is written out."""
    held = "".join(char if _in_xml(char) else _written(char) for char in text)
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;"), ("\n", "&#10;")):
        held = held.replace(char, name)
    return held


def markdown(text: str) -> str:
    """Text for a cell of a Markdown table: no markup, no HTML, one line."""
    held = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    held = held.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_{}[]#!|~$@" else char for char in held)


def json_value(value: Any) -> Any:
    """Dataclasses as objects, and what is not finite as null, which is all that JSON has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: json_value(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): json_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _written(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _in_xml(char: str) -> bool:
    code = ord(char)
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
