import os
import struct
import subprocess
import sys
from pathlib import Path
from time import thread_time

import numpy as np
import pytest

from llmctl.embedding import DIMENSIONS, StaticEmbedder, static

EMBEDDER = StaticEmbedder()


def likeness(one: str, other: str) -> float:
    return float(EMBEDDER.embed(one) @ EMBEDDER.embed(other))


def test_vectors_are_of_unit_length_and_the_same_for_the_same_text() -> None:
    text = "Which planet is the largest? Größe 12, 行星"
    found = EMBEDDER.embed(text)
    assert found.shape == (DIMENSIONS,)
    assert found.dtype == np.float32
    assert float(np.linalg.norm(found)) == pytest.approx(1, abs=1e-5)
    assert (found == StaticEmbedder().embed(text)).all()


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_nothing_is_the_zero_vector(text: str) -> None:
    assert not EMBEDDER.embed(text).any()


def test_white_space_does_not_matter() -> None:
    assert likeness("one two\n\n three", "one  two three") == pytest.approx(1, abs=1e-6)


def test_what_is_about_the_same_is_closer() -> None:
    near = likeness("How do I reset my password?", "I forgot my password, how can I change it?")
    far = likeness("How do I reset my password?", "The harbour freezes in winter.")
    assert near > far + 0.3


def test_words_add_up_to_the_vector() -> None:
    text = "Prove that 17 is prime, naïvely."
    parts, vectors = EMBEDDER.words(text)
    assert parts == ["Prove", "that", "17", "is", "prime", ",", "naïvely", "."]
    np.testing.assert_allclose(vectors.sum(0), EMBEDDER.embed(text), atol=1e-5)


def test_blocks_add_up_as_one_sum() -> None:
    text = " ".join(f"word{at} stone" for at in range(200))
    parts, vectors = EMBEDDER.words(text)
    assert len(parts) > static.BLOCK
    np.testing.assert_allclose(vectors.sum(0), EMBEDDER.embed(text), atol=1e-4)


def test_both_ends_of_a_long_text_count_and_the_middle_does_not() -> None:
    head, tail = "a" * static.HEAD, "b" * static.TAIL
    assert (EMBEDDER.embed(head + "middle " * 500 + tail) == EMBEDDER.embed(f"{head} {tail}")).all()


def test_no_text_takes_long() -> None:
    letters = "qxzjvkwpfhgbmtdclnrsyauoie"
    text = "".join(letters[(at * at + at // 7) % 26] for at in range(1_000_000))
    EMBEDDER.embed("warm")
    started = thread_time()
    EMBEDDER.embed(text)
    assert thread_time() - started < 0.05


def test_a_table_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.txt").write_text("a\nb")
    for raw in (b"", b"LCE1", b"LCE1" + struct.pack("<I", 2) + bytes(10), b"ELSE" + struct.pack("<I", 2) + bytes(520)):
        (tmp_path / "static.bin").write_bytes(raw)
        with pytest.raises(ValueError, match=r"static\.bin is not a table of 2 vectors"):
            StaticEmbedder(tmp_path).load()


def test_a_missing_table_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"vocabulary\.txt"):
        StaticEmbedder(tmp_path).embed("a")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
def test_loading_takes_little_memory() -> None:
    """In a process of its own: NumPy first, then what the embedder adds."""
    code = (
        "import numpy as np, llmctl.embedding as e\n"
        "def mb(): return int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6\n"
        "np.ones((9, 256), 'f4').sum(); before = mb(); e.StaticEmbedder().embed('hello there'); print(mb() - before)"
    )
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True, env=dict(os.environ))
    assert float(run.stdout) < 16
