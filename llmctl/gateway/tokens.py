"""Tokens of texts that no provider counted, by OpenAI's vocabularies; nothing is fetched.

The vocabularies are in the optional package `bpe-openai` (`pip install 'llmctl[tokens]'`): byte-pair encoding in time
linear in the text, so that no text makes it slow. Models of others have vocabularies of their own, which their makers
do not publish: for those the count is an estimate still, as docs/cost.md says.
"""

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from threading import Thread
from typing import Any

from llmctl.model.chat import Operation
from llmctl.model.json import JsonObject, encode

Count = Callable[[str], int]
"""Tokens of one text."""

PACKAGE = "bpe_openai"
LONGEST = 20_000  # characters that are counted, at most half a millisecond; of more, samples are
SAMPLES = 5
PER_MESSAGE = 3  # what stands around each message, and before the answer
ATTACHMENT = 1_000  # tokens, what providers make of a middling image; its bytes say nothing about that
OLDER = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-")


def vocabulary(model: str) -> str:
    """By which vocabulary a model's tokens are counted: `o200k_base`, or `cl100k_base` for older ones."""
    name = model.rpartition("/")[2].lower()
    return "cl100k_base" if name == "gpt-4" or name.startswith(OLDER) else "o200k_base"


class Tokens:
    """Vocabularies that are loaded when first needed, in a thread: until one is there nothing is counted by it."""

    def __init__(self, load: Callable[[str], Count], start: Callable[[Callable[[], None]], None]) -> None:
        """`load` reads a vocabulary by its name; `start` runs that beside everything else."""
        self._load, self._start = load, start
        self._counts: dict[str, Count | None] = {}

    def of(self, model: str) -> Count | None:
        """How to count for a model. None while the vocabulary is being loaded, and where it cannot be."""
        name = vocabulary(model)
        if name not in self._counts:
            self._counts[name] = None
            self._start(lambda: self._fetch(name))
        return self._counts[name]

    def _fetch(self, name: str) -> None:
        try:
            self._counts[name] = self._load(name)
        except Exception:  # a broken package: what it would have counted is estimated by bytes, and marked so anyway
            return


def installed() -> Tokens | None:
    """Where the vocabularies are installed. Imports nothing."""
    return Tokens(_load, _beside) if find_spec(PACKAGE) is not None else None


def _load(name: str) -> Count:
    from bpe_openai import get_encoding  # 0.4 to 0.8 s and 138 MB

    encode_ordinary = get_encoding(name).encode_ordinary
    return lambda text: len(encode_ordinary(text))


def _beside(job: Callable[[], None]) -> None:
    Thread(target=job, name="llmctl-vocabulary", daemon=True).start()


def counted(count: Count, texts: Iterable[str], length: int | None = None) -> int:
    """Tokens of texts together. Of long ones samples are counted; `length` is theirs where not all of it is given."""
    text = "".join(texts)
    length = max(length or 0, len(text))
    if len(text) > LONGEST:
        size, step = LONGEST // SAMPLES, (len(text) - LONGEST // SAMPLES) // (SAMPLES - 1)
        text = "".join(text[at * step : at * step + size] for at in range(SAMPLES))
    found = count(text) if text else 0
    return found if length == len(text) or not text else -(-found * length // len(text))


def prompt(count: Count, payload: JsonObject, operation: Operation) -> int:
    """Tokens of a request, with what chat templates put around messages."""
    if operation != "chat":
        given = payload.get("prompt" if operation == "completion" else "input")
        texts, tokens = _plain(given)
        return counted(count, texts) + tokens
    messages = payload.get("messages") or ()
    around = PER_MESSAGE * (len(messages) + 1)
    said: list[str] = []
    for message in messages:
        for text in _texts(message):
            if text is None:
                around += ATTACHMENT
            else:
                said.append(text)
    if payload.get("tools"):
        said.append(encode(payload["tools"]).decode())
    return counted(count, said) + around


def _texts(message: JsonObject) -> Iterator[str | None]:
    """What a message says, None for each part that is no text."""
    content = message.get("content")
    for part in content if isinstance(content, list) else (content,):
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            text = part.get("text")
            yield text if isinstance(text, str) else None
    for call in message.get("tool_calls") or ():
        about: Any = call.get("function") or call.get("custom") or {}
        yield from (value for value in about.values() if isinstance(value, str))


def _plain(given: Any) -> tuple[list[str], int]:
    """Texts of a prompt that is no chat, and how many tokens it gives as such."""
    if isinstance(given, str):
        return [given], 0
    texts: list[str] = []
    tokens = 0
    for one in given or ():
        if isinstance(one, str):
            texts.append(one)
        else:
            tokens += len(one) if isinstance(one, list) else 1
    return texts, tokens
