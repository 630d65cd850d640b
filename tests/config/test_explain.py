import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmctl.config.explain import explain, nearest
from llmctl.config.finding import Mark


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(1, gt=0, description="How large.")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner | None = None
    many: dict[str, Inner] = {}
    listed: list[Inner] = []
    either: int | list[str] = 0
    some: list[str] = Field(["x"], min_length=1)
    several: list[str] = Field(["x", "y"], min_length=2)
    name: str = Field("x", pattern="^x$", description="What it is called.")


def lines(value: dict[str, Any]) -> list[str]:
    marks: dict[tuple[str | int, ...], Mark] = {(): Mark("f", 1), ("p",): Mark("f", 2)}

    def mark(path: tuple[str | int, ...], below: Any) -> None:
        for key, item in below.items() if isinstance(below, dict) else enumerate(below):
            marks[(*path, key)] = Mark("f", len(marks) + 1)
            if isinstance(item, dict | list):
                mark((*path, key), item)

    mark(("p",), value)
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate_json(json.dumps(value), strict=True)
    return [str(finding) for finding in explain(raised.value, marks, ("p",), Outer)]


def test_unknown_keys_are_corrected_at_every_depth() -> None:
    assert lines({"iner": 1}) == ["f:3: p.iner: unknown key; did you mean inner?"]
    assert lines({"inner": {"sise": 1}}) == ["f:4: p.inner.sise: unknown key; did you mean size?"]
    assert lines({"many": {"a": {"sise": 1}}}) == ["f:5: p.many.a.sise: unknown key; did you mean size?"]
    assert lines({"listed": [{"sise": 1}]}) == ["f:5: p.listed[0].sise: unknown key; did you mean size?"]


def test_values() -> None:
    assert lines({"inner": {"size": 0}}) == ["f:4: p.inner.size: must be greater than 0"]
    assert lines({"inner": {"size": None}}) == [
        "f:4: p.inner.size: is empty; write a value or remove the line (How large.)"
    ]
    assert lines({"name": "y"}) == ["f:3: p.name: is not of the form ^x$ (What it is called.)"]
    assert lines({"listed": {}}) == ["f:3: p.listed: write a list, one `- item` a line"]
    assert lines({"some": []}) == ["f:3: p.some: needs at least one entry"]
    assert lines({"several": ["x"]}) == ["f:3: p.several: needs at least 2 entries"]


def test_the_names_of_a_unions_members_are_left_out() -> None:
    assert {line.partition(": ")[2].partition(":")[0] for line in lines({"either": "x"})} == {"p.either"}


def test_values_are_not_repeated() -> None:
    assert "hunter2" not in "".join(
        lines({"inner": "hunter2", "many": "hunter2", "name": "hunter2", "either": "hunter2"})
    )


def test_without_a_model_nothing_is_proposed() -> None:
    with pytest.raises(ValidationError) as raised:
        Inner.model_validate({"sise": 1})
    assert [str(f) for f in explain(raised.value, {(): Mark("f", 1)}, (), None)] == ["f:1: unknown key"]


def test_nearest() -> None:
    assert nearest("prot", ["port", "host"]) == "; did you mean port?"
    assert nearest("zzz", ["port", "host"]) == "; known: host, port"
    assert nearest("zzz", []) == ""
