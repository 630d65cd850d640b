"""Begins with that."""

from tests.scoring.made import scored


def test_begins() -> None:
    assert scored("starts-with", "  Yes, of course", value="Yes").value == 1
    assert scored("starts-with", "yes", value="Yes").value == 0
    assert scored("starts-with", "yes", value="Yes", ignore_case=True).value == 1
