"""Keys, tokens, private keys, passwords: by their known form, or as a value that is called one and is hard to guess."""

import base64
import binascii
from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec
import re2
from pydantic import Field

from llmctl.guards import secrets_patterns as patterns
from llmctl.guards import secrets_words as words
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Signs, Span, Verdict
from llmctl.guards.redaction import Covered, encodable, numbered
from llmctl.guards.scan import any_of
from llmctl.guards.secrets_passwords import Passwords, Place, bare

SecretType = Literal["PRIVATE_KEY", "CONNECTION_STRING", "API_KEY", "JWT", "BEARER_TOKEN", "PASSWORD"]
SECRET_TYPES: tuple[SecretType, ...] = SecretType.__args__  # type: ignore[attr-defined]

LONGEST_HOLD = 8_192
"""Characters of a stream that are held back at most, whatever they may become."""
_THRESHOLDS: dict[Preset, float] = {"strict": 0.5, "balanced": 0.6, "lenient": 0.8}


class SecretsOptions(GuardOptions):
    """Which secrets to look for."""

    types: tuple[SecretType, ...] = Field(SECRET_TYPES, description="Types to look for; all by default.")
    allow: frozenset[str] = Field(frozenset(), description="Values never reported, such as keys out of documentation.")
    threshold: float | None = Field(
        None, ge=0, le=1, description="Score from which a value is redacted. Default: 0.5, 0.6 or 0.8 by preset."
    )


class Secrets:
    """Finds credentials and asks to replace each by its type and a number."""

    Options: ClassVar[type[GuardOptions]] = SecretsOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 256
    cost_us: ClassVar[float] = 10.0

    def __init__(self, options: SecretsOptions) -> None:
        self._threshold = _THRESHOLDS[options.preset] if options.threshold is None else options.threshold
        self._allow = options.allow
        self._shapes = {
            "PRIVATE_KEY": re2.compile(patterns.PRIVATE_KEY).finditer,
            "CONNECTION_STRING": re2.compile(patterns.CONNECTION).finditer,
            "API_KEY": re2.compile(patterns.API_KEY).finditer,
            "JWT": re2.compile(patterns.JWT).finditer,
            "BEARER_TOKEN": re2.compile(patterns.BEARER).finditer,
        }
        self._passwords = Passwords()
        self._placeholder = re2.compile(words.PLACEHOLDER).fullmatch
        self._types = [kind for kind in SECRET_TYPES if kind in options.types]
        self.signs = Signs(tuple(patterns.TRIGGERS[kind] for kind in self._types))
        self._open = re2.compile(patterns.UNSETTLED).search
        self._triggered = any_of(self.signs.patterns)

    def judge(self, text: str, about: About) -> Verdict:
        """`redact` with a span for each secret; the score is that of the most certain one."""
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            return self.judge(encodable(text), about)
        hits = self._triggered(raw)
        if not hits:
            return ALLOW
        found: list[tuple[Span, float]] = []
        covered = Covered(text)
        for kind in (self._types[hit] for hit in sorted(hits)):
            for start, end, score in self._find(kind, text):
                if not covered.contains(start, end) and text[start:end] not in self._allow:
                    covered.add(start, end)
                    found.append((Span(start, end, kind), score))
        if not found:
            return ALLOW
        worst, score = max(found, key=lambda one: one[1])
        certain = [span for span, sure in found if sure >= self._threshold]
        if not certain:
            return Verdict("allow", score, f"{worst.category} is possible", worst.category)
        reason = ", ".join(sorted({span.category for span in certain}))
        return Verdict("redact", score, f"found {reason}", worst.category, numbered(text, certain))

    def unsettled(self, text: str) -> int:
        """The last word; of a value given to a name all of it, of a private key all since its first line."""
        if not self._types:
            return 0
        text = encodable(text)
        held = self._open(text)
        length = self._passwords.begun(text[-LONGEST_HOLD:]) if "PASSWORD" in self._types else 0
        return min(LONGEST_HOLD, max(length, 0 if held is None else len(text) - held.start()))

    def _find(self, kind: str, text: str) -> Iterator[Place]:
        if kind == "PASSWORD":
            yield from self._passwords.find(text)
            return
        for match in self._shapes[kind](text):
            group = next((n for n in range(1, len(match.groups()) + 1) if match.group(n) is not None), 0)
            value = match.group(group)
            if kind == "PRIVATE_KEY":
                if value[0] == "P" and len(value) > LONGEST_HOLD:
                    continue  # two mentions of PuTTY's format, far apart
                yield match.start(), match.end(), 1.0
            elif kind == "JWT":
                yield match.start(), match.end(), 1.0 if _is_jwt(value) else 0.5
            elif kind == "CONNECTION_STRING" and not self._placeholder(value):
                # The whole of a URL: its user and host are half of the secret.
                whole = match.group(1) is not None
                yield match.start(0 if whole else group), match.end(0 if whole else group), 0.95
            elif kind in ("API_KEY", "BEARER_TOKEN") and _is_varied(value):
                end = match.start(group) + len(bare(value)) if kind == "BEARER_TOKEN" else match.end(group)
                yield match.start(group), end, 1.0 if kind == "API_KEY" else 0.8


def _is_varied(key: str) -> bool:
    """Whether a key is more than its prefix and rows of x, as documentation writes it."""
    return len(set(key[-16:])) >= 6


def _is_jwt(token: str) -> bool:
    """Whether the first part is a JOSE header."""
    head = token.partition(".")[0]
    try:
        header = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return False
    return isinstance(header, dict) and ("alg" in header or "enc" in header)
