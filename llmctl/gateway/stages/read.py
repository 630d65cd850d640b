"""The request's body arrives and is validated."""

from llmctl.gateway.client import Client
from llmctl.model.exchange import Exchange


class Read:
    """Waits for the client's request; what is wrong with it stops the exchange here."""

    name = "read"

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `payload`, `raw`, `stream` and `requested_model`."""
        await client.read(exchange)
