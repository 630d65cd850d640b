"""LLMLingua-2 (Pan et al. 2024, arXiv 2403.12968): a token classifier says which words of a prompt can go.

The model is the user's own, exported to ONNX: a folder with model.onnx, whose first output is logits of shape (1,
tokens, 2), and tokenizer.json. It does not look at the question. As in the paper, a word's probability is the mean of
its tokens', and words are kept from the most probable down; unlike there, code, JSON, tables and tags stay, and so do
words with digits, negations and what `protect` matches, which are never worth their price.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.compress.extract import Count, estimate
from llmctl.compress.options import LinguaOptions
from llmctl.compress.units import KEPT, blocks
from llmctl.embedding.onnx_session import Purpose, feed, inputs, session, tokenizer
from llmctl.errors import LlmctlError

PURPOSE = Purpose("compress llmlingua", "an LLMLingua-2 token classifier", "the fast tokenizer of an LLMLingua-2 model")

_WORD = re.compile(r"\S+")
_NEEDED = re.compile(r"\d|\b(?:not|no|never|none|nor|neither|without|cannot|except|unless)\b|n['\u2019]t\b", re.I)

Word = tuple[int, int]
"""Where a word starts and ends in the document."""


class Lingua:
    """Drops words until a text is within the options' budget. The model runs on the calling thread, on one core."""

    def __init__(self, options: LinguaOptions, count: Count = estimate) -> None:
        """Loads and tries the model. Raises ValueError on a folder, file or package that is missing or does not fit."""
        self._options, self._count = options, count
        self._protect = options.patterns()
        folder = Path(options.path)
        self._tokenizer = tokenizer(folder, PURPOSE, options.max_tokens)
        self._session = session(folder / "model.onnx", PURPOSE)
        self._inputs = inputs(self._session, folder, "the model takes {}, a token classifier's are due")
        try:
            self._keeps(self._tokenizer.encode("A text to try it with."))
        except Exception as error:
            raise ValueError(f"{folder}: the model fails on a short text ({type(error).__name__}: {error})") from None

    def __call__(self, document: str, query: str) -> str:
        """The document without the words that are worth least. `query` is not looked at. Raises LlmctlError."""
        options = self._options
        budget = options.budget
        before = self._count(document)
        allowed = int(budget * before) if isinstance(budget, float) else budget
        if before <= allowed:
            return document
        words = [match.span() for match in _WORD.finditer(document)]
        try:
            worth = self._worth(document, words)
        except Exception as error:
            raise LlmctlError(f"compress llmlingua: {options.path} failed with {type(error).__name__}") from error
        for at in self._needed(document, words):
            worth[at] = np.inf
        return self._within(document, words, worth, allowed)

    def _within(self, document: str, words: Sequence[Word], worth: NDArray[np.float64], allowed: int) -> str:
        """The text of as many words, by worth, as fit; found by halving, because a text of more words counts more."""
        order = np.argsort(-worth, kind="stable")
        low, high = int(np.isinf(worth).sum()), len(words)
        while low < high:
            middle = (low + high + 1) // 2
            if self._count(_joined(document, words, order[:middle])) <= allowed:
                low = middle
            else:
                high = middle - 1
        return _joined(document, words, order[:low])

    def _worth(self, document: str, words: Sequence[Word]) -> NDArray[np.float64]:
        """Of each word, the mean probability of its tokens."""
        owner = np.full(len(document) + 1, -1, np.int64)
        for at, (start, end) in enumerate(words):
            owner[start:end] = at
        total, tokens = np.zeros(len(words)), np.zeros(len(words))
        whole = self._tokenizer.encode(document)
        for piece in (whole, *whole.overflowing):
            for keep, (start, end), special in zip(
                self._keeps(piece), piece.offsets, piece.special_tokens_mask, strict=True
            ):
                # A token's offsets may begin with the space before it.
                at = -1 if special or end <= start else int(owner[start:end].max())
                if at >= 0:
                    total[at] += keep
                    tokens[at] += 1
        result: NDArray[np.float64] = total / np.maximum(tokens, 1)
        return result

    def _keeps(self, piece: Any) -> NDArray[np.float64]:
        """The probability of each token that it is kept."""
        logits = np.asarray(self._session.run(None, feed(self._inputs, [piece]))[0], dtype=np.float64)
        if logits.shape != (1, len(piece.ids), 2) or not np.isfinite(logits).all():
            raise ValueError(f"logits have shape {logits.shape}, or are not finite; (1, {len(piece.ids)}, 2) is due")
        keep, drop = logits[0, :, self._options.keep_label], logits[0, :, 1 - self._options.keep_label]
        result: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(drop - keep, -50, 50)))
        return result

    def _needed(self, document: str, words: Sequence[Word]) -> list[int]:
        """The words that stay whatever they are worth."""
        whole = [unit for unit in blocks(document) if unit.kind in KEPT or unit.kind == "table"]
        protected = [(unit.start, unit.end) for unit in whole]
        found, at = [], 0
        for place, (start, end) in enumerate(words):
            while at < len(protected) and protected[at][1] <= start:
                at += 1
            word = document[start:end]
            inside = at < len(protected) and protected[at][0] <= start
            if inside or _NEEDED.search(word) or any(one.search(word) for one in self._protect):
                found.append(place)
        return found


def _joined(document: str, words: Sequence[Word], chosen: NDArray[np.int64]) -> str:
    """The chosen words in their order; of the white space between two, the last with a line break, else the first."""
    kept = set(chosen.tolist())
    parts, space = [], document[: words[0][0]] if words else document
    for at, (start, end) in enumerate(words):
        after = document[end : words[at + 1][0] if at + 1 < len(words) else len(document)]
        if at in kept:
            parts += [space, document[start:end]]
            space = after
        elif "\n" in after:
            space = after
    return "".join([*parts, space])
