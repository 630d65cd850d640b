"""Posting JSON to a webhook."""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from llmctl.alerts.sinks.base import TIMEOUT, NotDelivered

if TYPE_CHECKING:
    from httpx import AsyncClient

_MOST = 64 * 1024
_SHOWN = 200
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


class Poster:
    """A client that is made with the first request. It follows no redirects; proxies are those of the environment."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """`timeout` is in seconds, for a whole request."""
        self._timeout = timeout
        self._client: AsyncClient | None = None

    async def post(self, whom: str, url: str, body: Mapping[str, Any], secret: str) -> tuple[int, str]:
        """Status and text of the answer to `body`. `whom` names the other side in errors, which never have `secret`.

        Raises NotDelivered where there is no answer, or one that says to come back: 408, 429 and 5xx.
        """
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout)
        try:
            async with asyncio.timeout(self._timeout), self._client.stream("POST", url, json=body) as response:
                text = shown(await _start(response), secret)
                status, headers = response.status_code, response.headers
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            why = shown(str(error), secret) or type(error).__name__
            raise NotDelivered(f"{whom}: no connection ({why})", retryable=True) from None
        except (TimeoutError, httpx.TimeoutException):
            message = f"{whom}: no answer within {self._timeout:g} s"
            raise NotDelivered(message, retryable=True, uncertain=True) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise NotDelivered(f"{whom}: its URL is none; write it as https://…", retryable=False) from None
        except httpx.HTTPError as error:
            message = f"{whom}: the connection broke ({type(error).__name__})"
            raise NotDelivered(message, retryable=True, uncertain=True) from None
        if status in (408, 429) or status >= 500:
            message = f"{whom}: answered {status}{': ' if text else ''}{text}"
            after = retry_after(headers.get("retry-after"), headers.get("date"))
            raise NotDelivered(message, retryable=True, uncertain=status >= 500, retry_after=after)
        return status, text

    async def close(self) -> None:
        """Give back connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def retry_after(value: str | None, now: str | None) -> float | None:
    """Seconds from a Retry-After, which may be a date (RFC 9110); `now` is the answer's own Date."""
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    until, at = _date(value), _date(now)
    if until is None or at is None:
        return None
    return max((until - at).total_seconds(), 0.0)


def shown(text: str, secret: str) -> str:
    """A line of foreign text that may stand in a log."""
    line = " ".join(text.replace(secret, "********").split())
    return "".join(char for char in line if char.isprintable())[:_SHOWN]


def _date(value: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


async def _start(response: Any) -> str:
    read = bytearray()
    async for piece in response.aiter_bytes():
        read += piece
        if len(read) >= _MOST:
            break
    return read[:_MOST].decode("utf-8", errors="replace")
