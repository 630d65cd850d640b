"""Sessions stay together in a sample."""

from hypothesis import given
from hypothesis import strategies as st

from llmctl.replay.source import chosen, session_of

START = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


def test_turns_of_a_conversation_are_one_session() -> None:
    later = [*START, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "And now?"}]
    assert session_of(START, "a") == session_of(later, "a")
    assert session_of(START, "a") != session_of(START, "b")
    assert session_of(START) != session_of([{"role": "user", "content": "Hello"}])


@given(st.text(), st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_a_smaller_sample_is_within_a_larger(session: str, a: float, b: float, seed: int) -> None:
    small, large = sorted((a, b))
    assert not chosen(session, small, seed) or chosen(session, large, seed)


def test_shares_are_kept() -> None:
    taken = sum(chosen(str(number), 0.3, 1) for number in range(5000))
    assert 1400 < taken < 1600
    assert not any(chosen(str(number), 0.0, 1) for number in range(100))
    assert all(chosen(str(number), 1.0, 1) for number in range(100))
