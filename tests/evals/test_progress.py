from io import StringIO

from rich.console import Console

from llmctl.evals.budget import Budget
from llmctl.evals.progress import Watched, spent
from llmctl.model.usage import Cost
from llmctl.scoring.result import Result
from llmctl.testing.clock import ManualClock


def budget(limit: float | None, *costs: float | None) -> Budget:
    made = Budget(limit)
    for usd in costs:
        made.spend(Result("i", 0, 0, "v", 1.0, True, cost=Cost(usd, "exact") if usd is not None else Cost()))
    return made


def test_a_price_nobody_knows_is_never_nothing() -> None:
    assert spent(budget(None)) == ""
    assert spent(budget(None, 0.5, None)) == "$0.5000 + 1 answers without a known price"
    assert spent(budget(None, None)) == "1 answers without a known price"
    assert spent(budget(2.0, 0.5)) == "$0.5000 of $2.0000"


def test_a_terminal_sees_how_far_it_is_and_others_nothing() -> None:
    for terminal in (True, False):
        out = StringIO()
        clock = ManualClock()
        console = Console(file=out, force_terminal=terminal, width=120)
        with Watched(10, budget(None, 0.25), clock, console) as tick:
            tick(4, 1)
            clock.advance(1)
            tick(7, 1)
        assert ("7/10" in out.getvalue() and "$0.2500, 1 errors" in out.getvalue()) is terminal
