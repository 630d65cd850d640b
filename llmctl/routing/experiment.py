"""Experiments on live traffic: which arm a request belongs to, and whether it is mirrored.

A subject's place on the line from 0 to 1 is a hash of the experiment's salt and the subject, so it is the same in every
process and after every restart, and independent between experiments with different salts.
"""

import re
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import Annotated, Literal, NamedTuple

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.section import Name, Share
from llmctl.routing.features import Features

SLOTS = 2**24
UNSTICKY = "unsticky"
SUBJECT = r"^(key|tenant|user|request|header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}|metadata\.[^\x00]{1,128})$"
Subject = Annotated[str, Field(pattern=SUBJECT)]
Mirroring = Literal["mirror", "pass", "full"]

_SUBJECT = "What stays in one arm: key, tenant, user, header:NAME, metadata.NAME; `request` draws anew for each."


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="Its name in records and reports.")


class ArmOptions(BaseModel):
    """One arm of an `ab` experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Name | None = Field(
        None, description="Name of an entry in `models`. Default: what the route itself chooses."
    )
    weight: float = Field(1.0, gt=0, le=1e9, allow_inf_nan=False, description="Weight; they need not add up to one.")


class AbOptions(_Options):
    """Options of `ab`: subjects are shared out among arms, by weight, and stay where they are."""

    kind: Literal["ab"] = Field("ab", description="Arms by weight.")
    salt: str | None = Field(
        None, min_length=1, description="Changing it shares out anew. Default: the experiment's name."
    )
    subject: Subject = Field("key", description=_SUBJECT)
    arms: dict[Name, ArmOptions] = Field(
        min_length=2, description="Arms by name. Their order counts: a new one goes last."
    )


class CanaryOptions(_Options):
    """Options of `canary`: a percentage of the subjects gets another model. Raising it takes nobody back out."""

    kind: Literal["canary"] = Field("canary", description="A percentage gets another model.")
    model: Name = Field(description="Name of an entry in `models`, for the canary's part.")
    percent: float = Field(ge=0, le=100, allow_inf_nan=False, description="Of the subjects; 0 pauses it.")
    subject: Subject = Field("key", description=_SUBJECT)


class ShadowOptions(_Options):
    """Options of `shadow`: some requests also go to another model, whose answers nobody is given."""

    kind: Literal["shadow"] = Field("shadow", description="Mirrors to another model.")
    model: Name = Field(description="Name of an entry in `models`, which gets the copies.")
    share: Share = Field(1.0, description="Share of the requests that is mirrored.")
    max_in_flight: int = Field(16, ge=1, le=10_000, description="Copies under way; over it requests are not mirrored.")


class Assignment(Struct, frozen=True, gc=False):
    """A request's arm. `propensity` is the arm's share of the weights; `model` None where the route's strategy chooses.

    `reason` is for the record: see `read_reason`.
    """

    experiment: str
    arm: str
    model: str | None
    propensity: float
    sticky: bool
    reason: str


class Reason(NamedTuple):
    """What an assignment's reason says. `slot` tells subjects apart without naming them; None where it was drawn.

    `unsticky` is a draw because the request named no subject.
    """

    share: float
    slot: str | None
    unsticky: bool


_REASON = re.compile(r"(\d[\d.e+-]*)% (?:by .+, slot ([0-9a-f]{6})|drawn by request|(" + UNSTICKY + "))")


def read_reason(text: str) -> Reason | None:
    """The assignment's part of a decision's reason, wherever in `text` it stands; None if it is not there.

    Analysis counts subjects, not requests: where assignment is sticky the requests of one subject are no independent
    draws. `share` is the arm's, which the decision's propensity need not be where a strategy chose within the arm.
    """
    found = _REASON.search(text)
    return Reason(float(found[1]) / 100, found[2], found[3] is not None) if found else None


class Split:
    """Shares out requests among arms: `ab` and `canary`. `models` are those that arms name, in their order."""

    __slots__ = ("_bounds", "_drawn", "_key", "_of", "_shares", "_sticky", "arms", "models", "name")

    def __init__(
        self, name: str, salt: str, subject: str, arms: Mapping[str, str | None], shares: Sequence[float]
    ) -> None:
        """`arms` to models, and each one's share; shares add up to one."""
        self.name = name
        self.arms = tuple(arms.items())
        self.models = tuple(dict.fromkeys(model for model in arms.values() if model is not None))
        self._shares = tuple(shares)
        self._bounds = list(accumulate(shares))[:-1]  # what is over the last bound is the last arm's, rounding or not
        self._key = blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        self._of = _subject(subject)
        drawn = "drawn by request" if subject == "request" else f"{UNSTICKY}: no {subject}"
        self._sticky = [f"{share * 100:.12g}% by {subject}, slot " for share in shares]
        self._drawn = [f"{share * 100:.12g}% {drawn}" for share in shares]

    def assign(self, features: Features, rng: Random) -> Assignment:
        """The arm of this request's subject; where the request has none, a draw of `rng`."""
        subject = self._of(features)
        place = self.place(subject) if subject else rng.random()
        at = bisect(self._bounds, place)
        arm, model = self.arms[at]
        reason = f"{self._sticky[at]}{int(place * SLOTS):06x}" if subject else self._drawn[at]
        return Assignment(self.name, arm, model, self._shares[at], bool(subject), reason)

    def place(self, subject: str) -> float:
        """Where a subject stands, 0 <= place < 1."""
        digest = blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        return (int.from_bytes(digest, "big") >> 11) / 2**53


class Shadow:
    """Decides what is mirrored to `model`. The caller counts the copies under way."""

    __slots__ = ("_most", "_share", "model", "models", "name")

    def __init__(self, options: ShadowOptions) -> None:
        self.name = options.name
        self.model = options.model
        self.models = (options.model,)
        self._share = options.share
        self._most = options.max_in_flight

    def decide(self, in_flight: int, rng: Random) -> Mirroring:
        """Whether to mirror this request: `pass` if it is not drawn, `full` if it is and too many are under way."""
        if rng.random() >= self._share:
            return "pass"
        return "mirror" if in_flight < self._most else "full"


def experiment(options: AbOptions | CanaryOptions | ShadowOptions) -> Split | Shadow:
    """The experiment that `options` describe."""
    if isinstance(options, ShadowOptions):
        return Shadow(options)
    if isinstance(options, CanaryOptions):
        share = options.percent / 100
        arms = {"canary": options.model, "stable": None}
        return Split(options.name, options.name, options.subject, arms, (share, 1 - share))
    total = sum(arm.weight for arm in options.arms.values())
    shares = [arm.weight / total for arm in options.arms.values()]
    models = {name: arm.model for name, arm in options.arms.items()}
    return Split(options.name, options.salt or options.name, options.subject, models, shares)


def _subject(kind: str) -> Callable[[Features], str | None]:
    if kind == "request":
        return lambda features: None
    if kind == "key":
        return lambda features: features.key
    if kind == "tenant":
        return lambda features: features.tenant
    if kind == "user":
        return lambda features: features.user
    if kind.startswith("header:"):
        header = kind.removeprefix("header:")
        return lambda features: features.header(header)
    name = kind.removeprefix("metadata.")

    def metadata(features: Features) -> str | None:
        value = features.metadata.get(name)
        return str(value) if isinstance(value, str | int | float) else None

    return metadata
