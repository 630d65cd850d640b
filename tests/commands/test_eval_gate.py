import pytest

from llmctl.commands.eval_gate import check_gate
from llmctl.errors import CheckFailed, UsageError
from llmctl.evals.suite import GateConfig
from tests.evals.made import answers

GOOD, UNSURE, BAD = (answers([1.0] * right + [0.0] * (100 - right)) for right in (97, 85, 40))
CONFIG = GateConfig(least=0.8)


def test_a_pass_is_told_and_returned(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = check_gate({"new": GOOD}, CONFIG)
    assert found.verdict == "pass"
    assert capsys.readouterr().err.startswith("gate: new: pass: score 0.97 (0.95 interval")


def test_a_fail_and_too_few_items_close_it_with_exit_3() -> None:
    with pytest.raises(CheckFailed, match=r"the gate does not hold: old fail$") as failed:
        check_gate({"new": GOOD, "old": BAD}, CONFIG)
    assert failed.value.exit_code == 3
    with pytest.raises(CheckFailed, match="new inconclusive; ask more items, or pass --allow-inconclusive"):
        check_gate({"new": UNSURE}, CONFIG)


def test_inconclusive_may_be_allowed_a_fail_may_not() -> None:
    assert check_gate({"new": UNSURE}, CONFIG, allow_inconclusive=True)[0].verdict == "inconclusive"
    with pytest.raises(CheckFailed):
        check_gate({"new": BAD}, CONFIG, allow_inconclusive=True)


def test_a_suite_without_a_gate_and_a_variant_that_is_not_there_are_refused() -> None:
    with pytest.raises(UsageError, match="the suite has no `gate`"):
        check_gate({"new": GOOD}, None)
    with pytest.raises(UsageError, match=r"gate\.variant: there is no variant 'x'"):
        check_gate({"new": GOOD}, GateConfig(least=0.8, variant="x"))
