"""How far four bytes a token are from OpenAI's own tokenizer, and what counting costs.

`python bench/tokens.py [DATA]`: reads the public texts of ../shared/data; needs `pip install 'llmctl[tokens]'`.
"""

import gzip
import json
import sys
from pathlib import Path
from statistics import fmean
from time import perf_counter

from bpe_openai import get_encoding

from llmctl.gateway.tally import BYTES_PER_TOKEN
from llmctl.gateway.tokens import LONGEST, counted

OUTPUTS = "routing/zeroeval_outputs"
KINDS = (
    ("answers of gpt-4o", f"{OUTPUTS}/gpt-4o-2024-08-06.jsonl.gz", "output", "o200k_base"),
    ("answers of gpt-4o-mini", f"{OUTPUTS}/gpt-4o-mini-2024-07-18.jsonl.gz", "output", "o200k_base"),
    ("answers of gpt-3.5-turbo", f"{OUTPUTS}/gpt-3.5-turbo-0125.jsonl.gz", "output", "cl100k_base"),
    ("ZeroEval prompts", "routing/zeroeval_prompts.jsonl.gz", "prompt", "o200k_base"),
    ("multilingual prompts", "injection/cyberseceval.jsonl", "text", "o200k_base"),
)


def texts(path: Path, key: str) -> list[str]:
    """One text a line; of several answers the first."""
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    found = [json.loads(line)[key] for line in lines]
    return [text if isinstance(text, str) else text[0] for text in found]


def main() -> None:
    """Print one row for each kind of text, and the time."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    if not data.is_dir():
        sys.exit(f"{data}: no such folder")
    for title, name, key, vocabulary in KINDS:
        encode = get_encoding(vocabulary).encode_ordinary
        said = texts(data / name, key)
        pairs = [(len(encode(text)), -(-len(text.encode()) // BYTES_PER_TOKEN)) for text in said if text]
        each = fmean(abs(bytes_ - tokens) / tokens for tokens, bytes_ in pairs)
        whole = sum(b for _, b in pairs) / sum(t for t, _ in pairs) - 1
        print(f"| {title} | {len(pairs):,} | {each:.1%} | {whole:+.1%} |")
    encode, said = get_encoding("o200k_base").encode_ordinary, texts(data / KINDS[0][1], KINDS[0][2])
    start = perf_counter()
    tokens = sum(len(encode(text)) for text in said)
    spent = perf_counter() - start
    print(f"{spent / sum(map(len, said)) * 1e9:.0f} us for 1,000 characters ({tokens:,} tokens)")
    joined = "".join(said)[:400_000]
    whole, start = len(encode(joined)), perf_counter()
    sampled = counted(lambda text: len(encode(text)), [joined])
    took = (perf_counter() - start) * 1000
    print(f"{len(joined):,} characters by samples of {LONGEST:,}: {sampled / whole - 1:+.1%} in {took:.1f} ms")


if __name__ == "__main__":
    main()
