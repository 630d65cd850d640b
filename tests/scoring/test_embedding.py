"""Means much the same."""

import pytest

from llmctl.scoring.base import Tools, Unscorable
from llmctl.scoring.embedding import Embedding, EmbeddingOptions
from tests.scoring.made import scored, tools


def test_near_and_far() -> None:
    near = scored("embedding", "A cat was sitting on the mat.", "The cat sat on the mat.").value
    far = scored("embedding", "Interest rates rose by two percent.", "The cat sat on the mat.").value
    assert far < near < 1
    assert scored("embedding", "the same", "the same").value == pytest.approx(1.0)


def test_what_it_needs() -> None:
    with pytest.raises(ValueError, match="nothing embeds"):
        Embedding(EmbeddingOptions(), Tools(tools().folder, tools().random))
    with pytest.raises(Unscorable):
        scored("embedding", "x")
