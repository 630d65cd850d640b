"""A program of the operator's own: it gets the notice as JSON on standard input, and says by its status how it went."""

import asyncio
import contextlib
import errno
import os
import signal
from typing import ClassVar

from llmctl.alerts.alert import Notice
from llmctl.alerts.notify import ExecOptions
from llmctl.alerts.sinks.base import NotDelivered
from llmctl.alerts.sinks.http import shown
from llmctl.model.json import encode

# Keys of the gateway's providers stand in its environment; none of that is the program's business.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
TEMPORARY = 75
"""EX_TEMPFAIL of sysexits.h."""
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ETXTBSY})
_MOST = 4096


class Exec:
    """A program. Status 0 is delivered; 75 and death by a signal are tried again; anything else is not."""

    Options: ClassVar[type[ExecOptions]] = ExecOptions
    repeats: ClassVar[bool] = True

    def __init__(self, options: ExecOptions, host: str) -> None:
        """`host` is the machine that alerts are said to come from."""
        self._options = options
        self._host = host

    async def deliver(self, notice: Notice) -> None:
        """Run it, in a session of its own."""
        whom = self._options.command[0]
        try:
            process = await self._started()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "the command cannot be run"
            raise NotDelivered(f"{whom}: {why}", retryable=getattr(error, "errno", None) in _SCARCE) from None
        said: str | None = None
        try:
            async with asyncio.timeout(self._options.timeout):
                said = await _talk(process, self._told(notice))
                status = await process.wait()
        except TimeoutError:
            message = f"{whom}: not done within {self._options.timeout:g} s, and killed"
            raise NotDelivered(message, retryable=True, uncertain=True) from None
        finally:
            if process.returncode is None or said is None:
                await _end(process)
        if status != 0:
            how = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
            reason = f"{whom}: {how}{': ' if said else ''}{said}"
            raise NotDelivered(reason, retryable=status in (TEMPORARY,) or status < 0, uncertain=status < 0)

    async def _started(self) -> asyncio.subprocess.Process:
        """The program. One whose start is cancelled may run already, and is ended. Raises OSError, ValueError."""
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self._options.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError, ValueError):
                await _end(await starting)
            raise

    async def close(self) -> None:
        """Nothing is kept open."""

    def _told(self, notice: Notice) -> bytes:
        alert = notice.alert
        return encode(
            {
                "status": "resolved" if notice.kind == "resolve" else "firing",
                "repeat": notice.repeat,
                "at": notice.at,
                "key": alert.key,
                "name": alert.name,
                "severity": alert.severity,
                "service": alert.service,
                "slo": alert.slo,
                "labels": dict(alert.labels),
                "summary": alert.summary,
                "description": alert.description,
                "runbook": alert.runbook,
                "value": alert.value,
                "since": alert.since,
                "host": self._host,
            }
        )


async def _talk(process: asyncio.subprocess.Process, told: bytes) -> str:
    """Hand over what it is told; the start of what it complains of."""
    assert process.stdin is not None
    assert process.stderr is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may end without having read
        process.stdin.write(told + b"\n")
        await process.stdin.drain()
    process.stdin.close()
    kept = b""
    while piece := await process.stderr.read(_MOST):
        kept = (kept + piece)[:_MOST]
    return shown(kept.decode("utf-8", errors="replace"), "\x00")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of its session, and wait for it, also where this is cancelled."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())
