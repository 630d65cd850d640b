"""Slack, or what takes its incoming webhooks (Mattermost, Rocket.Chat, Discord's /slack).

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import asyncio
from typing import Any, ClassVar

from llmctl.alerts.alert import Notice
from llmctl.alerts.notify import SlackOptions
from llmctl.alerts.sinks.base import TIMEOUT, NotDelivered, read_secret
from llmctl.alerts.sinks.http import Poster
from llmctl.alerts.slo import Severity

COLOUR: dict[Severity, str] = {"page": "danger", "ticket": "warning"}
_LONGEST = 3000
_WHOM = "the Slack webhook"
# https://docs.slack.dev/messaging/formatting-message-text: only these three are to be escaped.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack:
    """A channel behind a webhook."""

    Options: ClassVar[type[SlackOptions]] = SlackOptions
    repeats: ClassVar[bool] = True

    def __init__(self, options: SlackOptions, host: str, timeout: float = TIMEOUT) -> None:
        """`host` is the machine that alerts are said to come from; `timeout` is in seconds."""
        self._options = options
        self._host = host
        self._poster = Poster(timeout)

    async def deliver(self, notice: Notice) -> None:
        """Write a message."""
        url = await asyncio.to_thread(read_secret, self._options.api_url_file)
        status, text = await self._poster.post(_WHOM, url, self._message(notice), url)
        if not 200 <= status < 300:
            raise NotDelivered(f"{_WHOM}: answered {status}{': ' if text else ''}{text}", retryable=False)

    async def close(self) -> None:
        """Give back connections."""
        await self._poster.close()

    def _message(self, notice: Notice) -> dict[str, Any]:
        alert, over = notice.alert, notice.kind == "resolve"
        title = f"[{'resolved' if over else 'still firing' if notice.repeat else 'firing'}] {alert.summary}"
        text = f"{alert.description}\n{alert.runbook}"
        labels = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))
        return {
            "channel": self._options.channel,
            "username": "llmctl",
            "attachments": [
                {
                    "fallback": _plain(title),
                    "title": _plain(title),
                    "text": _plain(text),
                    "color": "good" if over else COLOUR[alert.severity],
                    "footer": _plain(f"{alert.service} on {self._host}{', ' if labels else ''}{labels}"),
                    "ts": int(notice.at),
                }
            ],
        }


def _plain(text: str) -> str:
    """Text in which `<!channel>` and links are no more than text."""
    return text[:_LONGEST].translate(_ESCAPED)
