"""Vectors for scorers."""

import asyncio

import pytest

from llmctl.scoring.vectors import Vectors


def test_vectors_are_unit_and_alike_for_what_is_alike() -> None:
    near, same, far = asyncio.run(Vectors().embed(["a red car", "a red automobile", "tax law of France"]))

    def dot(one: object, other: object) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))  # type: ignore[call-overload]

    assert dot(near, near) == pytest.approx(1, abs=1e-5)
    assert dot(near, same) > dot(near, far)
