"""Public traces of arrivals and lengths; what was said is not in them, so prompts of those lengths are made up.

Azure: https://github.com/Azure/AzurePublicDataset (timestamp, context_tokens, generated_tokens).
Mooncake: https://github.com/kvcache-ai/Mooncake (timestamp in ms, input_length, output_length, hash_ids of blocks).
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from llmctl.errors import UsageError
from llmctl.gateway.asking import Call
from llmctl.model.usage import Usage
from llmctl.replay.source import Before, Entry
from llmctl.telemetry.rows import json_rows

BLOCK = 512
BYTES_PER_TOKEN = 4
MOST_TOKENS = 200_000
_WORDS = (
    "river", "was", "cold", "clear", "morning", "came", "over", "green", "hills", "while", "small", "boats",
    "moved", "slowly", "past", "stone", "houses", "people", "cooked", "fish", "bread", "soup", "for", "friends",
    "from", "other", "towns", "who", "walked", "along", "narrow", "roads", "with", "heavy", "bags", "of", "apples",
    "corn", "paper", "books", "after", "rain", "stopped", "warm", "light", "fell", "through", "tall", "trees",
    "near", "gardens", "bridges", "fields", "barns",
)  # fmt: skip


def azure(path: Path, model: str | None) -> Iterator[Entry]:
    """Azure's LLM inference traces, as JSON lines. Raises UsageError."""
    asked, first = _model(path, model), None
    for number, (where, row) in enumerate(json_rows(path)):
        try:
            at = datetime.fromisoformat(str(row["timestamp"])[:26]).timestamp()
            tokens, answered = int(row["context_tokens"]), int(row["generated_tokens"])
        except (KeyError, ValueError) as error:
            raise UsageError(f"{where}: is no row of Azure's trace: {error}") from None
        first = at if first is None else first
        yield _entry(f"azure-{number}", max(0.0, at - first), _text(tokens, number, where), tokens, answered, asked)


def mooncake(path: Path, model: str | None) -> Iterator[Entry]:
    """Mooncake's traces: requests that shared blocks then share text now. Raises UsageError."""
    asked = _model(path, model)
    for number, (where, row) in enumerate(json_rows(path)):
        try:
            at, tokens, answered = float(row["timestamp"]) / 1e3, int(row["input_length"]), int(row["output_length"])
            blocks = [int(one) for one in row["hash_ids"]]
        except (KeyError, ValueError, TypeError) as error:
            raise UsageError(f"{where}: is no row of Mooncake's trace: {error}") from None
        _checked(tokens, where)
        text = "".join(_block(one) for one in blocks)[: tokens * BYTES_PER_TOKEN]
        session = str(blocks[0]) if blocks else str(number)
        yield _entry(f"mooncake-{number}", at, text, tokens, answered, asked, session)


def _model(path: Path, model: str | None) -> str:
    if model is None:
        raise UsageError(f"{path}: names no model; --model says whom to ask")
    return model


def _checked(tokens: int, where: str) -> None:
    if not 0 <= tokens <= MOST_TOKENS:
        raise UsageError(f"{where}: a prompt of {tokens:,} tokens; at most {MOST_TOKENS:,} can be made up")


def _text(tokens: int, seed: int, where: str) -> str:
    _checked(tokens, where)
    return "".join(_block(-1 - (seed * 4096 + at)) for at in range(-(-tokens // BLOCK)))[: tokens * BYTES_PER_TOKEN]


@lru_cache(maxsize=512)
def _block(seed: int) -> str:
    random, pieces, length = Random(seed), list[str](), 0
    while length < BLOCK * BYTES_PER_TOKEN:
        sentence = " ".join(random.choices(_WORDS, k=random.randrange(6, 14))).capitalize() + ". "
        pieces.append(sentence)
        length += len(sentence)
    return "".join(pieces)[: BLOCK * BYTES_PER_TOKEN]


def _entry(ident: str, at: float, text: str, tokens: int, answered: int, model: str, session: str = "") -> Entry:
    payload: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": text or "."}],
        "max_tokens": max(1, answered),
    }
    usage = Usage(tokens, output=answered, source="provider")
    return Entry(ident, at, session or ident, Call(payload), "", Before(usage=usage))
