"""A local classifier, on a model of a few bytes that is written here: each word has logits, the highest wins."""

import asyncio
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import InvalidRequest, UpstreamError
from llmctl.guards.asked.onnx import Onnx, OnnxOptions
from llmctl.guards.base import ALLOW, About
from llmctl.net.pool import Pool

WORDS = ["[UNK]", "[CLS]", "[SEP]", "rye", "bread", "bomb", "fool", "broken"]
LOGITS = {"bomb": (-2.0, 3.0, -2.0), "fool": (0.0, -2.0, 0.5), "broken": (float("inf"),) * 3}
HARMLESS = (2.0, -2.0, -2.0)
LABELS = {"0": "fine", "1": "danger", "2": "insult"}


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protobuf message; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto numbers them."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def value(name: str, kind: int, *dims: str | int) -> bytes:
    shape = b"".join(field(1, field(1, dim) if isinstance(dim, int) else field(2, dim)) for dim in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def model(*, inputs: tuple[str, ...] = ("input_ids", "attention_mask"), reduced: bool = True, width: int = 3) -> bytes:
    """Gather each word's logits, and keep the highest of each label."""
    rows = [LOGITS.get(word, HARMLESS)[-width:] for word in WORDS]
    table = b"".join(struct.pack("<f", number) for row in rows for number in row)
    tensor = field(1, len(WORDS)) + field(1, width) + field(2, 1) + field(8, "table") + field(9, table)
    gather = field(1, "table") + field(1, inputs[0]) + field(2, "each" if reduced else "logits") + field(4, "Gather")
    axes = field(1, "axes") + field(8, 1) + field(20, 7)
    keep = field(1, "keepdims") + field(3, 0) + field(20, 2)
    reduce = field(1, "each") + field(2, "logits") + field(4, "ReduceMax") + field(5, axes) + field(5, keep)
    graph = field(1, gather) + (field(1, reduce) if reduced else b"") + field(2, "g") + field(5, tensor)
    graph += b"".join(field(11, value(name, 7, "batch", "words")) for name in inputs)
    graph += field(12, value("logits", 1, "batch", *(() if reduced else ("words",)), width))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def tokenizer() -> str:
    special = [
        {"id": WORDS.index(word), "content": word, "special": True, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False}
        for word in WORDS[:3]
    ]  # fmt: skip
    around = {word: {"id": word, "ids": [WORDS.index(word)], "tokens": [word]} for word in ("[CLS]", "[SEP]")}
    begin, text, end = (
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    )
    post = {"type": "TemplateProcessing", "single": [begin, text, end], "pair": [begin, text, end, text]}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "decoder": None,
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {**post, "special_tokens": around},
        "model": {"type": "WordLevel", "vocab": {word: n for n, word in enumerate(WORDS)}, "unk_token": "[UNK]"},
    })  # fmt: skip


def folder(path: Path, *, config: Any = None, **given: Any) -> Path:
    (path / "model.onnx").write_bytes(model(**given))
    (path / "tokenizer.json").write_text(tokenizer())
    (path / "config.json").write_text(json.dumps({"id2label": LABELS, "hidden": 1} if config is None else config))
    return path


def onnx(path: Path, pool: Pool, **options: Any) -> Onnx:
    return Onnx(OnnxOptions.model_validate({"path": str(path), "bad": ("danger", "insult"), **options}), pool)


async def test_a_bad_label_counts(tmp_path: Path, pool: Pool) -> None:
    guard = onnx(folder(tmp_path), pool)
    verdict = await guard.judge("A BOMB, you say", About())
    assert (verdict.outcome, verdict.category, verdict.reason) == ("block", "danger", "onnx: danger")
    assert verdict.score == pytest.approx(0.727, abs=0.01)
    fine = await guard.judge("rye bread", About())
    assert fine.outcome == "allow"
    assert 0 < fine.score < 0.05
    assert await guard.judge(" ", About()) is ALLOW
    guard.close()
    guard.close()


@pytest.mark.parametrize(
    ("preset", "threshold", "outcome"),
    [("lenient", None, "block"), ("balanced", 0.75, "allow"), ("strict", 0.9, "allow"), ("lenient", 0.1, "block")],
)
async def test_thresholds(tmp_path: Path, pool: Pool, preset: str, threshold: float | None, outcome: str) -> None:
    guard = onnx(folder(tmp_path), pool, preset=preset, threshold=threshold)
    assert (await guard.judge("bomb", About())).outcome == outcome
    guard.close()


async def test_sigmoid_for_models_with_several_labels_at_once(tmp_path: Path, pool: Pool) -> None:
    config = {"id2label": LABELS, "problem_type": "multi_label_classification"}
    guard = onnx(folder(tmp_path, config=config), pool)
    verdict = await guard.judge("fool bomb", About())
    assert verdict.score == pytest.approx(0.953, abs=0.001)
    assert verdict.reason == "onnx: danger, insult"
    guard.close()


