"""LLMLingua-2's classifier, on a model of a few bytes that is written here: some words are worth more than others."""

import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from llmctl.compress.llmlingua import Lingua
from llmctl.compress.options import LinguaOptions
from llmctl.errors import LlmctlError
from tests.guards.asked.test_onnx import field, value

pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")

WORDS = ["[UNK]", "[CLS]", "[SEP]", "the", "battery", "is", "flat", "very", "broken"]
KEEP = {"battery": 4.0, "flat": 3.0, "is": 0.0, "the": -3.0, "very": -4.0, "broken": float("nan")}


def model(width: int = 2) -> bytes:
    """Gather the logits of each token: (1, tokens, 2)."""
    table = b"".join(struct.pack("<f", number) for word in WORDS for number in (0.0, KEEP.get(word, 1.0))[-width:])
    tensor = field(1, len(WORDS)) + field(1, width) + field(2, 1) + field(8, "table") + field(9, table)
    gather = field(1, "table") + field(1, "input_ids") + field(2, "logits") + field(4, "Gather")
    graph = field(1, gather) + field(2, "g") + field(5, tensor) + field(11, value("input_ids", 7, "batch", "words"))
    graph += field(12, value("logits", 1, "batch", "words", width))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def folder(path: Path, **given: Any) -> Path:
    tokenizers = pytest.importorskip("tokenizers", reason="the onnx extra is not installed")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    made.save(str(path / "tokenizer.json"))
    (path / "model.onnx").write_bytes(model(**given))
    return path


def words_in(text: str) -> int:
    return len(text.split())


def lingua(path: Path, **options: Any) -> Lingua:
    made = LinguaOptions.model_validate({"kind": "llmlingua", "path": str(path), **options})
    return Lingua(made, words_in)


def test_words_that_are_worth_least_go(tmp_path: Path) -> None:
    shorten = lingua(folder(tmp_path), tokens=3)
    assert shorten("The battery is very flat", "why?") == "battery is flat"
    assert shorten("The battery is", "why?") == "The battery is"


def test_long_texts_go_in_several_windows(tmp_path: Path) -> None:
    shorten = lingua(folder(tmp_path), share=0.4, max_tokens=8)
    assert shorten("The battery is very flat " * 30, "") == "battery flat " * 30


def test_what_stays_whatever_it_is_worth(tmp_path: Path) -> None:
    shorten = lingua(folder(tmp_path), tokens=1, protect=["^very$"])
    assert shorten("The battery is not flat in 1999", "") == "not 1999"
    assert shorten("The very battery", "") == "very "
    code = "```\nthe = very(is)\n```"
    assert shorten(f"The battery\n\n{code}\n\nis flat", "").strip() == code
    table = "| the | very |\n| is | the |"
    assert shorten(f"The battery\n\n{table}\n\nis flat", "").strip() == table


def test_lines_stay_apart(tmp_path: Path) -> None:
    shorten = lingua(folder(tmp_path), tokens=2)
    assert shorten("battery the\nvery the\n\nthe flat", "") == "battery\n\nflat"


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    (folder(tmp_path) / missing).unlink()
    with pytest.raises(ValueError, match=missing):
        lingua(tmp_path)


@pytest.mark.parametrize("broken", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_broken_is_named(tmp_path: Path, broken: str) -> None:
    (folder(tmp_path) / broken).write_text("nonsense")
    with pytest.raises(ValueError, match=broken):
        lingua(tmp_path)


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fails on a short text"):
        lingua(folder(tmp_path, width=1))


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"pip install 'llmctl\[onnx\]'"):
        lingua(tmp_path)


def test_a_model_that_fails_later_is_an_error_of_ours(tmp_path: Path) -> None:
    shorten = lingua(folder(tmp_path), tokens=1)
    with pytest.raises(LlmctlError, match="failed"):
        shorten("the broken battery", "")
