"""Virtual keys: `llmctl_<id>_<secret>`. The configuration holds the id and a salted hash, never the secret.

The secret has 256 random bits, so one keyed blake2b is enough: there is nothing to guess that a slow hash would slow.
"""

import hmac
import re
import secrets
import string
from hashlib import blake2b

PREFIX = "llmctl_"
ID_LENGTH = 12
SECRET_LENGTH = 43

_CREDENTIAL = re.compile(rf"{PREFIX}([A-Za-z0-9]{{4,32}})_([A-Za-z0-9_-]{{{SECRET_LENGTH}}})")


def new_key() -> tuple[str, dict[str, str]]:
    """A fresh key, and the `id` and `hash` that `keys:` holds for it."""
    ident = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(ID_LENGTH))
    secret = secrets.token_urlsafe(32)
    salt = secrets.token_bytes(16)
    return f"{PREFIX}{ident}_{secret}", {"id": ident, "hash": f"{salt.hex()}:{_digest(secret, salt)}"}


def split(credential: str) -> tuple[str, str] | None:
    """(id, secret) of a credential in our form, or None."""
    match = _CREDENTIAL.fullmatch(credential)
    return (match[1], match[2]) if match else None


def verify(secret: str, salted_hash: str) -> bool:
    """Whether `salted_hash`, in the form `schema.KeyConfig.hash` demands, was made from `secret`. In constant time."""
    return hmac.compare_digest(_digest(secret, bytes.fromhex(salted_hash[:32])), salted_hash[33:])


def _digest(secret: str, salt: bytes) -> str:
    return blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=32, key=salt).hexdigest()
