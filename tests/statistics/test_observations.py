import math

import numpy as np
import pytest

from llmctl.statistics.observations import counts, level, same_length, vector


def test_what_is_given_comes_back_as_floats() -> None:
    assert vector([1, 2], "a").dtype == np.float64
    assert level(0.95) == 0.95
    assert same_length(a=np.zeros(3), b=np.ones(3)) == 3


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"a: needs at least 2 observations, got 1; collect more"):
        vector([1.0], "a")
    with pytest.raises(ValueError, match=r"scores: observation 1 is nan; leave out"):
        vector([1.0, math.nan], "scores")
    with pytest.raises(ValueError, match=r"got 2 dimensions"):
        vector([[1.0]], "a")
    with pytest.raises(ValueError, match=r"such as 0.95; got 95"):
        level(95)
    with pytest.raises(ValueError, match=r"a has 2, b has 3; keep only units that have all"):
        same_length(a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(ValueError, match=r"trials: needs a count"):
        counts(trials=-1)
    with pytest.raises(ValueError, match=r"trials: needs a count"):
        counts(trials=1.5)  # type: ignore[arg-type]
