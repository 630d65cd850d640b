"""Checking a client's JSON: what is wrong with it, said with the field's name."""

from typing import Any, NoReturn, TypeVar

import msgspec

from llmctl.errors import InvalidRequest
from llmctl.model.json import JsonObject
from llmctl.server.openai import decode_json, invalid

T = TypeVar("T")
NAMES: dict[type, str] = {str: "a string", dict: "an object", list: "an array"}


def checked(decoder: msgspec.json.Decoder[T], body: bytes) -> tuple[T, JsonObject]:
    """The request's typed view and the whole decoded object. Raises InvalidRequest naming the field."""
    payload: JsonObject = decode_json(body)
    try:
        return decoder.decode(body), payload
    except msgspec.ValidationError as error:
        raise invalid(error) from None


def need(source: JsonObject, key: str, kind: type[T], where: str) -> T:
    """The field `key` of an object found at `where`. Raises InvalidRequest where it is missing or of another type."""
    value: Any = source.get(key)
    if not isinstance(value, kind):
        found = "missing" if value is None else f"of type {type(value).__name__}"
        wrong(f"{where}.{key}", f"must be {NAMES.get(kind, kind.__name__)}, and is {found}")
    return value


def wrong(param: str | None, what: str) -> NoReturn:
    """Raises InvalidRequest for the field `param`."""
    raise InvalidRequest(f"`{param}`: {what}" if param else what, param=param)
