"""What is asked of observations and levels before anything is computed from them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def vector(values: ArrayLike, name: str, least: int = 2) -> Floats:
    """`values` as (n,) floats. Raises ValueError where they are no vector, too few, or not all finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name}: needs one number per unit, a vector; got {array.ndim} dimensions")
    if len(array) < least:
        raise ValueError(f"{name}: needs at least {least} observations, got {len(array)}; collect more")
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ValueError(
            f"{name}: observation {wrong[0]} is {array[wrong[0]]}; leave out what has no value, on both sides"
        )
    return array


def same_length(**vectors: Floats) -> int:
    """The length that all have. Raises ValueError naming what differs."""
    lengths = {name: len(values) for name, values in vectors.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"needs one value of each per unit: {told}; keep only units that have all")
    return next(iter(lengths.values()))


def level(confidence: float) -> float:
    """`confidence` if it is a share. Raises ValueError, with a word on percents."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: needs a share between 0 and 1, such as 0.95; got {confidence}")
    return confidence


def counts(**given: int) -> None:
    """Raises ValueError for a count below zero or with a fraction."""
    for name, count in given.items():
        if count < 0 or count != int(count):
            raise ValueError(f"{name}: needs a count, 0 or more; got {count}")
