"""What can be known of whether a cached answer fits a new request, before anybody has looked at an answer."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

NEAREST = 8
AGREEING = 6
SHARPNESS = 12.0  # of the vote: a neighbour 0.06 less similar counts half

FEATURES = (
    "one", "similarity", "margin", "vote", "agreement", "density", "numbers", "negation", "names", "words", "size",
    "similarity²", "length",
)  # fmt: skip

_WORDS = re.compile(r"[^\W\d_]+|\d+(?:[.,:]\d+)*")
_NEGATIONS = frozenset(
    {
        "no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "cannot", "without", "unable",
        "cant", "dont", "isnt", "wont", "doesnt", "didnt", "hasnt", "havent", "wasnt", "werent", "shouldnt",
        "couldnt", "wouldnt",
        "arent", "hadnt", "mustnt", "neednt",
        "nicht", "kein", "keine", "nie", "ohne", "ne", "pas", "jamais", "sans", "nunca",
        "sin", "nao", "não",
    }
)  # fmt: skip
_FILLERS = frozenset(
    {
        "a", "an", "the", "i", "you", "he", "she", "it", "we", "they", "me", "my", "your", "his", "her", "its",
        "our", "their", "is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "have", "has",
        "had", "can", "could", "will", "would", "should", "may", "might", "to", "of", "in", "on", "at", "for",
        "with", "from", "by", "and", "or", "if", "that", "this", "these", "those", "what", "how", "when",
        "where", "who", "which", "why", "please", "there", "so", "as", "but", "about", "any", "some", "just",
        "get", "need", "want",
    }
)  # fmt: skip


class Sketch(NamedTuple):
    """What of a text is compared: its numbers, whether it negates, its names and its words that say something."""

    numbers: frozenset[str]
    negated: bool
    names: frozenset[str]
    words: frozenset[str]


class Neighbour(NamedTuple):
    """A cached answer near the request. `group`: those of one group give the same answer. `text` is its request's."""

    entry: int
    similarity: float
    group: int
    text: str


def sketch(text: str) -> Sketch:
    """The sketch of a text; of the first 2,000 characters, which bounds its cost. Negations are of five languages."""
    found = _WORDS.findall(text[:2000].replace("\u2019", "").replace("'", ""))
    folded = [word.lower() for word in found]
    words = set(folded)
    negations = 0 if words.isdisjoint(_NEGATIONS) else sum([word in _NEGATIONS for word in folded])
    numbers = frozenset([word for word in words if word[0].isdigit()])
    names = frozenset([word.lower() for word in found[1:] if word[0].isupper() and len(word) > 1])
    return Sketch(numbers, negations % 2 == 1, names, frozenset(words - _FILLERS - numbers))


def features(text: str, neighbours: Sequence[Neighbour], size: int) -> list[float]:
    """FEATURES for serving the first of `neighbours` (nearest first, at least one); `size` answers are to choose from.

    Margin: how much farther the nearest different answer is. Vote: the share of the nearest that give this answer, by
    similarity. Agreement: that of the six nearest.
    """
    first = neighbours[0]
    near = [one.similarity for one in neighbours]
    same = [one.group == first.group for one in neighbours]
    other = next((value for value, agrees in zip(near, same, strict=True) if not agrees), near[-1])
    kernel = [math.exp((value - near[0]) * SHARPNESS) for value in near]
    vote = sum(weight for weight, agrees in zip(kernel, same, strict=True) if agrees) / sum(kernel)
    six = near[:AGREEING]
    asked, cached = sketch(text), sketch(first.text)
    union = len(asked.words | cached.words)
    return [
        1.0,
        near[0],
        near[0] - other,
        vote,
        sum(same[:AGREEING]) / len(six),
        sum(six) / len(six),
        float(asked.numbers != cached.numbers),
        float(asked.negated != cached.negated),
        float(asked.names != cached.names),
        len(asked.words & cached.words) / union if union else 1.0,
        math.log(size),
        near[0] * near[0],
        math.sqrt(len(asked.words)),
    ]
