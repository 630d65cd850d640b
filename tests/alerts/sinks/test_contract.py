"""What every sink in the table keeps to. A new kind is checked by giving it an example here."""

import asyncio
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.alerts.notify import ReceiverOptions
from llmctl.alerts.sinks import TABLE
from llmctl.alerts.sinks.base import Acknowledging, NotDelivered, Sink
from llmctl.config.section import Section
from llmctl.testing.pagerduty import FakePagerDuty
from llmctl.testing.smtp import FakeSmtp
from llmctl.testing.webhook import FakeSlack
from tests.alerts.telling import alert, resolve, secret, trigger

KINDS = sorted(TABLE)
HOSTILE = alert(
    "<!channel>\r\nBcc: x@y",
    summary="a\r\nBcc: victim@example.com\n.\n<!here> \U0001f468 \x00" + "long " * 1000,
    description="\r\n.\r\n\x1b[31m" + "x" * 100_000,
    value=1e308,
)


class Everybody:
    """Somebody real to tell, for every kind; `heard` says how many notices each got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pagerduty, self.slack, self.smtp = FakePagerDuty(), FakeSlack(), FakeSmtp()

    def options(self, kind: str) -> dict[str, Any]:
        told = self.folder / "told"
        examples: dict[str, dict[str, Any]] = {
            "pagerduty": {"routing_key_file": secret(self.folder, "key"), "url": self.pagerduty.url},
            "slack": {"api_url_file": secret(self.folder, "url", self.slack.webhook), "channel": "#ops"},
            "email": {"to": ["a@x"], "from": "b@y", "smarthost": self.smtp.smarthost, "starttls": False},
            "exec": {"command": ["/bin/sh", "-c", f"cat >> {told}"]},
        }
        return examples[kind]

    def heard(self, kind: str) -> int:
        told = self.folder / "told"
        return {
            "pagerduty": len(self.pagerduty.events),
            "slack": len(self.slack.messages),
            "email": len(self.smtp.mails),
            "exec": len(told.read_text().splitlines()) if told.exists() else 0,
        }[kind]

    def sink(self, kind: str) -> Sink:
        made: Sink = TABLE[kind](TABLE[kind].Options.model_validate(self.options(kind)), "gw-1")
        return made


def test_the_table_has_what_slo_yaml_may_name() -> None:
    assert list(ReceiverOptions.model_fields) == list(TABLE)


@pytest.mark.parametrize("kind", KINDS)
def test_its_options_are_strict_and_say_what_they_mean(kind: str) -> None:
    options = TABLE[kind].Options
    assert issubclass(options, Section)
    assert all(field.description for field in options.model_fields.values())
    with pytest.raises(ValidationError, match="extra_forbidden"):
        options.model_validate({"no-such": 1})
    with pytest.raises(ValidationError):
        options.model_validate({})


@pytest.mark.parametrize("kind", KINDS)
async def test_it_tells_whatever_the_alert_says_and_may_be_closed_twice(kind: str, tmp_path: Path) -> None:
    everybody = Everybody(tmp_path)
    async with everybody.pagerduty, everybody.slack, everybody.smtp:
        sink = everybody.sink(kind)
        for notice in (
            trigger(),
            trigger(repeat=True),
            resolve(),
            *(type(trigger())(kind, HOSTILE, 0.0) for kind in ("trigger", "resolve")),
        ):
            await sink.deliver(notice)
        assert everybody.heard(kind) == 5
        await sink.close()
        await sink.close()
        await sink.deliver(trigger())
        assert everybody.heard(kind) == 6
        await sink.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_where_nobody_is_it_says_so(kind: str, tmp_path: Path) -> None:
    everybody = Everybody(tmp_path)
    async with everybody.pagerduty, everybody.slack, everybody.smtp:
        options = everybody.options(kind) | ({"command": ["/no/such"]} if kind == "exec" else {})
    sink: Sink = TABLE[kind](TABLE[kind].Options.model_validate(options), "gw-1")
    with pytest.raises(NotDelivered) as caught:
        await sink.deliver(trigger())
    assert not caught.value.uncertain
    assert caught.value.retryable is (kind != "exec")
    assert any(word in caught.value.message for word in ("onnect", "No such file"))
    await sink.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_it_can_be_cancelled(kind: str, tmp_path: Path) -> None:
    everybody = Everybody(tmp_path)
    async with everybody.pagerduty, everybody.slack, everybody.smtp:
        everybody.pagerduty.always = "hang"
        everybody.slack.faults.append("hang")
        sink = everybody.sink(kind)
        task = asyncio.create_task(sink.deliver(trigger()))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task], timeout=2)
        assert task.done()
        await sink.close()


@pytest.mark.parametrize("kind", KINDS)
def test_it_repeats_unless_it_keeps_incidents(kind: str) -> None:
    sink = TABLE[kind](None, "gw-1")
    assert sink.repeats is not isinstance(sink, Acknowledging)


def test_no_client_is_imported_before_the_first_delivery() -> None:
    program = "import sys; import llmctl.alerts.notifier; print([m for m in ('httpx', 'smtplib') if m in sys.modules])"
    assert run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"
