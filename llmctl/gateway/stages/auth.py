"""Who is calling: a virtual key becomes a `Principal`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from llmctl.clock import Clock
from llmctl.errors import Unauthorized
from llmctl.gateway.client import Client
from llmctl.model.exchange import Exchange, Principal

ANYONE = Principal(key="", tenant="default", admin=True)


@dataclass(frozen=True, slots=True)
class Key:
    """A configured key: who it makes the caller, and the salted hash of its secret."""

    principal: Principal
    hash: str


class Keyring:
    """Knows the configured keys. `split` and `verify` are those of `llmctl.config.keys`."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        clock: Clock,
        split: Callable[[str], tuple[str, str] | None],
        verify: Callable[[str, str], bool],
    ) -> None:
        self._keys = dict(keys)
        self._clock = clock
        self._split = split
        self._verify = verify

    def __bool__(self) -> bool:
        return bool(self._keys)

    def principal(self, credential: str | None) -> Principal:
        """Whose key this is; anyone's where no keys are configured. Raises Unauthorized."""
        if not self._keys:
            return ANYONE
        if not credential:
            raise Unauthorized("no API key; send `Authorization: Bearer llmctl_…` or `x-api-key`")
        parts = self._split(credential)
        key = self._keys.get(parts[0]) if parts else None
        if parts is None or key is None or not self._verify(parts[1], key.hash):
            raise Unauthorized("this API key is not known here; make one with `llmctl keys new`")
        self._unexpired(key.principal)
        return key.principal

    def renewed(self, principal: Principal) -> Principal:
        """Whom a principal's key makes the caller now, with the priority given. Raises Unauthorized."""
        if not self._keys:
            now: Principal | None = ANYONE
        else:
            now = self._keys[principal.key].principal if principal.key in self._keys else None
        if now is None or (now.key, now.tenant) != (principal.key, principal.tenant):
            raise Unauthorized("the API key that asked for this is no longer known here")
        self._unexpired(now)
        return replace(now, priority=principal.priority)

    def _unexpired(self, principal: Principal) -> None:
        if principal.expires is not None and self._clock.wall() >= principal.expires:
            raise Unauthorized("this API key has expired; ask for a new one", code="expired_api_key")


class Trusting(Keyring):
    """For a gateway that only code in this process asks: whoever it names is who asks."""

    def renewed(self, principal: Principal) -> Principal:
        """As it was given."""
        return principal


class Auth:
    """The first stage: nothing of a request is read before its sender is known."""

    name = "auth"

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `principal`. Where code in this process has set it, its key must still be one."""
        if exchange.principal is None:
            exchange.principal = self._keyring.principal(exchange.credential)
        else:
            exchange.principal = self._keyring.renewed(exchange.principal)
