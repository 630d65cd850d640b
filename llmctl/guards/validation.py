"""Text and requests that no well-meaning client sends: hidden characters, endless repeats, too much.

Characters that are legitimate in their place stay: joiners in Arabic, Indic and emoji sequences, the flags of England,
Scotland and Wales, variation selectors after an ideograph, left-to-right and right-to-left marks.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Preset, Signs, Span, Verdict
from llmctl.model.json import JsonObject

Category = Literal[
    "size", "surrogate", "nul", "control", "bidi", "zero_width", "tag", "selector", "combining", "repetition"
]

# One group per category. Single characters and bounded repeats only, so that a search is linear.
_HIDDEN = re.compile(
    "(?P<keep>\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f)"
    "|(?P<nul>\x00+)"
    "|(?P<control>[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff0-\ufffb\ufffe\uffff\ufdd0-\ufdef]+)"
    "|(?P<surrogate>[\ud800-\udfff]+)"
    "|(?P<bidi>[\u202a-\u202e\u2066-\u206f]+)"
    # Outside Arabic, Indic, Mongolian and emoji, whatever joiners and fillers stand after is hiding something.
    "|(?P<zero_width>[\u00ad\u034f\u115f\u1160\u180e\u200b\u2028\u2029\u2060-\u2065\u3164\ufeff\uffa0]+"
    "|(?<![\u0600-\u109f\u1780-\u18af\u2190-\u2bff\ua840-\uabff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+"
    "|(?<=[\u0600-\u109f\u1780-\u18af\u2190-\u2bff\ua840-\uabff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]{2,})"
    "|(?P<tag>[\U000e0000-\U000e007f]+)"
    "|(?P<selector>[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
    "|(?<![\u3400-\u9fff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef])"
    "|(?P<combining>[\u0300-\u034e\u0350-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{6,})"
)
# Alternatives are slow to search for: one class of every character that they can start with comes first.
_SUSPECTS = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u0300-\u036f\u115f\u1160\u180e\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200d"
    "\u2028-\u202e\u2060-\u206f\u20d0-\u20ff\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001f3f4\U000e0000-\U000e01ef"
)
_SUSPECT = re.compile(f"[{_SUSPECTS}\ud800-\udfff]")
_ASCII_SUSPECT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ASCII_HIDDEN = re.compile("(?P<nul>\x00+)|(?P<control>[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]+)")
_SCORES: dict[Outcome, float] = {"allow": 0.0, "warn": 0.4, "redact": 0.7, "block": 1.0}
_ACTIONS: dict[Preset, dict[Category, Outcome]] = {
    "strict": dict.fromkeys(Category.__args__, "block"),  # type: ignore[attr-defined]
    "balanced": {
        "size": "block", "surrogate": "block", "nul": "redact", "control": "redact", "bidi": "redact",
        "zero_width": "redact", "tag": "block", "selector": "redact", "combining": "warn", "repetition": "block",
    },
    "lenient": {
        "size": "block", "surrogate": "block", "nul": "redact", "control": "redact", "bidi": "redact",
        "zero_width": "warn", "tag": "redact", "selector": "warn", "combining": "allow", "repetition": "warn",
    },
}  # fmt: skip
LONGEST_HOLD = 8_192
"""Characters of a stream that are held back at most."""
_MAX_CHARS: dict[Preset, int] = {"strict": 100_000, "balanced": 400_000, "lenient": 2_000_000}
_MAX_REPEAT: dict[Preset, int] = {"strict": 300, "balanced": 600, "lenient": 2_000}


class RequestLimits(BaseModel):
    """How large a request may be, beside its bytes. Each is the most that is let in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_messages: int = Field(1_000, ge=1, description="Most messages.")
    max_tools: int = Field(256, ge=0, description="Most tools.")
    max_depth: int = Field(48, ge=1, description="Deepest nesting of objects and lists in the request.")
    max_values: int = Field(100_000, ge=1, description="Most values in the request, at all depths.")
    max_images: int = Field(50, ge=0, description="Most images, sounds and files given as base64.")
    max_image_bytes: int = Field(8 * 2**20, ge=0, description="Largest of them, decoded.")
    max_total_bytes: int = Field(32 * 2**20, ge=0, description="All of them together, decoded.")
    max_base64_chars: int = Field(8_192, ge=256, description="Longest run of base64 in a text.")


