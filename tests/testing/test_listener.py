"""What imitated services have in common."""

import httpx
import pytest

from llmctl.providers.script_engine import Action, Hang, Head, Send
from llmctl.testing.listener import Listener
from llmctl.testing.scripted_connection import Received


class Echo(Listener):
    def plan(self, received: Received) -> list[Action]:
        if received.target == b"/hang":
            return [Hang()]
        return [Head(200, {}, len(received.target)), Send(received.target)]


async def test_it_answers_on_its_own_port_and_breaks_off_at_the_end() -> None:
    async with httpx.AsyncClient() as client:
        async with Echo() as one, Echo() as other:
            assert one.port != other.port
            assert (await client.get(one.url + "/a")).text == "/a"
            with pytest.raises(httpx.ReadTimeout):
                await client.get(other.url + "/hang", timeout=0.05)
        with pytest.raises(httpx.ConnectError):
            await client.get(one.url)
