"""Which of a route's models can take a request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmctl.errors import InvalidRequest
from llmctl.model.chat import Operation
from llmctl.model.json import encode
from llmctl.routing.features import Features

SURE = 0.6
"""Share of the estimated tokens that a prompt surely has: the estimate is off by less for all that people write."""
CONTEXT = "context_length_exceeded"

_CHARACTERS = 4  # a token, about
_PROMPT: Mapping[Operation, str] = {"chat": "messages", "completion": "prompt", "embedding": "input"}


@dataclass(frozen=True, slots=True)
class Able:
    """What a configured model can take. None is everything; capabilities are of `tools`, `images` and `json`."""

    name: str
    context: int | None = None
    capabilities: frozenset[str] | None = None

    def can(self, capability: str) -> bool:
        """Whether it has the capability, as far as is known."""
        return self.capabilities is None or capability in self.capabilities


@dataclass(frozen=True, slots=True)
class Lack:
    """Why a model cannot take a request; `param` is the field that asks too much, `context` that it is the length."""

    reason: str
    param: str
    context: bool = False


def least(features: Features) -> float:
    """Tokens that the prompt has at least.

    Characters count too, for bytes say too much where a letter is two or three of them, or six as `\\u0434`.
    """
    characters = len(encode(features.payload).decode())
    return min(features.tokens, characters / _CHARACTERS) * SURE


def lacking(able: Able, features: Features, *, sure: bool) -> Lack | None:
    """What `able` lacks for this request, or None.

    Where not `sure` a request is too long if the estimated prompt and the longest answer asked for are over the window;
    where `sure` if the `least` that the prompt can be alone is.
    """
    missing = _missing(able, features)
    if missing is not None or able.context is None:
        return missing
    if sure and features.tokens * SURE <= able.context:  # most are, and `least` encodes the payload
        return None
    return _too_long(able, features, least(features) if sure else _most(features))


def _missing(able: Able, features: Features) -> Lack | None:
    if able.capabilities is not None:
        if "tools" not in able.capabilities and features.tools:
            return Lack("no tools", _tools_param(features))
        if "images" not in able.capabilities and features.images:
            return Lack("no images", "messages")
        if "json" not in able.capabilities and features.json:
            return Lack("no JSON mode", "response_format")
    return None


def _most(features: Features) -> int:
    return features.tokens + (features.output or 0)


def _too_long(able: Able, features: Features, tokens: float) -> Lack | None:
    if able.context is None or tokens <= able.context:
        return None
    more = f" and asks for up to {features.output:,} more" if features.output else ""
    reason = f"context window of {able.context:,} tokens: the request has about {features.tokens:,}{more}"
    return Lack(reason, _PROMPT[features.operation], context=True)


class Capabilities:
    """Chooses among a route's models those that can take a request. Costs next to nothing where nothing is declared."""

    __slots__ = ("_ables", "_images", "_json", "_names", "_smallest", "_tools", "_undeclared")

    def __init__(self, ables: Iterable[Able]) -> None:
        """Raises ValueError without a model."""
        self._ables = tuple(ables)
        if not self._ables:
            raise ValueError("there is no model")
        self._names = tuple(able.name for able in self._ables)
        self._tools, self._images, self._json = (
            not all(able.can(one) for able in self._ables) for one in ("tools", "images", "json")
        )
        self._smallest = min((able.context for able in self._ables if able.context is not None), default=None)
        self._undeclared = self._smallest is None and not (self._tools or self._images or self._json)

    def of(self, features: Features) -> tuple[str, ...]:
        """Names of those that probably can, in their order; else of those that are not sure to fail.

        Raises InvalidRequest naming what each one lacks where all are.
        """
        if self._undeclared or self._asks_for_nothing(features):
            return self._names
        fitting = tuple(able.name for able in self._ables if lacking(able, features, sure=False) is None)
        if fitting:
            return fitting
        tokens = 0.0 if self._smallest is None else least(features)
        lacks = {able.name: _missing(able, features) or _too_long(able, features, tokens) for able in self._ables}
        possible = tuple(name for name, lack in lacks.items() if lack is None)
        if not possible:
            raise _impossible({name: lack for name, lack in lacks.items() if lack is not None})
        return possible

    def reasons(self, features: Features) -> dict[str, str]:
        """Why each of the models that are left out is. Raises InvalidRequest as `of` does."""
        chosen = self.of(features)
        lacks = {able.name: lacking(able, features, sure=False) for able in self._ables if able.name not in chosen}
        return {name: lack.reason for name, lack in lacks.items() if lack is not None}

    def _asks_for_nothing(self, features: Features) -> bool:
        """Whether every model can take it: what is declared is not asked for, and the smallest window is enough."""
        if (self._tools and features.tools) or (self._images and features.images) or (self._json and features.json):
            return False
        return self._smallest is None or _most(features) <= self._smallest


def _impossible(lacks: Mapping[str, Lack]) -> InvalidRequest:
    said = "; ".join(f"{name}: {lack.reason}" for name, lack in lacks.items())
    what = "the model cannot take this request" if len(lacks) == 1 else "no model here can take this request"
    other = next((lack for lack in lacks.values() if not lack.context), None)
    if other is not None:
        return InvalidRequest(f"{what}: {said}", param=other.param)
    param = next(iter(lacks.values())).param
    return InvalidRequest(f"{what}: {said}; shorten {param}", param=param, code=CONTEXT)


def _tools_param(features: Features) -> str:
    """The field that brings tools: a conversation may hold calls without bringing any."""
    return next((name for name in ("tools", "functions") if features.payload.get(name)), "messages")
