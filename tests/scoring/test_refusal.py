"""Declines to answer."""

import pytest

from llmctl.scoring.base import Output, Unscorable
from tests.scoring.made import graded, scored


def test_declines() -> None:
    assert scored("refusal", "I'm sorry, but I can't help with that.").value == 1
    assert scored("refusal", "Sure: the capital is Paris.").value == 0
    assert scored("refusal", "").value == 0
    assert scored("refusal", Output("", refusal="No.")).value == 1
    assert graded([{"kind": "not-refusal"}], "Sure.").passed is True


def test_blocked_is_declined_and_failed_is_neither() -> None:
    assert scored("refusal", Output("", error="guardrail_blocked", guards=("input.injection=block",))).value == 1
    with pytest.raises(Unscorable):
        scored("refusal", Output("", error="upstream_timeout", guards=("input.pii=redact",)))
    with pytest.raises(Unscorable):
        scored("refusal", Output("", error="upstream_timeout"))
