"""One file per routing strategy; `TABLE` lists them."""

from typing import Any

from llmctl.routing.bandit import Bandit
from llmctl.routing.cascade import Cascade
from llmctl.routing.complexity import Complexity
from llmctl.routing.cost import Cost
from llmctl.routing.fixed import Fixed
from llmctl.routing.latency import Latency
from llmctl.routing.prefix import Prefix
from llmctl.routing.semantic import Semantic
from llmctl.routing.weighted import Weighted

# `kind` in the configuration → class taking its decoded Options. Typed by tests/routing/test_contract.py.
TABLE: dict[str, type[Any]] = {
    "fixed": Fixed,
    "weighted": Weighted,
    "complexity": Complexity,
    "cost": Cost,
    "latency": Latency,
    "cascade": Cascade,
    "semantic": Semantic,
    "bandit": Bandit,
    "prefix": Prefix,
}
