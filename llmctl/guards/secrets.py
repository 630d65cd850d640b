"""Keys, tokens, private keys, passwords: by their known form, or as a value that is called one and is hard to guess."""

import base64
import binascii
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal

import msgspec
import re2
from pydantic import Field

from llmctl.guards import secrets_patterns as patterns
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Span, Verdict
from llmctl.guards.redaction import Covered, encodable, numbered

SecretType = Literal["PRIVATE_KEY", "CONNECTION_STRING", "API_KEY", "JWT", "BEARER_TOKEN", "PASSWORD"]
SECRET_TYPES: tuple[SecretType, ...] = SecretType.__args__  # type: ignore[attr-defined]

_THRESHOLDS: dict[Preset, float] = {"strict": 0.5, "balanced": 0.6, "lenient": 0.8}
_PASSWORDS = ("pass", "pwd", "kennwort", "mot de", "contrase")

Place = tuple[int, int, float]


class SecretsOptions(GuardOptions):
    """Which secrets to look for."""

    types: tuple[SecretType, ...] = Field(SECRET_TYPES, description="Types to look for; all by default.")
    allow: frozenset[str] = Field(frozenset(), description="Values never reported, such as keys out of documentation.")


class Secrets:
    """Finds credentials and asks to replace each by its type and a number."""

    Options: ClassVar[type[GuardOptions]] = SecretsOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 256
    cost_us: ClassVar[float] = 10.0

    def __init__(self, options: SecretsOptions) -> None:
        self._threshold = _THRESHOLDS[options.preset]
        self._allow = options.allow
        self._shapes = {
            "PRIVATE_KEY": re2.compile(patterns.PRIVATE_KEY).finditer,
            "CONNECTION_STRING": re2.compile(patterns.CONNECTION).finditer,
            "API_KEY": re2.compile(patterns.API_KEY).finditer,
            "JWT": re2.compile(patterns.JWT).finditer,
            "BEARER_TOKEN": re2.compile(patterns.BEARER).finditer,
        }
        self._assignments = re2.compile(patterns.ASSIGNMENT).finditer
        self._placeholder = re2.compile(patterns.PLACEHOLDER).fullmatch
        self._types = [kind for kind in SECRET_TYPES if kind in options.types]
        triggers = re2.Set.SearchSet()
        for kind in self._types:
            triggers.Add(patterns.TRIGGERS[kind])
        if self._types:
            triggers.Compile()
        self._triggered: Callable[[bytes], list[int]] = triggers.Match if self._types else lambda _: []

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
                if not covered.touches(start, end) and text[start:end] not in self._allow:
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

    def _find(self, kind: str, text: str) -> Iterator[Place]:
        if kind == "PASSWORD":
            yield from self._assigned(text)
            return
        for match in self._shapes[kind](text):
            group = next((n for n in range(1, len(match.groups()) + 1) if match.group(n) is not None), 0)
            value = match.group(group)
            if kind == "PRIVATE_KEY":
                yield match.start(), match.end(), 1.0
            elif kind == "JWT":
                yield match.start(), match.end(), 1.0 if _is_jwt(value) else 0.5
            elif kind == "CONNECTION_STRING" and not self._placeholder(value):
                # The whole of a URL: its user and host are half of the secret.
                whole = match.group(1) is not None
                yield match.start(0 if whole else group), match.end(0 if whole else group), 0.95
            elif kind in ("API_KEY", "BEARER_TOKEN") and _is_varied(value):
                yield match.start(group), match.end(group), 1.0 if kind == "API_KEY" else 0.8

    def _assigned(self, text: str) -> Iterator[Place]:
        """Values called a password or key. Code and prose call things so too: the value must look made up."""
        for match in self._assignments(text):
            start, end = match.span(3)
            if text[max(0, match.start() - 5) : match.start()].lower() == "page_":
                continue  # a cursor
            quoted = text[start] in "\"'`"
            if quoted:
                start, end = start + 1, end - 1
            else:
                end -= len(text[start:end]) - len(text[start:end].rstrip(".!?)]}"))
            value = text[start:end]
            if len(value) < 4 or self._placeholder(value) is not None:
                continue
            password = match.group(1).lower().startswith(_PASSWORDS)
            score = _guessability(value, password=password, quoted=quoted, prose=match.group(2).strip(" :") == "is")
            if score:
                yield start, end, score


def _guessability(value: str, *, password: bool, quoted: bool, prose: bool) -> float:
    """How likely a value is a secret rather than a word or a name: by length, kinds of characters and entropy."""
    kinds = sum((any(map(str.islower, value)), any(map(str.isupper, value)), any(map(str.isdigit, value))))
    symbols = any(not char.isalnum() and char not in "_.- " for char in value)
    if not password:
        varied = any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and " " not in value
        if len(value) >= 16 and varied and entropy(value) >= 3.0:
            return 0.85
        return 0.5 if len(value) >= 12 and varied and entropy(value) >= 2.8 else 0.0
    if value.count(" ") > 3 or len(value) < 6:
        return 0.0
    if any(map(str.isdigit, value)) and kinds + symbols >= 2:
        return 0.8
    if symbols and kinds >= 1 and not value.endswith((":", "(")) and (quoted or not prose):
        return 0.7 if not any(char in value for char in "()[]") else 0.5
    if value.isdigit():
        return 0.7
    return 0.5 if quoted and value.isalnum() else 0.0


def entropy(value: str) -> float:
    """Bits a character, by how often each occurs in `value` (Shannon)."""
    length = len(value)
    return -sum(count / length * math.log2(count / length) for count in Counter(value).values()) if length else 0.0


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
