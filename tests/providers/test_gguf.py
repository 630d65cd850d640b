"""Files are built here byte by byte, after ggml's docs/gguf.md; the packaged model is read in test_local.py."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from llmctl.providers.gguf import Vocabulary, differing, vocabulary

TOKENS = [b"<s>", b"</s>", b"<unk>", b"x", b"y", b"hello", b"world"]


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def key(name: bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def array(kind: int, values: Sequence[bytes]) -> bytes:
    return struct.pack("<IQ", kind, len(values)) + b"".join(values)


def gguf(*keys: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(keys)) + b"".join(keys)


NAME = key(b"tokenizer.ggml.model", 8, text(b"gpt2"))
LIST = key(b"tokenizer.ggml.tokens", 9, array(8, [text(token) for token in TOKENS]))
OTHERS = (
    key(b"general.alignment", 4, struct.pack("<I", 32)),
    key(b"a.flag", 7, b"\x01"),
    key(b"scores", 9, array(6, [struct.pack("<f", 0.5)] * 3)),
    key(b"tokenizer.ggml.merges", 9, array(8, [text(b"h e"), text(b"w o")])),
)


def written(folder: Path, data: bytes) -> Path:
    file = folder / "model.gguf"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("version", [2, 3])
def test_the_vocabulary_is_found_among_other_keys(tmp_path: Path, version: int) -> None:
    file = written(tmp_path, gguf(OTHERS[0], NAME, *OTHERS[1:], LIST, version=version) + b"tensors")
    assert vocabulary(file) == Vocabulary(b"gpt2", TOKENS)


def test_wherever_it_is_cut_it_is_damaged(tmp_path: Path) -> None:
    whole = gguf(*OTHERS, NAME, LIST)
    for end in range(1, len(whole)):
        with pytest.raises(ValueError, match="is damaged, or of a GGUF version"):
            vocabulary(written(tmp_path, whole[:end]))


@pytest.mark.parametrize(
    "data",
    [
        gguf(NAME, LIST, version=1),
        gguf(NAME, key(b"k", 99, b"")),
        gguf(key(b"k", 9, array(9, [array(4, [])]))),
        gguf(key(b"k", 8, struct.pack("<Q", 1 << 63))),
        gguf(key(b"k", 9, struct.pack("<IQ", 12, 1 << 62))),
        b"PK\x03\x04" + bytes(60),
    ],
)
def test_what_is_no_such_file_says_so(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match="is damaged"):
        vocabulary(written(tmp_path, data))


@pytest.mark.parametrize("keys", [(NAME,), (LIST,), OTHERS, (key(b"tokenizer.ggml.model", 4, bytes(4)), LIST)])
def test_a_model_without_a_vocabulary(tmp_path: Path, keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="has no vocabulary"):
        vocabulary(written(tmp_path, gguf(*keys)))


def test_which_vocabularies_fit() -> None:
    model = Vocabulary(b"gpt2", TOKENS)
    assert differing(model, model) is None
    assert differing(model, Vocabulary(b"gpt2", [b"<other>", *TOKENS[1:], b"padding"])) is None
    assert differing(model, Vocabulary(b"llama", TOKENS)) == "its tokenizer is llama, the model's gpt2"
    assert (
        differing(model, Vocabulary(b"gpt2", [*TOKENS[:6], b"w\xff"]))
        == "its token 6 is 'w\ufffd', the model's 'world'"
    )
    more = Vocabulary(b"gpt2", TOKENS + [b"p"] * 129)
    assert differing(model, more) == "it has 136 tokens, the model 7"
