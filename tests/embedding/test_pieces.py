import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers

from llmctl.embedding import pieces
from llmctl.embedding.pieces import ASCII_PARTS, PARTS, Pieces
from llmctl.embedding.static import load

VOCABULARY = load().pieces.vocabulary
TEXTS = [
    "Hello, world!",
    "The quick brown fox jumps over 12 lazy dogs.",
    "Find the product of f(x) = 4x - 5 in Z_8[x].",
    "def f(a_b):\n    return [x**2 for x in a_b]",
    "naïve café Größe Übermut",
    "Почему небо голубое?",
    "空はなぜ青いのですか",
    "emoji 🙂 and \u0001 control",
    "antidisestablishment and hypoparathyroidism",
]


def ids(found: bytes) -> list[int]:
    return [int(one) for one in np.frombuffer(found, "<u2")]


def reference() -> Tokenizer:
    """The same vocabulary in Hugging Face's own byte-pair encoding; merges in the order of the vocabulary."""
    merges = []
    for word in sorted((w for w in VOCABULARY if len(w) > 1 and not w.startswith("<")), key=VOCABULARY.__getitem__):
        cuts = [(word[:at], word[at:]) for at in range(1, len(word))]
        merges += [cut for cut in cuts if cut[0] in VOCABULARY and cut[1] in VOCABULARY]
    model = models.BPE(vocab=dict(VOCABULARY), merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return made


def test_ids_are_those_of_the_reference_encoder() -> None:
    other, mine = reference(), Pieces(VOCABULARY)
    for text in TEXTS:
        assert ids(mine.encode(text)) == other.encode(" ".join(text.split())).ids, text


def test_the_memory_changes_nothing() -> None:
    warm = Pieces(VOCABULARY)
    for text in TEXTS:
        warm.encode(text)
    for text in TEXTS:
        assert warm.encode(text) == Pieces(VOCABULARY).encode(text)


def test_the_pattern_for_ascii_cuts_as_the_other() -> None:
    for text in (bytes(range(128)).decode() * 3, *TEXTS[:4]):
        assert ASCII_PARTS.findall(text) == PARTS.findall(text)


def test_long_words_and_long_numbers_are_not_remembered() -> None:
    found = Pieces(VOCABULARY)
    found.encode("short 123 4111111111111111 " + "x" * 40)
    assert set(found) == {" short", " 123"}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_MEMO", 10)
    found = Pieces(VOCABULARY)
    for at in range(100):
        found.encode("zq" + chr(97 + at % 26) + chr(97 + at // 26))
        assert len(found) <= 10


def test_characters_without_a_token_are_bytes() -> None:
    assert ids(Pieces(VOCABULARY).encode("🙂"))[-4:] == [pieces.BYTES_FROM + one for one in "🙂".encode()]


def test_lone_surrogates_are_no_error() -> None:
    assert Pieces(VOCABULARY).encode("a \ud800 b")