async def test_one_output(tmp_path: Path, pool: Pool) -> None:
    guard = onnx(folder(tmp_path, width=1, config={}), pool, bad=("LABEL_0",), action="warn")
    assert (await guard.judge("fool", About())).score == pytest.approx(0.622, abs=0.001)
    assert (await guard.judge("fool", About())).outcome == "warn"
    assert (await guard.judge("bread", About())).outcome == "allow"
    guard.close()


@pytest.mark.parametrize("at", [0, 5, 6, 7, 12, 13, 50, 99])
async def test_a_bad_word_in_any_window_is_found(tmp_path: Path, pool: Pool, at: int) -> None:
    guard = onnx(folder(tmp_path), pool, max_tokens=8, overlap=2)
    words = ["rye"] * 100
    assert (await guard.judge(" ".join(words), About())).outcome == "allow"
    words[at] = "bomb"
    assert (await guard.judge(" ".join(words), About())).outcome == "block"
    pieces = guard._tokenizer.encode(" ".join(words))
    assert max(len(piece.ids) for piece in [pieces, *pieces.overflowing]) == 8
    guard.close()


async def test_too_long_is_an_error(tmp_path: Path, pool: Pool) -> None:
    guard = onnx(folder(tmp_path), pool, max_tokens=8, overlap=0, max_windows=2)
    assert (await guard.judge("rye " * 12, About())).outcome == "allow"
    with pytest.raises(InvalidRequest, match="max_windows"):
        await guard.judge("rye " * 13, About())
    guard.close()


async def test_logits_that_are_no_numbers_never_pass(tmp_path: Path, pool: Pool) -> None:
    guard = onnx(folder(tmp_path), pool)
    with pytest.raises(UpstreamError, match="not finite"):
        await guard.judge("broken", About())
    guard.close()


async def test_many_at_once_and_odd_texts(tmp_path: Path, pool: Pool) -> None:
    guard = onnx(folder(tmp_path), pool, threads=2)
    texts = ["bomb" if n % 3 == 0 else "rye" for n in range(30)]
    verdicts = await asyncio.gather(*(guard.judge(text, About()) for text in texts))
    assert [verdict.outcome == "block" for verdict in verdicts] == [text == "bomb" for text in texts]
    assert (await guard.judge("\ud800 bomb \x00", About())).outcome == "block"
    guard.close()


@pytest.mark.parametrize(
    ("missing", "says"),
    [("model.onnx", "model.onnx is missing"), ("tokenizer.json", "tokenizer.json is missing")],
)
def test_a_file_that_is_missing(tmp_path: Path, pool: Pool, missing: str, says: str) -> None:
    (folder(tmp_path) / missing).unlink()
    with pytest.raises(ValueError, match=says):
        onnx(tmp_path, pool)
    with pytest.raises(ValueError, match="no folder"):
        onnx(tmp_path / "nowhere", pool)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_file_that_is_none(tmp_path: Path, pool: Pool, name: str) -> None:
    (folder(tmp_path) / name).write_bytes(b"\xffnonsense")
    with pytest.raises(ValueError, match=name):
        onnx(tmp_path, pool)


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ({}, {"bad": ("danegr",)}, "no label danegr; it has fine, danger, insult"),
        ({"config": {}}, {}, "it has LABEL_0, LABEL_1, LABEL_2"),
        ({"config": {"id2label": {"0": "a", "1": "danger"}}}, {}, "3 outputs and 2 labels"),
        ({"config": {"id2label": {"0": "a", "2": "b", "3": "c"}}}, {}, "id2label lacks '1'"),
        ({}, {"labels": ("a", "danger")}, "3 outputs and 2 labels"),
        ({"config": {"max_position_embeddings": 16}}, {"max_tokens": 17, "overlap": 2}, "16 tokens"),
        ({"config": {"max_position_embeddings": 18, "model_type": "xlm-roberta"}},
         {"max_tokens": 17, "overlap": 2}, "16 tokens"),
        ({"inputs": ("pixel_values",)}, {}, "pixel_values"),
        ({"reduced": False}, {}, "shape"),
    ],
)  # fmt: skip
def test_models_that_do_not_fit(
    tmp_path: Path, pool: Pool, given: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        onnx(folder(tmp_path, **given), pool, **options)


async def test_labels_of_ones_own_and_the_models_own_length(tmp_path: Path, pool: Pool) -> None:
    config = {"max_position_embeddings": 10}
    guard = onnx(folder(tmp_path, config=config), pool, labels=("a", "danger", "insult"))
    assert len(guard._tokenizer.encode("rye " * 50).ids) == 10
    assert (await guard.judge("rye " * 50 + "bomb", About())).category == "danger"
    guard.close()


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_without_the_extra(tmp_path: Path, pool: Pool, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"pip install 'llmctl\[onnx\]'"):
        onnx(folder(tmp_path), pool)


@pytest.mark.parametrize("options", [{"bad": ()}, {"max_tokens": 8, "overlap": 5}, {"threshold": 0}, {"path": ""}])
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bad|overlap|threshold|path"):
        OnnxOptions.model_validate({"path": "x", "bad": ("y",), **options})
