"""Messages for a Slack channel."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llmctl.alerts.notify import SlackOptions
from llmctl.alerts.sinks.base import NotDelivered
from llmctl.alerts.sinks.slack import Slack
from llmctl.testing.webhook import FakeSlack
from tests.alerts.telling import resolve, secret, trigger


@pytest.fixture
async def fake() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        yield slack


def made(fake: FakeSlack, folder: Path) -> Slack:
    return Slack(SlackOptions(api_url_file=secret(folder, "url", fake.webhook), channel="#llm-ops"), "gw-1")


async def test_a_message_says_what_and_what_to_do(fake: FakeSlack, tmp_path: Path) -> None:
    sink = made(fake, tmp_path)
    await sink.deliver(trigger())
    await sink.deliver(trigger(severity="ticket", repeat=True, at=1.5))
    await sink.deliver(resolve())
    first = fake.messages[0]
    assert (first["channel"], first["username"]) == ("#llm-ops", "llmctl")
    assert first["attachments"] == [
        {
            "fallback": "[firing] llmctl: guards burns its error budget 14.4 times too fast",
            "title": "[firing] llmctl: guards burns its error budget 14.4 times too fast",
            "text": "2% of 1h's judgements of the guard failed.\nrunbooks/guard-failures.md",
            "color": "danger",
            "footer": "llmctl on gw-1, guard=a",
            "ts": 1767225600,
        }
    ]
    shown = [(one["attachments"][0]["title"].split("]")[0], one["attachments"][0]["color"]) for one in fake.messages]
    assert shown == [("[firing", "danger"), ("[still firing", "warning"), ("[resolved", "good")]
    await sink.close()


async def test_an_alert_cannot_call_everybody(fake: FakeSlack, tmp_path: Path) -> None:
    sink = made(fake, tmp_path)
    await sink.deliver(trigger("<!channel>", summary="<!here> & <https://evil|this>", description="<@U1>"))
    assert "<" not in str(fake.messages)
    assert "&lt;!here&gt; &amp;" in str(fake.messages)
    await sink.close()


@pytest.mark.parametrize(
    ("fault", "retryable"),
    [((403, "invalid_token"), False), ((404, "no_service"), False), ((302, ""), False), ((500, "oops"), True)],
)
async def test_what_it_answers_is_told_without_the_webhook(
    fake: FakeSlack, tmp_path: Path, fault: tuple[int, str], retryable: bool
) -> None:
    fake.faults.append((fault[0], f"{fault[1]} {fake.webhook}" if fault[1] else ""))
    sink = made(fake, tmp_path)
    with pytest.raises(NotDelivered) as caught:
        await sink.deliver(trigger())
    await sink.close()
    said = f"{fault[1]} ********" if fault[1] else ""
    assert caught.value.message == f"the Slack webhook: answered {fault[0]}{': ' if said else ''}{said}"
    assert caught.value.retryable is retryable
