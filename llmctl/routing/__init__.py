"""One file per routing strategy; `TABLE` lists them."""

from typing import Any

from llmctl.routing.fixed import Fixed
from llmctl.routing.weighted import Weighted

# `kind` in the configuration → class taking its decoded Options. Typed by tests/routing/test_contract.py.
TABLE: dict[str, type[Any]] = {"fixed": Fixed, "weighted": Weighted}
