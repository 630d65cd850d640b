"""The recorded requests a plan rests on: which count, and what of each is known."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.tally import tokens_of
from llmctl.model.chat import Operation
from llmctl.model.json import JsonObject
from llmctl.model.record import Record
from llmctl.plan.report import Example, Traffic
from llmctl.routing.experiment import read_reason
from llmctl.routing.features import Features, said_last

SHOWN = 120
"""Characters of what a request said, in an example."""

ENOUGH = 30
"""Groups of requests from which on their spread says something."""

OPERATIONS: dict[str, Operation] = {"chat": "chat", "completion": "completion", "embedding": "embedding"}
NO_CONTENT = "content is not in the record"


class WithoutContent(Exception):
    """The request's content was asked for, and the record has none."""


class _Absent(dict[str, Any]):
    """A payload that nobody kept: whoever looks is told."""

    def __getitem__(self, name: str) -> NoReturn:
        raise WithoutContent

    def get(self, name: str, default: Any = None) -> NoReturn:
        raise WithoutContent


@dataclass(frozen=True, slots=True)
class Seen:
    """One recorded request. `payload` is None where it was not kept; `redacted`: values were taken out of it.

    `of_old`: it was recorded under OLD itself.
    """

    record: Record
    payload: JsonObject | None
    features: Features
    redacted: bool
    of_old: bool

    def text(self) -> str:
        """What was said last, on a line, shortened."""
        if self.payload is None:
            return ""
        said = " ".join(said_last(self.payload, self.features.operation).split())
        return said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"

    def example(self, what: str) -> Example:
        """As an example of something."""
        return Example(self.record.id, what, self.text())


class Reading:
    """Goes through records once; afterwards it can say what there was."""

    def __init__(self, folder: str, policy: str, *, any_policy: bool) -> None:
        """`policy` is OLD's digest; records of others count only with `any_policy`."""
        self._folder = folder
        self._policy = policy
        self._any = any_policy
        self._tools = feature_tools()
        self.left_out: Counter[str] = Counter()
        self.policies: Counter[str] = Counter()
        self._requests = self._without = self._redacted = 0
        self._first, self._last = math.inf, -math.inf

    def seen(self, records: Iterable[Record]) -> Iterator[Seen]:
        """Those that count."""
        for record in records:
            if record.shadow_of:
                self.left_out["copies (shadows, audits, refreshes)"] += 1
                continue
            self.policies[record.policy] += 1
            of_old = record.policy == self._policy
            if not (of_old or self._any):
                self.left_out["recorded under another configuration than OLD"] += 1
            elif record.operation not in OPERATIONS:
                self.left_out["of no operation that is known"] += 1
            else:
                yield self._one(record, of_old)

    def told(self) -> Traffic:
        """What there was."""
        some = self._requests > 0
        return Traffic(
            self._folder,
            self._requests,
            self._first if some else None,
            self._last if some else None,
            self._without,
            self._redacted,
            dict(self.left_out),
        )

    def _one(self, record: Record, of_old: bool) -> Seen:
        payload = record.request if _kept(record) else None
        redacted = any(one.action == "redact" for one in record.guards)
        self._requests += 1
        self._without += payload is None
        self._redacted += redacted
        self._first, self._last = min(self._first, record.started), max(self._last, record.started)
        operation = OPERATIONS[record.operation]
        tokens: Callable[[], int] = _untold if payload is None else partial(tokens_of, payload, None, operation)
        features = Features(
            payload if payload is not None else _Absent(),
            operation,
            self._tools,
            tokens=tokens,
            tenant=record.tenant,
            key=record.key,
            wall=record.started,
            stream=record.stream,
        )
        return Seen(record, payload, features, redacted, of_old)


def _kept(record: Record) -> bool:
    content = record.request
    if not isinstance(content, dict) or "model" not in content:  # also what was too large
        return False
    return record.operation != "chat" or isinstance(content.get("messages"), list)


def _untold() -> int:
    raise WithoutContent


class Clusters:
    """Who each request is of: what one subject does says less than what as many subjects do.

    By the subject of the experiment that was under way, else by the end user where most requests name one, else by key
    where there are many, else each request is one. Kept as numbers.
    """

    def __init__(self) -> None:
        self._codes: dict[Hashable, int] = {}
        self._subjects, self._users, self._keys = array("q"), array("q"), array("q")

    def add(self, seen: Seen) -> None:
        """One more request."""
        record = seen.record
        reason = read_reason(record.decision.reason) if record.decision and record.decision.experiment else None
        slot = (record.decision.experiment, reason.slot) if record.decision and reason and reason.slot else None
        user = seen.features.user if seen.payload is not None else ""
        self._subjects.append(self._code(slot))
        self._users.append(self._code((record.key, user) if user else None))
        self._keys.append(self._code(("", record.key) if record.key else None))

    def settled(self) -> tuple[str, list[int] | None]:
        """What requests are grouped by, and each one's group; None where each is one of its own."""
        total = len(self._keys)
        for name, codes, most in (("subject", self._subjects, 0), ("user", self._users, 2), ("key", self._keys, 2)):
            named = sum(code >= 0 for code in codes)
            many = len(set(codes) - {-1}) >= ENOUGH
            if named and (name == "subject" or (many and named * most >= total)):
                apart = len(self._codes)
                return name, [code if code >= 0 else apart + at for at, code in enumerate(codes)]
        return "request", None

    def _code(self, what: Hashable | None) -> int:
        return -1 if what is None else self._codes.setdefault(what, len(self._codes))
