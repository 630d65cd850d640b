"""Secrets out of encoded JSON: one RE2 search over the bytes, so that a clean line costs about 2 ns a byte.

Encoded text is searched, not decoded values, so every pattern is written in terms of what JSON makes of a secret.
No pattern can match a structural quote or end within an escape: what is valid JSON stays valid JSON. Secrets are also
found in JSON text within JSON strings, with one ambiguity: backslashes right in front of a secret that begins with an
escaped character are masked with it.
"""

from collections.abc import Iterable

import msgspec
import re2

MASK = b"[redacted]"
SHORTEST = 8
"""Known secrets of fewer characters are left alone: masking them would eat ordinary words."""
MOST = 1000
"""A line with more secrets than this loses its request and response whole, so that nobody can stall the loop."""

_PEM_MARK = r"[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_PATTERNS = (
    r"sk-[A-Za-z0-9]{20,}",  # OpenAI, DeepSeek; the dashed forms follow, long enough to pass over "task-based-…"
    r"sk-(?:ant|proj|svcacct|admin|None|service|or-v1|lf)-[A-Za-z0-9_-]{32,}",
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"gh[opsru]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abceoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}",  # Slack
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}",  # Stripe
    r"(?:hf|gsk|r8|nvapi|pplx|xai|npm)[_-][A-Za-z0-9_]{32,}",  # Hugging Face, Groq, Replicate, NVIDIA, …
    r"llmctl_[A-Za-z0-9]{12}_[A-Za-z0-9_-]{43}",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JWT
    r"(?i:bearer)(?: |\\+t)+(?:[A-Za-z0-9._~+-]|\\*/){16,}=*",
    # No two dashes in a row before the end, or each of many beginnings would be searched up to the end of the line.
    rf"-----BEGIN {_PEM_MARK}(?:[A-Za-z0-9+/=:,. ]-?|\\+[nrt/])*?-----END {_PEM_MARK}",
    rf"-----BEGIN {_PEM_MARK}(?:[A-Za-z0-9+/=]|\\+[nrt/])*",  # cut off before its end
)
# JSON may spell any character as \uXXXX. Nobody needs to for these, so a line that does is first rewritten plainly.
_DISGUISE = r"\\u00(?:2[bBd-fD-F]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
_SHORT_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


class Redactor:
    """Masks provider keys, tokens and private keys by their shape, and `secrets` wherever they stand.

    Secrets shorter than `SHORTEST` are ignored, and so are those that could be JSON punctuation ("1.5,2.5,3.5").
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these too from now on. Nothing is forgotten: a rotated secret may still be under way."""
        self._known |= frozenset(secrets)
        secrets = self._known
        known = sorted({s for s in secrets if len(s) >= SHORTEST and not _is_punctuation(s)}, key=len, reverse=True)
        secret = "|".join(["".join(map(_spellings, s)) for s in known] + list(_PATTERNS))
        options = re2.Options()
        options.never_capture = True
        options.log_errors = False
        self._secret = re2.compile(secret.encode(), options).search
        self._disguise = re2.compile(_DISGUISE, options).search
        self._either = re2.compile(f"{secret}|{_DISGUISE}".encode(), options).search

    def redact(self, line: bytes) -> bytes:
        """`line`, which must be valid JSON, without its secrets; the very same object if it holds none.

        Raises msgspec.DecodeError where a line that needs rewriting is not JSON.
        """
        if self._either(line) is None:
            return line
        if self._disguise(line) is not None:
            line = msgspec.json.encode(msgspec.json.decode(line))
        return self._mask(line, MOST) or self._mask(_without_content(line), len(line)) or line

    def _mask(self, line: bytes, most: int) -> bytes | None:
        """`line` with every secret masked, or None if there are more than `most`."""
        pieces: list[bytes] = []
        kept = at = 0
        while (match := self._secret(line, at)) is not None:
            start, end = match.span()
            if _within_escape(line, start):
                at = start + 1
                continue
            if len(pieces) >= 2 * most:
                return None
            found = line[start:end]
            pieces += line[kept:start], b"1" * len(found) if found.isdigit() else MASK
            kept = at = end
        return b"".join([*pieces, line[kept:]]) if pieces else line


def _is_punctuation(secret: str) -> bool:
    """Whether `secret` could stand in JSON outside of a string, where masking it would break the line."""
    return not secret.isdecimal() and set(secret) <= set("0123456789+-.eE,:[]{}truefalsn ")


def _spellings(char: str) -> str:
    """A pattern for every way in which JSON, also JSON text within JSON strings, may spell `char`."""
    if char.isascii() and (char.isalnum() or char in "-_"):
        return char
    if char == '"':
        plain = r"\\(?:\\\\)*" + char  # an even number of backslashes would leave the quote structural
    elif char == "\\":
        plain = r"(?:\\\\)+"
    elif char in _SHORT_ESCAPES:
        plain = rf"\\+{_SHORT_ESCAPES[char]}"
    else:
        plain = r"\\*/" if char == "/" else re2.escape(char)
    units = char.encode("utf-16-be").hex()
    escaped = "".join(rf"\\+u{units[i : i + 4]}" for i in range(0, len(units), 4))
    return f"(?:{plain}|(?i:{escaped}))"


def _within_escape(line: bytes, at: int) -> bool:
    """Whether `at` is not the start of a character but inside an escape such as backslash-n or \\uXXXX."""
    if _odd_backslashes(line, at):
        return True
    unicode = line.rfind(b"\\u", max(0, at - 5), at)
    return unicode >= 0 and _odd_backslashes(line, unicode + 1)


def _odd_backslashes(line: bytes, end: int) -> bool:
    start = end
    while start and line[start - 1] == 0x5C:
        start -= 1
    return (end - start) % 2 == 1


def _without_content(line: bytes) -> bytes:
    body = msgspec.json.decode(line)
    if isinstance(body, dict):
        body |= {name: MASK.decode() for name in ("request", "response") if name in body}
    return msgspec.json.encode(body)
