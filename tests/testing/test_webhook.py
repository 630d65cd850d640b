"""The imitated Slack webhook."""

import httpx
import pytest

from llmctl.testing.webhook import FakeSlack


async def test_it_answers_as_slack_does() -> None:
    async with FakeSlack() as fake, httpx.AsyncClient() as client:
        answer = await client.post(fake.webhook, json={"text": "hi"})
        assert (answer.status_code, answer.text) == (200, "ok")
        assert (await client.post(fake.webhook, content=b"{")).text == "invalid_payload"
        assert (await client.post(fake.webhook, json={})).text == "no_text"
        assert (await client.post(fake.url + "/services/other", json={"text": "x"})).text == "no_service"
        fake.faults.extend([(429, "rate_limited"), "hang"])
        assert (await client.post(fake.webhook, json={"text": "x"})).status_code == 429
        with pytest.raises(httpx.ReadTimeout):
            await client.post(fake.webhook, json={"text": "x"}, timeout=0.05)
    assert fake.messages == [{"text": "hi"}]
