"""A local embedder, on a model of a few bytes that is written here: each word has a vector."""

import asyncio
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmctl.clock import SystemClock
from llmctl.embedding.onnx import Onnx, OnnxOptions
from llmctl.errors import Unavailable, UpstreamError
from llmctl.net.pool import Pool
from tests.guards.asked.test_onnx import WORDS, field, tokenizer, value

VECTORS = {"[CLS]": (0, 0, 5), "[SEP]": (0, 0, 1), "rye": (4, 0, 0), "bread": (0, 4, 0), "broken": (float("nan"),) * 3}


def model(*, takes: str = "input_ids", name: str = "last_hidden_state") -> bytes:
    """Gather the vector of each token: (texts, tokens, 3)."""
    table = b"".join(struct.pack("<f", number) for word in WORDS for number in VECTORS.get(word, (1, 1, 0)))
    tensor = field(1, len(WORDS)) + field(1, 3) + field(2, 1) + field(8, "table") + field(9, table)
    gather = field(1, "table") + field(1, takes) + field(2, name) + field(4, "Gather")
    graph = field(1, gather) + field(2, "g") + field(5, tensor)
    graph += b"".join(field(11, value(one, 7, "batch", "words")) for one in (takes, "attention_mask"))
    graph += field(12, value(name, 1, "batch", "words", 3))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def folder(path: Path, **given: Any) -> Path:
    (path / "model.onnx").write_bytes(model(**given))
    (path / "tokenizer.json").write_text(tokenizer())
    return path


def onnx(path: Path, pool: Pool, **options: Any) -> Onnx:
    return Onnx(OnnxOptions.model_validate({"path": str(path), "window": 0, **options}), pool, SystemClock())


async def test_the_mean_of_a_texts_tokens_whatever_is_beside_it_in_the_batch(tmp_path: Path, pool: Pool) -> None:
    made = onnx(folder(tmp_path), pool)
    assert made.size == 3
    await made.start()
    rye, longer = await asyncio.gather(made.vector("rye"), made.vector("rye bread bread bread bread"))
    assert rye.dtype == np.float32
    assert rye == pytest.approx(np.array([4, 0, 6]) / np.sqrt(52))
    assert longer == pytest.approx(np.array([4, 16, 6]) / np.sqrt(308))
    assert (await made.vector("rye") == rye).all()
    await made.close()


async def test_the_first_token(tmp_path: Path, pool: Pool) -> None:
    made = onnx(folder(tmp_path), pool, pooling="cls")
    assert (await made.vector("rye bread")).tolist() == [0, 0, 1]
    await made.close()


async def test_what_the_folder_says_of_pooling_and_length(tmp_path: Path, pool: Pool) -> None:
    folder(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true, "word_dimension": 3}')
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 6}')
    made = onnx(tmp_path, pool)
    assert (await made.vector("rye bread")).tolist() == [0, 0, 1]
    assert len(made._tokenizer.encode("rye " * 50).ids) == 6
    await made.close()
    mean = onnx(tmp_path, pool, pooling="mean")
    assert (await mean.vector("rye bread"))[0] > 0
    await mean.close()


async def test_the_model_of_a_hub_folder_is_found(tmp_path: Path, pool: Pool) -> None:
    (folder(tmp_path) / "onnx").mkdir()
    (tmp_path / "model.onnx").rename(tmp_path / "onnx" / "model.onnx")
    made = onnx(tmp_path, pool)
    assert (await made.vector("rye")).any()
    await made.close()


async def test_texts_without_a_token_and_odd_ones(tmp_path: Path, pool: Pool) -> None:
    made = onnx(folder(tmp_path), pool)
    assert (await made.vector(" \n")).tolist() == [0, 0, 0]
    assert (await made.vector("\u2003")).tolist() == [0, 0, 0]
    assert (await made.vector("\ud800 rye")).any()
    await made.close()


async def test_many_at_once_on_several_threads(tmp_path: Path, pool: Pool) -> None:
    made = onnx(folder(tmp_path), pool, threads=2, batch=3, window="2ms")
    texts = ["rye " * (n % 5 + 1) + "bread" for n in range(40)]
    found = await asyncio.gather(*map(made.vector, texts))
    assert all((one == found[n % 5]).all() for n, one in enumerate(found))
    assert not (found[0] == found[1]).all()
    await made.close()


async def test_numbers_that_are_none_are_an_error(tmp_path: Path, pool: Pool) -> None:
    made = onnx(folder(tmp_path), pool)
    with pytest.raises(UpstreamError, match="not finite"):
        await made.vector("broken")
    assert (await made.vector("rye")).any()
    await made.close()
    await made.close()
    with pytest.raises(Unavailable, match="closed"):
        await made.vector("rye")


async def test_what_makes_other_vectors_has_another_identity(tmp_path: Path, pool: Pool) -> None:
    def identity(**options: Any) -> str:
        return onnx(tmp_path, pool, **options).identity

    folder(tmp_path)
    first = identity()
    assert first == identity(threads=2, window="5ms", pooling="mean")
    others = {first, identity(pooling="cls"), identity(max_tokens=9), identity(prefix="query: ")}
    (tmp_path / "tokenizer.json").write_text(tokenizer() + " ")
    assert len({*others, identity()}) == 5


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_missing(tmp_path: Path, pool: Pool, missing: str) -> None:
    (folder(tmp_path) / missing).unlink()
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        onnx(tmp_path, pool)
    with pytest.raises(ValueError, match="no folder"):
        onnx(tmp_path / "nowhere", pool)


@pytest.mark.parametrize(
    ("files", "given", "options", "says"),
    [
        ({"config.json": {"max_position_embeddings": 8}}, {}, {"max_tokens": 9}, "8 tokens at most"),
        ({"config.json": []}, {}, {}, "as the model's maker wrote it"),
        ({"1_Pooling/config.json": {"pooling_mode_mean_tokens": False}}, {}, {}, "neither mean nor cls"),
        ({}, {"takes": "pixel_values"}, {}, "takes attention_mask, pixel_values; a text embedder takes"),
    ],
)
def test_models_that_do_not_fit(
    tmp_path: Path, pool: Pool, files: dict[str, Any], given: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    (folder(tmp_path, **given) / "1_Pooling").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=says):
        onnx(tmp_path, pool, **options)


def test_a_tokenizer_that_gives_ids_the_model_has_not(tmp_path: Path, pool: Pool) -> None:
    made = json.loads(tokenizer())
    made["model"]["vocab"]["[UNK]"] = 99
    (folder(tmp_path) / "tokenizer.json").write_text(json.dumps(made))
    with pytest.raises(ValueError, match="fails on a short text"):
        onnx(tmp_path, pool)


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_without_the_extra(tmp_path: Path, pool: Pool, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"embedder onnx needs .* run `pip install 'llmctl\[onnx\]'`"):
        onnx(folder(tmp_path), pool)
