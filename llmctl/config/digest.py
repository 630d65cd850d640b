"""The policy digest: which configuration an exchange was served under."""

import json
from hashlib import blake2b
from typing import Any

from llmctl.config.secrets import masked


def digest(tree: dict[str, Any]) -> str:
    """blake2b-128 hex of canonical JSON of `tree`, secrets masked. Order, comments and rotated secrets do not count."""
    canonical = json.dumps(masked(tree), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake2b(canonical.encode(), digest_size=16).hexdigest()
