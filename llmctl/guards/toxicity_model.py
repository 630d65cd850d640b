"""Hashed words and word pairs, and the linear heads over them. Written by training/toxicity.py."""

from functools import cache
from importlib import resources
from itertools import chain
from math import exp
from typing import Any
from zlib import crc32

WEIGHTS = "weights/toxicity.npz"
BITS = 15
WINDOW = 64  # words judged together: the heads were fitted to short texts
TAIL = 16  # a last window shorter than this joins the one before
IDENTITY = b"\x01"  # stands for every identity term, so that none weighs anything by itself

_GROUPS = """gay gays lesbian lesbians bisexual trans transgender queer lgbt lgbtq homosexual homosexuals straight
heterosexual nonbinary intersex asexual black blacks white whites brown asian asians african africans
american americans european europeans chinese japanese korean koreans vietnamese filipino indian indians
pakistani mexican mexicans latino latina latinos hispanic hispanics arab arabs turkish kurdish russian
russians ukrainian ukrainians polish german germans french italian irish british english jew jews jewish
muslim muslims islam islamic christian christians catholic catholics protestant hindu hindus buddhist
sikh sikhs mormon atheist atheists immigrant immigrants migrant migrants refugee refugees foreigner
foreigners native aboriginal indigenous roma woman women female females girl girls man men male males boy
boys elderly old young disabled blind deaf autistic autism diabetic wheelchair israeli israelis
palestinian palestinians nigerian somali syrian iranian iraqi afghan cuban"""
GROUPS = {group.encode(): IDENTITY for group in _GROUPS.split()}


def tokens(folded: str) -> list[bytes]:
    """The words of a folded text, identity terms as one and the same word."""
    words = folded.encode("utf-8", "replace").split()
    return [GROUPS.get(word, word) for word in words]


def hashes(words: list[bytes]) -> list[int]:
    """A hash for each word and one for each pair of neighbours; the identity word alone gets none but its pairs."""
    alone = list(map(crc32, words))
    return [*alone, *map(crc32, words[1:], alone)]


def windows(count: int) -> list[int]:
    """Where the windows of a text of so many words start."""
    return list(range(0, max(1, count - TAIL + 1), WINDOW))


class Heads:
    """The shipped heads: int8 weights of shape (2**BITS, heads), one scale and one bias a head."""

    def __init__(self) -> None:
        import numpy

        self._numpy: Any = numpy
        with (
            resources.as_file(resources.files("llmctl.guards").joinpath(WEIGHTS)) as path,
            numpy.load(path, allow_pickle=False) as stored,
        ):
            self._weights: Any = stored["weights"]
            self._scale: list[float] = stored["scale"].tolist()
            self._bias: list[float] = stored["bias"].tolist()
            self.lexical: tuple[float, ...] = tuple(stored["lexical"].tolist())
            self.names: tuple[str, ...] = tuple(str(stored["names"]).split(","))
        if self._weights.shape != (1 << BITS, len(self.names)):
            raise ValueError(f"{WEIGHTS} does not fit this version")

    def logits(self, folded: str) -> list[float]:
        """Each head's largest logit over the windows, without the lexical features."""
        words = tokens(folded)
        count = len(words)
        if not count:
            return list(self._bias)
        numpy = self._numpy
        alone = list(map(crc32, words))
        pairs = map(crc32, words[1:], alone)
        at = numpy.fromiter(chain(alone, pairs), numpy.uint32, 2 * count - 1)
        rows = self._weights.take(at & ((1 << BITS) - 1), axis=0)
        if count < WINDOW + TAIL:
            sums = rows.sum(axis=0, dtype=numpy.int32).tolist()
            norm = (2 * count - 1) ** -0.5
            return [b + s * t * norm for b, s, t in zip(self._bias, self._scale, sums, strict=True)]
        return self._windowed(rows, count)

    def _windowed(self, rows: Any, count: int) -> list[float]:
        numpy = self._numpy
        starts = windows(count)
        summed = numpy.add.reduceat(rows[:count], starts, axis=0, dtype=numpy.int32)
        pairs = numpy.add.reduceat(rows[count:], starts, axis=0, dtype=numpy.int32)
        sizes = numpy.diff([*starts, count])
        scores = (summed + pairs) * (2.0 * sizes[:, None] - 1.0) ** -0.5
        tops = scores.max(axis=0).tolist()
        return [b + s * t for b, s, t in zip(self._bias, self._scale, tops, strict=True)]


def squash(logit: float) -> float:
    """The logistic function, for any finite logit."""
    if logit < 0:
        return (power := exp(max(logit, -700.0))) / (1 + power)
    return 1 / (1 + exp(-min(logit, 700.0)))


@cache
def heads() -> Heads:
    """The shipped heads, read once."""
    return Heads()
