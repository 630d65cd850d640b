"""Tokens that compression would have saved on recorded prompts."""

from pathlib import Path

import pytest
from msgspec import structs

from llmctl.gateway.asking import Call
from llmctl.model.record import Compression
from tests.plan.recorded import TWO, asked, chats, configured, found, planned

ROWS = "[\n" + ",\n".join(f'    {{"name":   "row {n}",    "value":     {n}}}' for n in range(120)) + "\n]"
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TURNS = [
    {"role": "user", "content": "look it up"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": ROWS},
]
RAILS = "guardrails: {preset: none}\n"
MINIFY = RAILS + "compress: {kind: minify}\n"


def test_what_becomes_shorter(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "old", TWO + RAILS), configured(tmp_path, "new", TWO + MINIFY)
    records = asked(one, [*chats(6, "small"), *[Call({"model": "small", "messages": TURNS})] * 2])
    plan = planned(one, two, records)
    assert found(plan, "prompt differs").estimate == 0.25
    tokens = found(plan, "prompt tokens")
    assert tokens.estimate is not None
    assert tokens.estimate < -50
    (stage,) = (one for one in plan.stages if one.name == "compress")
    assert stage.kinds[0].name == "prompt shorter"


def test_without_it_again(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "old", TWO + MINIFY), configured(tmp_path, "new", TWO + RAILS)
    records = asked(one, [*chats(3, "small"), Call({"model": "small", "messages": TURNS})])
    assert records[3].compression is not None
    saved = records[3].compression.before - records[3].compression.after
    assert found(planned(one, two, records), "prompt tokens").estimate == pytest.approx(saved / 4)


def test_what_was_compressed_cannot_be_compressed_otherwise(tmp_path: Path) -> None:
    one, two = (
        configured(tmp_path, "old", TWO + MINIFY),
        configured(tmp_path, "new", TWO + MINIFY.replace("minify", "minify, min_tokens: 9")),
    )
    records = [structs.replace(one_, compression=Compression(9, 5)) for one_ in asked(one, chats(2, "small"))]
    (stage,) = (one for one in planned(one, two, records).stages if one.name == "compress")
    assert stage.status == "not evaluated"
    assert "OLD had compressed it" in next(iter(stage.left_out))


def test_what_is_left_out(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "old", TWO + RAILS), configured(tmp_path, "new", TWO + MINIFY)
    first, second = asked(one, chats(2, "small"))
    records = [structs.replace(first, request=None), structs.replace(second, decision=None)]
    (stage,) = (one for one in planned(one, two, records).stages if one.name == "compress")
    assert stage.left_out == {"content is not in the record": 1, "no chat that was sent to a model": 1}
