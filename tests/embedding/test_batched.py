import pytest

from llmctl.embedding.batched import BatchedOptions


def test_a_window_is_a_duration() -> None:
    assert BatchedOptions.model_validate({"window": "20ms"}).window == pytest.approx(0.02)
    assert BatchedOptions() == BatchedOptions(window=0.005, batch=32, prefix="")


@pytest.mark.parametrize("given", [{"window": 2}, {"window": -1}, {"batch": 0}, {"windows": 1}])
def test_what_cannot_be(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"window|batch"):
        BatchedOptions.model_validate(given)
