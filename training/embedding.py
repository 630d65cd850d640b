# ruff: noqa: T201 - a script that prints its report
"""Makes the table of the static embedder from WordLlama's weights: python training/embedding.py WHEEL. Two seconds.

WHEEL is wordllama-0.4.0.post1 from PyPI (MIT), any platform's: `pip download --no-deps wordllama==0.4.0.post1`. It is
read as a zip file, never installed or imported. Writes llmctl/embedding/weights; the same bytes from the same wheel.
"""

import json
import struct
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from llmctl.embedding import static  # noqa: E402 - after the path

WEIGHTS = "wordllama/weights/l2_supercat_256.safetensors"
TOKENIZER = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"
LICENCE = "wordllama-0.4.0.post1.dist-info/licenses/LICENSE"
NOTICE = """static.bin and vocabulary.txt are derived from WordLlama 0.4.0.post1, https://github.com/dleemiller/WordLlama:
its 256-dimensional weights l2_supercat_256, rounded to int8 by training/embedding.py, and the vocabulary of their
tokenizer. WordLlama's licence:

"""


def main() -> None:
    """Reads the wheel, rounds, writes, and says how far rounding moved the vectors."""
    with ZipFile(sys.argv[1]) as wheel:
        raw, licence = wheel.read(WEIGHTS), wheel.read(LICENCE).decode()
        vocabulary = json.loads(wheel.read(TOKENIZER))["model"]["vocab"]
    length = struct.unpack_from("<Q", raw)[0]
    shape = json.loads(raw[8 : 8 + length])["embedding.weight"]["shape"]
    full = np.frombuffer(raw, "<f2", offset=8 + length).reshape(shape).astype(np.float32)
    scales = np.maximum(np.abs(full).max(1), 1e-8) / np.float32(127)
    rounded = np.clip(np.rint(full / scales[:, None]), -127, 127).astype(np.int8)
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    assert [vocabulary[word] for word in words] == list(range(shape[0]))
    assert not any("\n" in word for word in words)
    static.FOLDER.mkdir(exist_ok=True)
    (static.FOLDER / "vocabulary.txt").write_text("\n".join(words), encoding="utf-8")
    head = static.MAGIC + struct.pack("<I", shape[0])
    (static.FOLDER / "static.bin").write_bytes(head + scales.astype("<f4").tobytes() + rounded.tobytes())
    (static.FOLDER / "NOTICE").write_text(NOTICE + licence, encoding="utf-8")
    moved = np.linalg.norm(rounded * scales[:, None] - full, axis=1) / np.maximum(np.linalg.norm(full, axis=1), 1e-8)
    print(f"{shape[0]} tokens; relative error of a vector: median {np.median(moved):.2%}, worst {moved.max():.2%}")


if __name__ == "__main__":
    main()
