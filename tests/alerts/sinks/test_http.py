"""Posting: every way in which it fails, and what is said of it."""

from typing import Any

import pytest

from llmctl.alerts.sinks.base import NotDelivered
from llmctl.alerts.sinks.http import Poster, retry_after, shown
from llmctl.testing.pagerduty import FakePagerDuty

SECRET = "s3cr3t-s3cr3t"
NOW = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("fault", "said", "uncertain"),
    [
        (429, "them: answered 429: {", False),
        (408, "them: answered 408: {", False),
        (503, "them: answered 503: {", True),
        ("hang", "them: no answer within 0.1 s", True),
        ("lost", "them: the connection broke (ReadError)", True),
    ],
)
async def test_what_may_work_later_says_so(fault: Any, said: str, uncertain: bool) -> None:
    poster = Poster(timeout=0.1)
    async with FakePagerDuty() as fake:
        fake.faults.append(fault)
        with pytest.raises(NotDelivered) as caught:
            await poster.post("them", fake.enqueue, {}, SECRET)
    await poster.close()
    assert caught.value.message.startswith(said)
    assert (caught.value.retryable, caught.value.uncertain) == (True, uncertain)


@pytest.mark.parametrize("url", ["not a url", "ftp://x/" + SECRET, "https:///" + SECRET])
async def test_an_url_that_is_none_is_not_quoted(url: str) -> None:
    poster = Poster(timeout=0.5)
    with pytest.raises(NotDelivered) as caught:
        await poster.post("them", url, {}, SECRET)
    await poster.close()
    assert not caught.value.retryable
    assert SECRET not in caught.value.message


async def test_connections_are_kept(capfd: pytest.CaptureFixture[str]) -> None:
    poster = Poster()
    async with FakePagerDuty() as fake:
        for _ in range(3):
            assert (await poster.post("them", fake.enqueue, {}, SECRET))[0] == 400
        assert len(fake._connections) == 1
        await poster.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "now", "seconds"),
    [
        (None, None, None),
        ("30", None, 30.0),
        ("1.5", None, 1.5),
        ("-3", None, None),
        ("nan", NOW, None),
        ("9" * 400, None, None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", NOW, 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", NOW, 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", None, None),
        ("Thu, 99 Jan 2026 00:01:00 GMT", NOW, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, now: str | None, seconds: float | None) -> None:
    assert retry_after(value, now) == seconds


def test_foreign_text_is_one_short_line_without_secrets() -> None:
    assert shown(f"a\n b\x1b[31m {SECRET}" + "x" * 500, SECRET)[:20] == "a b[31m ********xxxx"
    assert len(shown("x" * 500, SECRET)) == 200
