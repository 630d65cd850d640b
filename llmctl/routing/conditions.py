"""When a route's rule applies: conditions on a request, all of which must hold."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import re2
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from llmctl.config.section import Name
from llmctl.routing.features import Features

Test = Callable[[Features], bool]
Scalar = str | int | float | bool
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$")]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
MAX_MEMORY = 8 * 2**20  # bytes that RE2 may use for one pattern
LATENCY_HEADER = b"x-llmctl-latency"


class HeaderPattern(BaseModel):
    """A pattern in the place of a header's values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regex: str = Field(min_length=1, max_length=10_000, description="RE2 syntax; matches anywhere in the value.")

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        _compiled(regex)
        return regex


class TimeSpan(BaseModel):
    """A span of the day, on some days of the week, by the clock of a time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: str = Field("00:00", alias="from", description="Begins at, 00:00 to 23:59.")
    to: str = Field("24:00", description="Ends before; earlier than `from` where it ends on the next day.")
    days: tuple[Day, ...] = Field(DAYS, min_length=1, description="Days of the week on which it begins.")
    zone: str = Field("UTC", description="IANA time zone, such as Europe/Berlin.")

    @field_validator("from_", "to")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        _minutes(text)
        return text

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder's name an OSError
            raise ValueError(
                f"{zone!r} is no time zone of this system: write one such as Europe/Berlin or UTC"
            ) from None
        return zone

    @model_validator(mode="after")
    def _takes_time(self) -> "TimeSpan":
        start = _minutes(self.from_)
        if start == DAY_MINUTES:
            raise ValueError("a span cannot begin at 24:00: write from: 00:00")
        if start == _minutes(self.to):
            raise ValueError("`from` and `to` are the same: leave both out for the whole day")
        return self


class When(BaseModel):
    """Conditions of a rule. All that are given must hold; of several values in a list, one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenants: tuple[Name, ...] | None = Field(None, min_length=1, description="The request is of one of these tenants.")
    keys: tuple[str, ...] | None = Field(None, min_length=1, description="It was made with one of these keys, by `id`.")
    headers: dict[HeaderName, str | list[str] | HeaderPattern] | None = Field(
        None, min_length=1, description="Header, in any case, to its value, a list of values, or `{regex: ...}`."
    )
    metadata: dict[str, Scalar | list[Scalar]] | None = Field(
        None, min_length=1, description="Key of the request's `metadata` to its value or a list of values."
    )
    min_tokens: int | None = Field(None, ge=0, description="The prompt has at least so many tokens, estimated.")
    max_tokens: int | None = Field(None, ge=1, description="The prompt has at most so many tokens, estimated.")
    tools: bool | None = Field(None, description="Whether the request brings tools, or holds calls of some.")
    images: bool | None = Field(None, description="Whether a message holds an image.")
    json_: bool | None = Field(None, alias="json", description="Whether the answer is to be JSON.")
    stream: bool | None = Field(None, description="Whether the answer is to be streamed.")
    languages: tuple[Language, ...] | None = Field(
        None, min_length=1, description="Language of what the user said last, ISO 639-1; an unclear one is none."
    )
    time: TimeSpan | None = Field(None, description="When the request came.")
    latency_sensitive: bool | None = Field(
        None,
        description="Whether the client is in a hurry: header `x-llmctl-latency: low`, metadata `latency: low`, or"
        " `service_tier: priority`.",
    )

    @field_validator("headers", "metadata")
    @classmethod
    def _values_are_given(cls, found: dict[str, Any] | None) -> dict[str, Any] | None:
        for name, wanted in (found or {}).items():
            if wanted == []:
                raise ValueError(f"{name}: an empty list never matches: name a value")
        return found

    @field_validator("headers")
    @classmethod
    def _names_differ(cls, headers: dict[str, Any] | None) -> dict[str, Any] | None:
        names = [name.lower() for name in headers or ()]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} stands there twice, in different case: give one list of values")
        return headers

    @model_validator(mode="after")
    def _can_hold(self) -> "When":
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(
                "has no condition, so it would always hold: name one, or put the strategy into the route itself"
            )
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise ValueError(f"never holds: min_tokens {self.min_tokens} is over max_tokens {self.max_tokens}")
        return self


class Condition:
    """A compiled `When`. What is cheap is tested first, so that most rules that fail cost a microsecond."""

    __slots__ = ("_tests",)

    def __init__(self, when: When) -> None:
        self._tests = (*_of_the_caller(when), *_of_the_payload(when))

    def matches(self, features: Features) -> bool:
        """Whether all conditions hold."""
        for test in self._tests:  # noqa: SIM110  # a generator costs more than the tests
            if not test(features):
                return False
        return True


