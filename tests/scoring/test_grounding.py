"""Rests on the context."""

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored

CONTEXT = ["The bridge was built in 1932 and is 503 metres long."]


def test_support() -> None:
    good = scored("grounding", "The bridge was built in 1932.", context=CONTEXT).value
    bad = scored("grounding", "The tunnel opened in 1987 with a length of 9 kilometres.", context=CONTEXT).value
    assert bad < 0.5 < good


def test_without_context() -> None:
    with pytest.raises(Unscorable, match="context"):
        scored("grounding", "The bridge was built in 1932.")
