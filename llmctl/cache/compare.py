"""Whether two answers are the same, from the cheapest test to the dearest."""

import unicodedata
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llmctl.cache.evidence import sketch
from llmctl.model.chat import Answer

How = Literal["exact", "normalised", "embedding", "judge", "different"]
Embed = Callable[[str], NDArray[np.float32]]
Judge = Callable[[str, str], bool]


class Compared(Struct, frozen=True):
    """The verdict, and which test gave it. `similarity` where texts were embedded."""

    same: bool
    how: How
    similarity: float | None = None


class Comparer:
    """Two answers are the same if their texts are, or nearly: the tests in order, and the first that says so."""

    def __init__(self, embed: Embed | None = None, threshold: float = 0.95, judge: Judge | None = None) -> None:
        """`threshold` of the cosine. A judge is asked last, about what is not plainly the same."""
        self._embed = embed
        self._threshold = threshold
        self._judge = judge

    def compare(self, one: str, two: str) -> Compared:
        """Compare two texts. Differing numbers or negation are never near enough, however similar the words."""
        if one == two:
            return Compared(True, "exact")
        if normalised(one) == normalised(two):
            return Compared(True, "normalised")
        similarity = None
        if self._embed is not None and one.strip() and two.strip():
            similarity = float(self._embed(one) @ self._embed(two))
            left, right = sketch(one), sketch(two)
            alike = left.numbers == right.numbers and left.negated == right.negated
            if similarity >= self._threshold and alike:
                return Compared(True, "embedding", similarity)
        if self._judge is not None:
            return Compared(self._judge(one, two), "judge", similarity)
        return Compared(False, "different", similarity)


def normalised(text: str) -> str:
    """Case, kinds of characters, white space and marks at either end do not count. Marks within do."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.strip(" .,;:!?\"'`*")


def said(answer: Answer) -> str:
    """What an answer says, to be compared: the first choice's text, refusal and tool calls."""
    if not answer.body.choices:
        return ""
    choice = answer.body.choices[0]
    if choice.message is None:
        return choice.text or ""
    message = choice.message
    parts = [_plain(message.content), message.refusal or ""]
    for call in message.tool_calls or ():
        if call.function:
            parts.append(f"{call.function.name}({call.function.arguments})")
        elif call.custom:
            parts.append(f"{call.custom.name}({call.custom.input})")
    return "\n".join(part for part in parts if part)


def _plain(content: str | list[Any] | None) -> str:
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if isinstance(text, str))
    return content or ""