class Validation:
    """Judges the characters of a text, its length, and whether a piece of it repeats without end."""

    class Options(GuardOptions):
        """`actions` and the limits come from the preset where they are not given."""

        max_chars: int | None = Field(
            None, ge=1, description="Most characters in a text. Default: 100,000, 400,000 or 2,000,000 by preset."
        )
        max_repeat: int | None = Field(
            None, ge=32, description="Most characters that one repeated piece may fill. Default: 300, 600 or 2,000."
        )
        actions: dict[Category, Outcome] = Field(
            {}, description="Outcome by category, where it is to differ from the preset's."
        )
        request: RequestLimits = Field(
            default_factory=RequestLimits, description="How large a request may be, beside its bytes."
        )

    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: int | None = 16  # of an instance: enough to see a repeat that is too long
    cost_us: ClassVar[float] = 6.0

    def __init__(self, options: Options) -> None:
        self.limits = options.request
        self._small = _smallest(options.request)
        self._max_chars = options.max_chars or _MAX_CHARS[options.preset]
        self._max_repeat = options.max_repeat or _MAX_REPEAT[options.preset]
        self._actions: dict[Category, Outcome] = {**_ACTIONS[options.preset], **options.actions}
        if self._actions["repetition"] != "allow":
            self.lookbehind = min(self._max_repeat, LONGEST_HOLD)
        self.signs = Signs((f"[{_SUSPECTS}]",), min(self._max_chars, self._max_repeat - 1))

    def judge(self, text: str, about: About) -> Verdict:
        """The worst of what is found decides; the spans are all that was found."""
        if about.at + len(text) > self._max_chars:
            outcome = self._actions["size"]
            if outcome == "block":
                return Verdict("block", 1.0, f"more than {self._max_chars} characters", "size")
            found: list[tuple[Category, Span | None]] = [("size", None)]
        else:
            found = []
        found += [(cast(Category, span.category), span) for span in hidden(text)]
        if len(text) >= self._max_repeat:
            found += [("repetition", Span(s, e, "repetition", "")) for s, e in repeats(text, self._max_repeat)]
        found = [entry for entry in found if self._actions[entry[0]] != "allow"]
        return self._verdict(found) if found else ALLOW

    def surely_small(self, raw: bytes) -> bool:
        """Whether a request so short and with so few brackets cannot be over any limit: most are, and need no walk.

        Messages and tools are objects, which the dialects see to, so each of them has its bracket.
        """
        size, brackets = self._small
        return len(raw) <= size and raw.count(b"{") + raw.count(b"[") <= brackets

    def unsettled(self, text: str) -> int:
        """Hidden characters at the end, which more of them may join; all that may repeat, where that is redacted."""
        if self._actions["repetition"] == "redact":
            return min(len(text), self._max_repeat, LONGEST_HOLD)
        at, first = len(text), max(0, len(text) - LONGEST_HOLD)
        while at > first and _SUSPECT.match(text, at - 1):
            at -= 1
        return len(text) - at

    def _verdict(self, found: list[tuple[Category, Span | None]]) -> Verdict:
        worst = max(found, key=lambda entry: _SCORES[self._actions[entry[0]]])[0]
        outcome = self._actions[worst]
        counts: dict[str, int] = {}
        for category, _ in found:
            counts[category] = counts.get(category, 0) + 1
        reason = ", ".join(f"{category} ({count})" for category, count in counts.items())
        spans = sorted((span for _, span in found if span is not None), key=lambda span: (span.start, span.end))
        return Verdict(outcome, _SCORES[outcome], reason, worst, tuple(spans))


def hidden(text: str) -> Iterator[Span]:
    """Runs of characters that are not seen or change how others are seen; `replacement` leaves the text readable."""
    suspect, pattern = (_ASCII_SUSPECT, _ASCII_HIDDEN) if text.isascii() else (_SUSPECT, _HIDDEN)
    first = suspect.search(text)
    if first is None:
        return
    for match in pattern.finditer(text, first.start()):
        category = match.lastgroup or ""
        if category != "keep":
            yield Span(match.start(), match.end(), category, "\ufffd" if category == "surrogate" else "")


