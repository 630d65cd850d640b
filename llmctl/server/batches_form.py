"""`multipart/form-data` as it arrives, with bounds: small fields are kept, the one file goes where it is told.

Source: RFC 7578, and RFC 2046 section 5.1.1 for the framing. Strict: no preamble, no nesting, no transfer encodings.
"""

import re
from collections.abc import Awaitable, Callable

from llmctl.errors import InvalidRequest

MOST_HEADERS = 8192
MOST_FIELD = 4096
MOST_PARTS = 16

_TYPE = re.compile(
    r'multipart/form-data\s*;(?:[^"]*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)', re.IGNORECASE
)
_PARAMETER = re.compile(r';\s*([a-z]+)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)

Sink = Callable[[bytes], Awaitable[None]]


def boundary(content_type: str) -> bytes:
    """What separates the parts. Raises InvalidRequest."""
    found = _TYPE.match(content_type)
    if found is None:
        raise InvalidRequest("send the file as multipart/form-data, with the fields `purpose` and `file`")
    return (found[1] or found[2]).encode("latin-1")


class Form:
    """Feed it the body; `file` gets the content of the part of that name. `fields` and `filename` are what came."""

    def __init__(self, boundary: bytes, file: Sink) -> None:
        self._between = b"\r\n--" + boundary
        self._sink = file
        self._data = b"\r\n"  # so that the first delimiter is like the others
        self._step = self._preamble
        self._parts = 0
        self._name = ""
        self._value = b""
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.complete = False

    async def feed(self, data: bytes) -> None:
        """Some more of the body; what follows the end is passed over. Raises InvalidRequest, and what the sink does."""
        if self.complete:
            return
        self._data += data
        while not self.complete and await self._step():
            pass

    async def _preamble(self) -> bool:
        if len(self._data) < len(self._between):
            return False
        if not self._data.startswith(self._between):
            raise InvalidRequest("the form does not begin with its boundary")
        self._data = self._data[len(self._between) :]
        self._step = self._delimited
        return True

    async def _delimited(self) -> bool:
        """Behind a delimiter: the end, or a part."""
        if len(self._data) < 2:
            return False
        if self._data.startswith(b"--"):
            self.complete = True
            return False
        if not self._data.startswith(b"\r\n"):
            raise InvalidRequest("the form's boundary is not followed by a line's end")
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise InvalidRequest(f"the form has more than {MOST_PARTS} parts")
        self._step = self._headers  # the line's end stays: a part may have no headers, which is then seen
        return True

    async def _headers(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end > MOST_HEADERS or (end < 0 and len(self._data) > MOST_HEADERS):
            raise InvalidRequest(f"the headers of a part of the form are over {MOST_HEADERS} bytes")
        if end < 0:
            return False
        self._begin(self._data[:end].decode("utf-8", "replace"))
        self._data = self._data[end + 4 :]
        self._step = self._content
        return True

    def _begin(self, headers: str) -> None:
        named = (line for line in headers.split("\r\n") if line.lower().startswith("content-disposition:"))
        disposition = next(named, "")
        found = {name.lower(): value for name, value in _PARAMETER.findall(disposition)}
        self._name, self._value = found.get("name", ""), b""
        if not self._name:
            raise InvalidRequest("a part of the form has no name")
        if self._name in self.fields or (self._name == "file" and self.filename is not None):
            raise InvalidRequest(f"the form has `{self._name[:80]}` twice", param=self._name[:80])
        if self._name == "file":
            self.filename = _unescaped(found.get("filename", "")) or "upload"

    async def _content(self) -> bool:
        end = self._data.find(self._between)
        # What could be the begin of a delimiter waits for more.
        safe = end if end >= 0 else max(0, len(self._data) - len(self._between) + 1)
        await self._take(self._data[:safe])
        if end < 0:
            self._data = self._data[safe:]
            return False
        if self._name != "file":
            self.fields[self._name] = self._value.decode("utf-8", "replace")
        self._data = self._data[end + len(self._between) :]
        self._step = self._delimited
        return True

    async def _take(self, data: bytes) -> None:
        if self._name == "file":
            if data:
                await self._sink(data)
            return
        self._value += data
        if len(self._value) > MOST_FIELD:
            raise InvalidRequest(f"the form's `{self._name[:80]}` is over {MOST_FIELD} bytes", param=self._name[:80])


def _unescaped(name: str) -> str:
    """A file's name as browsers and HTTP libraries escape it, without what no name has."""
    plain = re.sub(r"\\(.)", r"\1", name.replace("%22", '"'))
    return "".join(each for each in plain if each.isprintable())[:255]
