"""What a prompt looks like: the numbers about its surface that the complexity model sees beside what it is about."""

from functools import cache
from math import log1p
from typing import Any

import re2

# Of a long text these patterns see both ends; lengths and shares are of the whole.
SEEN = 3_000
PATTERNS = {
    "code": r"(?m)```|\[PYTHON\]|^\s*(?:def|class|import|from|for|if|while|return|public|function|SELECT)\b.*[:;({]"
    r"|</\w+>|\w\(\w*\)",
    "question form": r"(?i)^\W*(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|can|could"
    r"|will|would|should)\b",
    "multi-step verbs": r"(?i)\b(?:prove|derive|deduce|compare|contrast|analy[sz]e|evaluate|design|implement|refactor"
    r"|optimi[sz]e|debug|simplify|calculate|compute|justify|critique|plan|step[ -]by[ -]step|trade-?offs?)\b",
    "lookup verbs": r"(?i)\b(?:define|list|name|translate|spell|summari[sz]e|rewrite|rephrase|convert|capital of"
    r"|synonym|meaning of)\b",
    "options": r"(?m)^\s*\(?[A-D1-4][.):]\s.*\n\s*\(?[B-D2-4][.):]\s",
    "negation": r"(?i)\b(?:not|except|never|least|incorrect|false)\b",
    "statements": r"(?i)\bstatement\b|\bi and ii\b|\ball of the above\b|\bnone of the above\b",
}
NAMES = (
    "length", "lines", "word length", "digits", "math symbols", "code marks", "questions", "other scripts", *PATTERNS,
)  # fmt: skip

_NO_DIGITS = b"0123456789"
_NO_MATHS = b"=+*^\\<>/$%|~"
_NO_CODE = b"{}[]();_#&`"


@cache
def _scan() -> Any:
    options = re2.Options()
    options.max_mem = 64 << 20  # plenty: with too little it may give up on a text, and say that nothing is there
    scan = re2.Set.SearchSet(options)
    for pattern in PATTERNS.values():
        scan.Add(pattern)
    scan.Compile()
    return scan


def surface(text: str) -> list[float]:
    """One number for each of NAMES: logarithms of counts, shares of the bytes, 1.0 where a pattern is found.

    Shares are times 10, so that all numbers are of an order; the model standardises them.
    """
    raw = text.encode("utf-8", "replace")
    size = len(raw) or 1
    words = raw.count(b" ") + raw.count(b"\n") + 1
    values = [
        log1p(len(text)),
        log1p(raw.count(b"\n")),
        min(len(text) / words, 20.0),
        10 * (len(raw) - len(raw.translate(None, _NO_DIGITS))) / size,
        10 * (len(raw) - len(raw.translate(None, _NO_MATHS))) / size,
        10 * (len(raw) - len(raw.translate(None, _NO_CODE))) / size,
        log1p(raw.count(b"?")),
        10 * (len(raw) - len(text)) / size,
        *[0.0] * len(PATTERNS),
    ]
    first = len(values) - len(PATTERNS)
    for found in _scan().Match(raw if size <= SEEN else raw[: SEEN // 2] + b"\n" + raw[-SEEN // 2 :]) or ():
        values[first + found] = 1.0
    return values
