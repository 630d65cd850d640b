"""The imitated batch API, asked by the official client."""

import json
from collections import deque

import pytest
from openai import APIConnectionError, AsyncOpenAI, RateLimitError

from llmctl.testing.batch_provider import BatchProvider


async def test_the_official_client_gets_along_with_it() -> None:
    async with BatchProvider(polls=1) as fake, AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as api:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
        data = json.dumps(line).encode() + b"\n"
        fake.faults = {"create": deque([429, "lost"])}
        fake.files["file-x"] = data
        for kind in (RateLimitError, APIConnectionError):
            with pytest.raises(kind):
                await api.batches.create(
                    input_file_id="file-x", endpoint="/v1/chat/completions", completion_window="24h"
                )
        [batch] = (await api.batches.list()).data
        done = await api.batches.retrieve(batch.id)
        assert (done.status, done.error_file_id, fake.paid) == ("completed", None, {"hi": 1})
        assert done.output_file_id is not None
        content = (await api.files.content(done.output_file_id)).content
        assert json.loads(content)["response"]["body"]["choices"][0]["message"]["content"] == "re: hi"
        assert (await api.batches.cancel(batch.id)).status == "cancelled"
