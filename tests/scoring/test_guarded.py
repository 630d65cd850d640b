"""What a guard thinks of an answer."""

import pytest

from llmctl.scoring.base import Output, Unscorable
from tests.scoring.made import scored


def test_personal_data() -> None:
    assert scored("guard", "All is well.", guard="pii").value == 1
    found = scored("guard", "Write to jane.doe@example.com", guard="pii")
    assert found.value == 0


def test_what_was_blocked_and_what_failed() -> None:
    blocked = Output("", error="guardrail_blocked", guards=("output.pii=block",))
    assert scored("guard", blocked, guard="pii").value == 0
    with pytest.raises(Unscorable, match="no answer"):
        scored("guard", Output("", error="upstream_timeout"), guard="pii")


@pytest.mark.parametrize(("guard", "said"), [("piii", "there is no"), ("injection", "judges requests")])
def test_which_guards(guard: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        scored("guard", "x", guard=guard)
