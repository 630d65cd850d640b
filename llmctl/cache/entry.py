"""One kept answer, and its bytes on disk: ours, so that whoever can write the folder cannot make us run anything.

    magic "LCE" and version (4 bytes) | blake2b-128 of the body, keyed if there is a secret | body (MessagePack)

The tenant is in the body and is compared at every reading, whatever the key says.
"""

import hmac
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from llmctl.errors import StoreError
from llmctl.model.usage import NO_USAGE, Usage

MAGIC = b"LCE\x01"
SUM = 16
HEAD = len(MAGIC) + SUM
MAX_SECRET = 64

Age = Literal["fresh", "stale", "dead"]
Fault = Literal["foreign", "version", "corrupted", "tenant"]


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """A whole answer: `raw` is the JSON an OpenAI client gets. `created` is seconds since the epoch.

    `ttl` and `stale` are seconds: so long it is fresh, and so long after that it may still be served while a new one is
    fetched, or where none can be had. `text` and `vector` (little-endian float16) are the request's, for finding it by
    meaning; empty where that is not wanted. `policy` is the digest of what its guards, models and routes were; `route`
    the name that was asked for. What a policy has learnt is kept as an entry too, whose operation is "policy".
    """

    key: bytes
    partition: bytes
    tenant: str
    raw: bytes
    model: str
    created: float
    ttl: float
    stale: float = 0.0
    provider: str = ""
    operation: str = "chat"
    policy: str = ""
    usage: Usage = NO_USAGE
    text: str = ""
    vector: bytes = b""
    route: str = ""

    def age(self, now: float) -> float:
        """Seconds since it was made; 0 where clocks disagree."""
        return max(0.0, now - self.created)

    def state(self, now: float) -> Age:
        """Whether it may be served at `now`, seconds since the epoch."""
        age = self.age(now)
        return "fresh" if age < self.ttl else "stale" if age < self.ttl + self.stale else "dead"

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return len(self.raw) + len(self.text) + len(self.vector) + 400


class Unreadable(StoreError):
    """Bytes that are not an entry for this key and tenant. `fault` says why."""

    code = "cache_entry_unreadable"

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Codec:
    """Entries to bytes and back. With a secret, bytes that somebody else wrote are refused too."""

    def __init__(self, secret: bytes = b"") -> None:
        """`secret` of any length."""
        self._secret = secret if len(secret) <= MAX_SECRET else blake2b(secret).digest()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Entry).decode

    def encode(self, entry: Entry) -> bytes:
        """The bytes of an entry."""
        body = self._encode(entry)
        return MAGIC + self._sum(body) + body

    def decode(self, data: bytes, key: bytes, tenant: str | None = None) -> Entry:
        """The entry in `data`, which must be of this key and tenant (any, if None). Raises Unreadable."""
        if data[:3] != MAGIC[:3]:
            raise Unreadable("foreign", "not an entry of this cache")
        if data[: len(MAGIC)] != MAGIC:
            raise Unreadable("version", f"an entry of format {data[3:4].hex() or 'unknown'}, not {MAGIC[3:].hex()}")
        body = data[HEAD:]
        if not hmac.compare_digest(data[len(MAGIC) : HEAD], self._sum(body)):
            raise Unreadable("corrupted", "an entry whose checksum is wrong")
        try:
            entry = self._decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise Unreadable("corrupted", "an entry that cannot be decoded") from None
        if entry.key != key:
            raise Unreadable("foreign", "the entry of another key")
        if tenant is not None and entry.tenant != tenant:
            raise Unreadable("tenant", "the entry of another tenant")
        return entry

    def _sum(self, body: bytes) -> bytes:
        return blake2b(body, digest_size=SUM, key=self._secret, person=b"llmctl entry").digest()
