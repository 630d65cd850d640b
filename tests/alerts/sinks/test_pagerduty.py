"""PagerDuty's Events API v2, to the letter."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llmctl.alerts.notify import PagerDutyOptions
from llmctl.alerts.sinks.base import NotDelivered
from llmctl.alerts.sinks.pagerduty import PagerDuty
from llmctl.testing.pagerduty import KEY, FakePagerDuty
from tests.alerts.telling import alert, resolve, secret, trigger


@pytest.fixture
async def fake() -> AsyncIterator[FakePagerDuty]:
    async with FakePagerDuty() as pagerduty:
        yield pagerduty


def made(fake: FakePagerDuty, folder: Path, **options: Any) -> PagerDuty:
    return PagerDuty(PagerDutyOptions(routing_key_file=secret(folder, "key"), url=fake.url, **options), "gw-1")


async def test_an_incident_from_its_beginning_to_its_end(fake: FakePagerDuty, tmp_path: Path) -> None:
    sink = made(fake, tmp_path, client_url="https://gw/console", runbook_url="https://git/ops/")
    await sink.deliver(trigger())
    key = alert().key
    assert fake.events == [
        {
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": key,
            "client": "llmctl",
            "client_url": "https://gw/console",
            "links": [{"href": "https://git/ops/runbooks/guard-failures.md", "text": "Runbook"}],
            "payload": {
                "summary": "llmctl: guards burns its error budget 14.4 times too fast",
                "source": "gw-1",
                "severity": "critical",
                "timestamp": "2026-01-01T00:00:00.250+00:00",
                "component": "llmctl",
                "group": "guards",
                "class": "LlmctlGuardsBurn1h",
                "custom_details": {
                    "description": "2% of 1h's judgements of the guard failed.",
                    "runbook": "runbooks/guard-failures.md",
                    "value": 0.02,
                    "labels": {"guard": "a"},
                },
            },
        }
    ]
    await sink.acknowledge(alert())
    assert fake.state(key) == "acknowledged"
    await sink.deliver(resolve())
    assert fake.state(key) == "resolved"
    assert fake.events[1:] == [
        {"routing_key": KEY, "event_action": action, "dedup_key": key} for action in ("acknowledge", "resolve")
    ]
    await sink.close()


async def test_a_ticket_is_a_warning_and_links_are_left_out_where_there_are_none(
    fake: FakePagerDuty, tmp_path: Path
) -> None:
    sink = made(fake, tmp_path)
    await sink.deliver(trigger(severity="ticket", summary="s" * 2000))
    [event] = fake.events
    assert event["payload"]["severity"] == "warning"
    assert len(event["payload"]["summary"]) == 1024
    assert not {"links", "client_url"} & set(event)
    await sink.close()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("short", "PagerDuty: answered 400: Event object is invalid: Length of 'routing_key' is incorrect"),
        ("f" * 32, "PagerDuty: answered 400: Event object is invalid: Invalid routing key"),
    ],
)
async def test_what_it_refuses_is_given_up(tmp_path: Path, key: str, said: str) -> None:
    async with FakePagerDuty(routing_keys=frozenset([KEY])) as fake:
        sink = PagerDuty(PagerDutyOptions(routing_key_file=secret(tmp_path, "k", key), url=fake.url), "gw-1")
        with pytest.raises(NotDelivered) as caught:
            await sink.deliver(trigger())
        await sink.close()
    assert caught.value.message.startswith(said)
    assert (caught.value.retryable, caught.value.uncertain) == (False, False)


@pytest.mark.parametrize(("status", "retryable"), [(200, False), (403, False), (404, False), (429, True), (500, True)])
async def test_only_202_is_yes(fake: FakePagerDuty, tmp_path: Path, status: int, retryable: bool) -> None:
    fake.always, fake.retry_after = status, "7"
    sink = made(fake, tmp_path)
    with pytest.raises(NotDelivered, match=f"^PagerDuty: answered {status}: ") as caught:
        await sink.deliver(trigger())
    await sink.close()
    assert caught.value.retryable is retryable
    assert caught.value.retry_after == (7.0 if retryable else None)


async def test_the_key_is_read_each_time(fake: FakePagerDuty, tmp_path: Path) -> None:
    sink = made(fake, tmp_path)
    await sink.deliver(trigger())
    secret(tmp_path, "key", "b" * 32)
    await sink.deliver(resolve())
    assert [event["routing_key"] for event in fake.events] == [KEY, "b" * 32]
    await sink.close()