def latency_sensitive(features: Features) -> bool:
    """Whether the client says that it is in a hurry."""
    header = features.headers.get(LATENCY_HEADER)
    if header is not None and header.strip().lower() == b"low":
        return True
    return features.metadata.get("latency") == "low" or features.payload.get("service_tier") == "priority"


def _of_the_caller(when: When) -> Iterable[Test]:
    """Tests that do not look at the messages, cheapest first."""
    if when.stream is not None:
        yield _stream(when.stream)
    if when.tenants is not None:
        yield _tenant(frozenset(when.tenants))
    if when.keys is not None:
        yield _key(frozenset(when.keys))
    for name, wanted in (when.headers or {}).items():
        raw = name.lower().encode()
        yield _header_like(raw, wanted.regex) if isinstance(wanted, HeaderPattern) else _header(raw, _listed(wanted))
    for name, value in (when.metadata or {}).items():
        yield _metadata(name, frozenset(map(_plain, _listed(value))))
    if when.latency_sensitive is not None:
        yield _hurry(when.latency_sensitive)
    if when.time is not None:
        yield _time(when.time)


def _of_the_payload(when: When) -> Iterable[Test]:
    """Tests that may walk all messages, cheapest first; the language needs the text."""
    if when.json_ is not None:
        yield _json(when.json_)
    if when.tools is not None:
        yield _tools(when.tools)
    if when.images is not None:
        yield _images(when.images)
    if when.min_tokens is not None or when.max_tokens is not None:
        yield _tokens(when.min_tokens or 0, when.max_tokens)
    if when.languages is not None:
        yield _language(frozenset(when.languages))


def _stream(wanted: bool) -> Test:
    return lambda features: features.stream is wanted


def _tenant(wanted: frozenset[str]) -> Test:
    return lambda features: features.tenant in wanted


def _key(wanted: frozenset[str]) -> Test:
    return lambda features: features.key in wanted


def _header(name: bytes, wanted: list[str]) -> Test:
    # Clients send either encoding, and nothing on the wire says which.
    values = frozenset(
        value.encode(encoding) for value in wanted for encoding in ("utf-8", "latin-1") if _fits(value, encoding)
    )
    return lambda features: features.headers.get(name) in values


def _header_like(name: bytes, regex: str) -> Test:
    search = _compiled(regex).search

    def test(features: Features) -> bool:
        value = features.headers.get(name)
        return value is not None and search(value) is not None

    return test


def _metadata(name: str, wanted: frozenset[str]) -> Test:
    def test(features: Features) -> bool:
        value = features.metadata.get(name)
        return isinstance(value, str | int | float) and _plain(value) in wanted

    return test


def _hurry(wanted: bool) -> Test:
    return lambda features: latency_sensitive(features) is wanted


def _time(span: TimeSpan) -> Test:
    start, end = _minutes(span.from_), _minutes(span.to)
    zone = ZoneInfo(span.zone)
    today = frozenset(map(DAYS.index, span.days))
    tomorrow = frozenset((day + 1) % 7 for day in today)

    def test(features: Features) -> bool:
        now = datetime.fromtimestamp(features.wall, zone)
        minute, day = now.hour * 60 + now.minute, now.weekday()
        if start < end:
            return start <= minute < end and day in today
        return (minute >= start and day in today) or (minute < end and day in tomorrow)

    return test


def _json(wanted: bool) -> Test:
    return lambda features: features.json is wanted


def _tools(wanted: bool) -> Test:
    return lambda features: features.tools is wanted


def _images(wanted: bool) -> Test:
    return lambda features: features.images is wanted


def _tokens(least: int, most: int | None) -> Test:
    if most is None:
        return lambda features: features.tokens >= least
    return lambda features: least <= features.tokens <= most


def _language(wanted: frozenset[str]) -> Test:
    return lambda features: features.language in wanted


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _plain(value: Scalar) -> str:
    """As text, for clients must send metadata as text and YAML types what stands without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(value: str, encoding: str) -> bool:
    try:
        value.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _minutes(text: str) -> int:
    """Minutes after midnight. Raises ValueError."""
    hour, colon, minute = text.partition(":")
    if colon and len(hour) in (1, 2) and len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit():
        total = int(hour) * 60 + int(minute)
        if int(minute) < 60 and total <= DAY_MINUTES:
            return total
    raise ValueError(f"{text!r} is no time of day: write one such as 08:00 or 18:30")


def _compiled(regex: str) -> Any:
    """Over bytes. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(regex.encode(), options)
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{said} (RE2 syntax: no backreferences, no look-around)") from None
