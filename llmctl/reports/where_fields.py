"""The fields that `--where` knows: each one's values in a record, and the same values in the ledger's columns.

What a record does not have is equal to nothing, less than nothing and contains nothing, whichever place is asked.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple, get_args

from llmctl.config.units import parse_seconds
from llmctl.model.record import CacheKind, Degraded, Record, State
from llmctl.reports.columns import ACTED, BUCKETS

Value = str | int | bool | Decimal | None
Kind = Literal["text", "names", "whole", "seconds", "dollars", "time", "flag"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~"]

_EQUAL: tuple[Operator, ...] = ("=", "!=")
_ORDER: tuple[Operator, ...] = (*_EQUAL, "<", "<=", ">", ">=")
OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    "text": (*_EQUAL, "~"),
    "names": (*_EQUAL, "~"),
    "whole": _ORDER,
    "seconds": _ORDER,
    "dollars": _ORDER,
    "time": _ORDER,
    "flag": _EQUAL,
}
_SMALLEST = Decimal("1e-12")  # what the ledger's DECIMAL(18,12) keeps
_MOST = 10**6  # and above this it keeps nothing
_LONGEST = 1e9  # seconds
_STATES = get_args(State)


class Field(NamedTuple):
    """A field: the ledger's columns it needs, its values there as SQL, and its values in a record.

    Several values, as of `model`, are alternatives: a comparison holds where it does for one of them. `!=` is where
    `=` does not hold.
    """

    kind: Kind
    columns: tuple[str, ...]
    sql: tuple[str, ...]
    values: Callable[[Record], tuple[Value, ...]]
    choices: tuple[str, ...] = ()


def _column(
    kind: Kind, column: str, value: Callable[[Record], Value], choices: tuple[str, ...] = (), sql: str = ""
) -> Field:
    return Field(kind, (column,), (sql or column,), lambda record: (value(record),), choices)


def _tokens(bucket: str) -> Field:
    return _column("whole", f"{bucket}_tokens", lambda record: int(getattr(record.usage, bucket)))


def _billed(record: Record) -> str:
    return record.served_model or (record.attempts[-1].model if record.attempts else "")


def _guards(record: Record) -> tuple[Value, ...]:
    acted = [result for result in record.guards if result.action in ACTED]
    return tuple(dict.fromkeys(name for result in acted for name in (result.guard, result.policy) if name))


def _dollars(record: Record) -> Decimal | None:
    usd = record.cost.usd
    if usd is None or not abs(usd) < _MOST:
        return None
    kept = Decimal(round(usd * 1e12)).scaleb(-12)
    return kept if abs(kept) < _MOST else None


def started_us(record: Record) -> int:
    """When it started in microseconds since the epoch, rounded as the ledger does."""
    return math.floor(record.started * 1e6 + 0.5)


FIELDS: dict[str, Field] = {
    "id": _column("text", "id", lambda r: r.id),
    "started": _column("time", "started", started_us),
    "duration": _column("seconds", "duration_us", lambda r: r.duration_us),
    "ttft": _column("seconds", "ttft_us", lambda r: r.ttft_us),
    "state": _column("text", "state", lambda r: r.state, _STATES),
    "status": _column("whole", "http_status", lambda r: r.http_status),
    "model": Field(
        "text",
        ("route", "model", "billed_model"),
        ("route", "model", "billed_model"),
        lambda r: (r.requested_model, r.model, _billed(r)),
    ),
    "route": _column("text", "route", lambda r: r.requested_model),
    "provider": _column("text", "provider", lambda r: r.provider),
    "tenant": _column("text", "tenant", lambda r: r.tenant),
    "key": _column("text", "key", lambda r: r.key, sql='"key"'),
    "policy": _column("text", "policy", lambda r: r.policy),
    "operation": _column("text", "operation", lambda r: r.operation),
    "stream": _column("flag", "stream", lambda r: r.stream),
    "cost": _column("dollars", "cost_usd", _dollars),
    "tokens": Field(
        "whole",
        tuple(f"{bucket}_tokens" for bucket in BUCKETS),
        ("(" + " + ".join(f"{bucket}_tokens" for bucket in BUCKETS) + ")",),
        lambda r: (r.usage.prompt + r.usage.completion,),
    ),
    **{f"{bucket}_tokens": _tokens(bucket) for bucket in BUCKETS},
    "attempts": _column("whole", "attempts", lambda r: len(r.attempts)),
    "cache": _column("text", "cache", lambda r: r.cache.kind if r.cache else "", get_args(CacheKind)),
    "degraded": _column("text", "degraded", lambda r: r.degraded or "", get_args(Degraded)),
    "strategy": _column("text", "strategy", lambda r: r.decision.strategy if r.decision else ""),
    "experiment": _column("text", "experiment", lambda r: r.decision.experiment if r.decision else ""),
    "arm": _column("text", "arm", lambda r: r.decision.arm if r.decision else ""),
    "shadow_of": _column("text", "shadow_of", lambda r: r.shadow_of),
    "batch": _column("text", "batch", lambda r: r.batch),
    "failure": _column("text", "failure", lambda r: r.failure.code if r.failure else ""),
    "guard": Field("names", ("guards",), ("guards",), _guards),
}
ALIASES = {"error": "failure"}
TAG = "tag."


def field_named(name: str) -> Field | None:
    """The field of this name; `tag.NAME` is one for every NAME, whose SQL takes NAME as the parameter `{tag}`."""
    if name.startswith(TAG) and (tag := name.removeprefix(TAG)):
        return Field("text", ("tags",), ("tags[{tag}]",), lambda record: (record.tags.get(tag),))
    return FIELDS.get(ALIASES.get(name, name))


def resolved(name: str, word: str) -> str:
    """The field that is meant: `status=failed` asks for the state, which is what people call it."""
    return "state" if name == "status" and word in _STATES else name


def value_of(field: Field, word: str, operator: Operator) -> Value:
    """What `word` means beside this field: microseconds, dollars, a number, text. Raises ValueError: what to write."""
    if field.kind == "flag":
        if word.lower() not in ("true", "false"):
            raise ValueError("write true or false")
        return word.lower() == "true"
    if field.kind == "whole":
        if not word.lstrip("-").isascii() or not word.removeprefix("-").isdigit() or len(word) > 18:
            raise ValueError("write a whole number")
        return int(word)
    if field.kind == "seconds":
        return _microseconds(word)
    if field.kind == "dollars":
        return _amount(word)
    if field.kind == "time":
        return _moment(word)
    if operator in _EQUAL and field.choices and word and word not in field.choices:
        raise ValueError(f"write one of {', '.join(field.choices)}")
    return word


def _microseconds(word: str) -> int:
    found = float(parse_seconds(word))
    if found > _LONGEST:
        raise ValueError("write a duration below 30 years")
    return round(found * 1e6)


def _amount(word: str) -> Decimal:
    try:
        found = Decimal(word.removeprefix("$"))
        if found.is_finite() and abs(found) <= _MOST:
            return found.quantize(_SMALLEST)
    except InvalidOperation:
        pass
    raise ValueError("write dollars such as 0.25")


def _moment(word: str) -> int:
    try:
        at = datetime.fromisoformat(word)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)
    except (ValueError, OverflowError):
        raise ValueError("write a time such as 2026-01-31 or 2026-01-31T12:00Z") from None
