"""What a sink is: one way of telling somebody of an incident. It is told one notice at a time and remembers nothing.

To add one: a new file with a class that has the methods of `Sink`, its options in alerts/notify.py (slo.yaml names
them, and Alertmanager's configuration is made of them too), and a line in `sinks/__init__.py`.
tests/alerts/sinks/test_contract.py then checks it.
"""

import stat
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from llmctl.alerts.alert import Alert, Notice
from llmctl.config.section import Section
from llmctl.errors import LlmctlError

TIMEOUT = 10.0
"""Seconds that somebody else may take for one notice."""
_LONGEST_SECRET = 4096


class NotDelivered(LlmctlError):
    """A sink could not tell. The message never has a secret in it.

    `retryable`: later it may. `retry_after`: seconds that the other side asked to be left alone for. `uncertain`: it
    may have got there all the same, so that what was triggered has to be resolved.
    """

    code = "alert_not_delivered"

    def __init__(
        self, message: str, *, retryable: bool, uncertain: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.uncertain = uncertain
        self.retry_after = retry_after


class Sink(Protocol):
    """A configured sink. Nothing is opened, read or imported before the first delivery.

    `repeats`: whether it is told again while an incident goes on. One that keeps incidents itself is not.
    """

    Options: ClassVar[type[Section]]
    repeats: ClassVar[bool]

    async def deliver(self, notice: Notice) -> None:
        """Tell. Raises NotDelivered, and ends within its timeout. What is told twice does no harm."""
        ...

    async def close(self) -> None:
        """Give back connections. It may be used again after that."""
        ...


@runtime_checkable
class Acknowledging(Protocol):
    """A sink of somebody who can be told that an incident is being worked on."""

    async def acknowledge(self, alert: Alert) -> None:
        """Say so. Raises NotDelivered."""
        ...


def read_secret(path: str) -> str:
    """What a file of one secret holds, read anew each time so that it can be changed. Raises NotDelivered."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LONGEST_SECRET + 1)
    except OSError as error:
        raise NotDelivered(
            f"{path}: cannot be read ({error.strerror}); put the secret there, readable for this user", retryable=True
        ) from None
    text = data.decode("ascii", errors="replace").strip()
    if not text:
        raise NotDelivered(f"{path}: is empty; put the secret there", retryable=True)
    if len(data) > _LONGEST_SECRET or not (text.isascii() and text.isprintable()):
        raise NotDelivered(f"{path}: does not look like a secret; put it there alone, on one line", retryable=True)
    return text


def exposed(path: str) -> str | None:
    """A sentence where everybody on this machine may read a file, else None."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return None
    return f"{path}: everybody on this machine may read it; chmod o-r" if mode & stat.S_IROTH else None
