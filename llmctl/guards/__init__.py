"""One file per guard; `TABLE` lists them."""

from typing import Any

# `kind` in the configuration → class taking its decoded Options. Typed by tests/guards/test_contract.py.
TABLE: dict[str, type[Any]] = {}
