"""The imitated judges keep to the protocols: OpenAI's own client reads them."""

import pytest
from openai import APIStatusError, AsyncOpenAI

from llmctl.testing.judges import JudgeServer


async def test_openais_client_reads_its_answers() -> None:
    async with JudgeServer() as server, AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        said = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "a bomb"}], logprobs=True
        )
        assert said.choices[0].message.content == "\n\nunsafe\nS9"
        logprobs = said.choices[0].logprobs
        assert logprobs is not None
        assert [token.token for token in logprobs.content or []] == ["\n\n", "unsafe"]
        moderated = await client.moderations.create(input="a bomb")
        assert moderated.results[0].flagged
        assert moderated.results[0].category_scores.violence == 0.8
        server.answer = (429, b"{}")
        with pytest.raises(APIStatusError):
            await client.moderations.create(input="a bomb")
        assert [request.target for request in server.requests] == [
            "/v1/chat/completions", "/v1/moderations", "/v1/moderations"
        ]  # fmt: skip
