"""Codes that anyone can read back, in a text: base64, base32, hex, numbers for characters, escapes of URLs and code."""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

import re2

from llmctl.guards.redaction import encodable

_DIGITS = b"0123456789"
_ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CODED = bytes(120 if code in _ALNUM + b"+/_-=" else 32 for code in range(256))
_NUMERIC = bytes(120 if code in b"0123456789abcdefABCDEFxuU+\\%&#;:, \t\n" else 32 for code in range(256))
_RUN, _FIGURES = b"x" * 40, b"x" * 70
_ESCAPES = 8
"""How many signs of an escape make a text worth a look; above, how long a row of what codes are written in."""
_FEWEST_DIGITS = 24
LONGEST = 8_192

_PREFIX = r"(?:0x|\\x|\\u00|&#x?|%|U\+00)?"
_BASE64 = re2.compile(r"(?:[A-Za-z0-9+/_-]{40,}\s{0,2})+[A-Za-z0-9+/_-]*={0,2}")
_HEX = re2.compile(rf"(?:{_PREFIX}[0-9a-fA-F]{{2}}[\s,;:]{{0,2}}){{24,}}")
_DECIMAL = re2.compile(r"(?:(?:&#|\b)[0-9]{2,3}[\s,;]{1,3}){24,}[0-9]{0,3}")
_BINARY = re2.compile(r"(?:[01]{7,8}\s{0,2}){24,}")
_STRIP = re.compile(r"0x|\\x|\\u00|&#x?|%|U\+00|[^0-9a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtbf/\"'\\])")
_OPEN = re2.compile(
    r"(?:(?:[A-Za-z0-9+/_-]{24,}\s{1,2})*[A-Za-z0-9+/_-]{24,}={0,2}(?:\s{1,2}[A-Za-z0-9+/_-]{0,76}={0,2})?"
    rf"|(?:{_PREFIX}[0-9a-fA-F]{{2,3}}[\s,;:]{{0,2}}){{8,}}[0-9a-fA-Fx\\%&#]{{0,4}}|(?:[01]{{7,8}}\s{{0,2}}){{3,}}[01]{{0,7}}"
    r"|[^\s%]*(?:%[0-9A-Fa-f]{2}[^\s%]*){3,}%?[0-9A-Fa-f]?)\z"
)


class Decoded(NamedTuple):
    """What a part of a text says."""

    text: str
    start: int
    end: int


def may_hold_code(text: str) -> bool:
    """Whether anything in it is worth decoding: cheap, and seldom so in an answer."""
    return signs_of(text)[0]


def signs_of(text: str) -> tuple[bool, bool]:
    """Whether anything in it is worth decoding, and whether so many digits stand in it that they may be letters."""
    raw = text.encode("utf-8", "replace")
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    code = (
        _RUN in raw.translate(_CODED)
        or (digits >= _FEWEST_DIGITS and _FIGURES in raw.translate(_NUMERIC))
        or (b"%" in raw and raw.count(b"%") >= _ESCAPES)
        or (b"\\" in raw and raw.count(b"\\") >= _ESCAPES)
        or (b"&" in raw and raw.count(b"&") >= _ESCAPES)
    )
    return code, digits * 10 > len(raw)


def decoded(text: str, depth: int = 2) -> Iterator[Decoded]:
    """Every reading of every part that may be a code, also of a code within one."""
    for one in _readings(text):
        if len(one.text) >= 16:
            yield one
            if depth > 1 and may_hold_code(one.text):
                for inner in decoded(one.text, depth - 1):
                    yield Decoded(inner.text, one.start, one.end)


def begun(text: str) -> int:
    """How many characters at the end may be the first part of a code."""
    held = _OPEN.search(encodable(text[-LONGEST:]))
    return 0 if held is None else held.end() - held.start()


def _readings(text: str) -> Iterator[Decoded]:
    text = encodable(text)
    for match in _BASE64.finditer(text):
        run = "".join(match.group().split()).rstrip("=")
        for offset in range(4):  # a window of a stream may begin anywhere
            yield Decoded(_base64(run[offset:]), *match.span())
        if run.upper() == run:
            yield Decoded(_base32(run), *match.span())
    for match in _HEX.finditer(text):
        figures = _STRIP.sub("", match.group())
        for offset in (0, 1):
            piece = figures[offset : len(figures) - (len(figures) - offset) % 2]
            yield Decoded(bytes.fromhex(piece).decode("utf-8", "ignore"), *match.span())
    for pattern, base in ((_DECIMAL, 10), (_BINARY, 2)):
        for match in pattern.finditer(text):
            codes = re.findall("[01]{7,8}" if base == 2 else "[0-9]{2,3}", match.group())
            yield Decoded("".join(chr(int(code, base)) for code in codes), *match.span())
    if text.count("%") >= _ESCAPES:
        yield Decoded(unquote(text.replace("+", " "), errors="ignore"), 0, len(text))
    if text.count("\\") >= _ESCAPES:
        yield Decoded(_ESCAPE.sub(_character, text), 0, len(text))
    if text.count("&") >= _ESCAPES:
        yield Decoded(html.unescape(text), 0, len(text))


def _character(match: "re.Match[str]") -> str:
    code = match.group(1) or match.group(2)
    return chr(int(code, 16)) if code else " "


def _base64(run: str) -> str:
    try:
        run = run.replace("-", "+").replace("_", "/")
        return base64.b64decode(run[: len(run) - len(run) % 4] or "").decode("utf-8", "ignore")
    except (binascii.Error, ValueError):
        return ""


def _base32(run: str) -> str:
    try:
        return base64.b32decode(run[: len(run) - len(run) % 8]).decode("utf-8", "ignore")
    except (binascii.Error, ValueError):
        return ""
