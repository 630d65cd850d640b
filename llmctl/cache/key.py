"""Which requests are the same, and which may share an answer at all.

`exact` is a hash of everything that an answer may depend on. `partition` is the same hash with the text of the last
user message left out: only within one partition, and only by that text, are requests compared by meaning. Whatever we
do not know is part of both, so that an unknown parameter parts answers rather than mixes them.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from msgspec.json import Encoder

from llmctl.model.chat import Operation
from llmctl.model.json import JsonObject

VERSION = 1
SIZE = 16

# What an answer's meaning does not depend on: how it is sent, and whom it is booked to.
IGNORED = frozenset(
    {"model", "stream", "stream_options", "user", "safety_identifier", "metadata", "store", "service_tier",
     "prompt_cache_key", "prompt_cache_retention", "prediction"}
)  # fmt: skip

_HOLE = 0  # where the text was: no valid request has a number there
_canonical = Encoder(order="deterministic").encode


class Scope(NamedTuple):
    """Who asks and what would answer. `models` are those that may answer; `policy` the digest of the configuration."""

    tenant: str
    route: str
    models: Collection[str]
    policy: str


class Key(NamedTuple):
    """Where an answer is kept. `text` is what is compared by meaning, empty where nothing may be."""

    tenant: str
    exact: bytes
    partition: bytes
    text: str


def key(
    payload: JsonObject, operation: Operation, scope: Scope, passages: Sequence[str] = (), *, by_meaning: bool = True
) -> Key:
    """The key of a request; `passages` are documents that came beside it. The same for any order of an object's keys.

    Without `by_meaning` there is neither partition nor text, which is half the cost.
    Raises what encoding JSON raises for a payload that is none; one that was decoded from JSON is always fine.
    """
    kept = {name: value for name, value in payload.items() if name not in IGNORED}
    about = [VERSION, operation, scope.tenant, scope.route, sorted(scope.models), scope.policy, list(passages)]
    exact = _digest(b"llmctl exact", [*about, kept])
    if not by_meaning:
        return Key(scope.tenant, exact, b"", "")
    text, rest = _split(kept, operation)
    partition = _digest(b"llmctl part", [*about, rest])
    return Key(scope.tenant, exact, partition, text)


def _digest(person: bytes, value: Any) -> bytes:
    return blake2b(_canonical(value), digest_size=SIZE, person=person).digest()


def _split(kept: JsonObject, operation: Operation) -> tuple[str, JsonObject]:
    """The text that is compared by meaning, and everything else with a hole in its place."""
    if operation == "completion":
        prompt = kept.get("prompt")
        return (prompt, {**kept, "prompt": _HOLE}) if isinstance(prompt, str) and prompt.strip() else ("", kept)
    messages = kept.get("messages")
    if operation != "chat" or not isinstance(messages, list) or not messages:
        return "", kept
    last = messages[-1]
    if not isinstance(last, Mapping) or last.get("role") != "user":
        return "", kept  # a tool's result or the start of an answer: what matters is not in one text
    text, content = _content(last.get("content"))
    return (text, {**kept, "messages": [*messages[:-1], {**last, "content": content}]}) if text.strip() else ("", kept)


def _content(content: Any) -> tuple[str, Any]:
    if isinstance(content, str):
        return content, _HOLE
    if not isinstance(content, list):
        return "", content
    texts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
    if len(texts) != 1 or not isinstance(texts[0].get("text"), str):
        return "", content
    rest = [{**part, "text": _HOLE} if part is texts[0] else part for part in content]
    return texts[0]["text"], rest
