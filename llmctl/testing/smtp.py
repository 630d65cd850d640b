"""A small mail server on a loopback port (RFC 5321): keeps what it gets; STARTTLS and AUTH PLAIN where told."""

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as it came. `user` is who logged in."""

    sender: str
    to: tuple[str, ...]
    message: EmailMessage
    encrypted: bool
    user: str | None


class FakeSmtp:
    """`mails` are those that were taken. `says` answers a command in place of the server where it returns a line."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, users: dict[str, str] | None = None) -> None:
        """With `tls` it offers STARTTLS; with `users`, passwords by name, whoever sends must log in."""
        self.mails: list[Mail] = []
        self.says: Callable[[str], str | None] = lambda command: None
        self._tls, self._users = tls, users or {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=2**24)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def smarthost(self) -> str:
        """`host:port`."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await _Dialogue(self.mails, self.says, self._tls, self._users, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            self._writers.discard(writer)
            writer.close()


class _Dialogue:
    def __init__(
        self,
        mails: list[Mail],
        says: Callable[[str], str | None],
        tls: ssl.SSLContext | None,
        users: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._mails, self._says, self._tls, self._users = mails, says, tls, users
        self._reader, self._writer = reader, writer
        self._encrypted = False
        self._user: str | None = None
        self._sender, self._to = "", list[str]()

    async def run(self) -> None:
        await self._reply("220 fake ESMTP")
        while line := await self._reader.readline():
            command = line.decode("utf-8", errors="replace").strip()
            verb = command.partition(" ")[0].upper()
            if (said := self._says(command)) is not None:
                await self._reply(said)
            elif verb == "DATA":
                await self._data()
            elif verb == "STARTTLS" and self._tls is not None:
                await self._reply("220 go ahead")
                await self._writer.start_tls(self._tls)
                self._encrypted = True
            else:
                await self._reply(self._answer(verb, command))
                if verb == "QUIT":
                    return

    def _answer(self, verb: str, command: str) -> str:
        if verb == "EHLO":
            offered = ["STARTTLS"] if self._tls is not None and not self._encrypted else []
            offered += ["AUTH PLAIN"] if self._users else []
            return "\r\n".join([*(f"250-{one}" for one in ["fake", *offered]), "250 8BITMIME"])
        if verb == "AUTH":
            _, user, password = base64.b64decode(command.split()[2]).decode().split("\0")
            if self._users.get(user) != password:
                return "535 5.7.8 credentials invalid"
            self._user = user
            return "235 welcome"
        if verb == "MAIL":
            if self._users and self._user is None:
                return "530 5.7.0 authentication required"
            self._sender, self._to = _address(command), []
        elif verb == "RCPT":
            self._to.append(_address(command))
        elif verb not in ("HELO", "RSET", "NOOP", "QUIT"):
            return "502 not implemented"
        return "221 bye" if verb == "QUIT" else "250 ok"

    async def _data(self) -> None:
        await self._reply("354 go ahead")
        data = await self._reader.readuntil(b"\r\n.\r\n")
        text = data[:-3].replace(b"\r\n..", b"\r\n.").replace(b"\r\n", b"\n")
        message = message_from_bytes(text, _class=EmailMessage, policy=policy.default)
        self._mails.append(Mail(self._sender, tuple(self._to), message, self._encrypted, self._user))
        await self._reply("250 queued")

    async def _reply(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")
        await self._writer.drain()


def _address(command: str) -> str:
    return command.partition("<")[2].partition(">")[0]
