"""A client's own names for what a request is about, for cost reports: OpenAI's `metadata`, and a header."""

from collections.abc import Mapping

from llmctl.model.exchange import Exchange

HEADER = b"x-llmctl-tags"
MOST = 16  # as many, and as long, as OpenAI takes
LONGEST_NAME = 64
LONGEST = 512
USERS = frozenset({"user_id"})  # Anthropic's: who it is, not what it is about


def tags_of(exchange: Exchange) -> dict[str, str]:
    """Those of a request that has been let in; the header's (`team=search, env=prod`) go before the body's.

    What is longer than OpenAI takes is left out, and so is what comes after the sixteenth.
    """
    metadata = exchange.payload.get("metadata")
    header = exchange.headers.get(HEADER)
    if (not metadata and header is None) or not exchange.cleared:
        return exchange.tags
    found = dict(exchange.tags)
    if header is not None:
        for part in header[: MOST * (LONGEST + LONGEST_NAME)].decode("utf-8", "replace").split(","):
            name, _, value = part.partition("=")
            _add(found, name.strip(), value.strip())
    if isinstance(metadata, Mapping):
        for name, value in metadata.items():
            if isinstance(value, str) and name not in USERS:
                _add(found, name, value)
    return found


def _add(found: dict[str, str], name: str, value: str) -> None:
    if name and len(name) <= LONGEST_NAME and len(value) <= LONGEST and len(found) < MOST:
        found.setdefault(name, value)