def repeats(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Where a piece of at most `limit` / 4 characters follows itself over at least `limit` characters.

    Any such stretch covers one whole window of `limit` / 2 at a multiple of it, so few windows need to be looked at.
    """
    half = limit // 2
    at = 0
    while at + half <= len(text):
        window = text[at : at + half]
        period = window.find(window[: half // 2], 1)
        end = at + half
        # A period is at most half / 2 here: the window starts again within its first half.
        if 0 < period <= half // 2 and window[period:] == window[:-period]:
            start = at - _agreeing(text, at, period, -1)
            end = at + period + _agreeing(text, at, period, 1)
            if end - start >= limit:
                yield start, end
        at = max(at + half, end - end % half)


def _agreeing(text: str, at: int, period: int, direction: int) -> int:
    """How many characters from `at` on (or before it) equal those `period` later; in n·log n, by doubling."""
    room = len(text) - period - at if direction > 0 else at

    def equal(low: int, high: int) -> bool:
        start, stop = (at + low, at + high) if direction > 0 else (at - high, at - low)
        return text[start:stop] == text[start + period : stop + period]

    known, step = 0, 64
    while known + step <= room and equal(known, known + step):
        known, step = known + step, step * 2
    while step:
        if known + step <= room and equal(known, known + step):
            known += step
        step //= 2
    return known


_DATA_KEYS = frozenset({"data", "file_data", "b64_json"})
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")


def _smallest(limits: RequestLimits) -> tuple[int, int]:
    """Bytes and brackets with which a request is under all limits."""
    images = limits.max_images * 256 + 255  # what is shorter than 256 characters is none
    size = min(limits.max_base64_chars, limits.max_values, limits.max_image_bytes, limits.max_total_bytes, images)
    return size, min(limits.max_depth, limits.max_messages, limits.max_tools)


def check_request(payload: JsonObject, limits: RequestLimits) -> Verdict:
    """Checks a decoded request as a whole: counts, depth, and what is attached as base64. Does not read the texts."""
    for name, most in (("messages", limits.max_messages), ("tools", limits.max_tools)):
        entries = payload.get(name)
        if isinstance(entries, list) and len(entries) > most:
            return _refused(name, f"more than {most} {name}")
    seen = images = total = 0
    level: list[Any] = [payload]
    for depth in range(limits.max_depth + 1):
        if not level:
            return ALLOW
        if depth == limits.max_depth:
            break
        below: list[Any] = []
        for container in level:
            pairs = container.items() if isinstance(container, dict) else enumerate(container)
            for key, value in pairs:
                seen += 1
                if isinstance(value, str):
                    if len(value) < 256:
                        continue
                    size = _attached(key, value)
                    if size is None:
                        if _base64_run(value, limits.max_base64_chars):
                            return _refused("base64", f"more than {limits.max_base64_chars} characters of base64")
                        continue
                    images, total = images + 1, total + size
                    if size > limits.max_image_bytes:
                        return _refused("image", f"an attachment of more than {limits.max_image_bytes} bytes")
                elif isinstance(value, dict | list):
                    below.append(value)
        level = below
        if seen > limits.max_values:
            return _refused("values", f"more than {limits.max_values} values")
        if images > limits.max_images:
            return _refused("images", f"more than {limits.max_images} attachments")
        if total > limits.max_total_bytes:
            return _refused("image", f"attachments of more than {limits.max_total_bytes} bytes together")
    return _refused("depth", f"nested deeper than {limits.max_depth}")


def _refused(category: str, reason: str) -> Verdict:
    return Verdict("block", 1.0, reason, category)


def _attached(key: object, value: str) -> int | None:
    """Bytes that a base64 attachment decodes to, by its length alone; None where `value` is a text."""
    start = 0
    if value.startswith("data:"):
        start = value.find(";base64,", 0, 256) + len(";base64,")
        if start < len(";base64,"):
            return None
    elif key not in _DATA_KEYS or not _BASE64.fullmatch(value, 0, 256):
        return None
    return (len(value) - start) * 3 // 4 - value.count("=", len(value) - 2)


def _base64_run(text: str, limit: int) -> bool:
    """Whether a run of base64 longer than `limit` covers one of the windows at its multiples."""
    half = limit // 2
    for at in range(0, len(text) - half + 1, half):
        # Prose has a blank in its first words, which ends the match at once.
        if _BASE64.fullmatch(text, at, at + half):
            start = at
            while start and _BASE64.fullmatch(text, max(0, start - 64), start):
                start = max(0, start - 64)
            match = _BASE64.match(text, start)
            if match and match.end() - start > limit:
                return True
    return False
