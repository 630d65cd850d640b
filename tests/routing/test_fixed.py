from random import Random

from llmctl.model.record import Decision
from llmctl.routing.fixed import Fixed, FixedOptions
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange


def test_it_always_takes_its_model_and_draws_nothing() -> None:
    random = Random(1)
    before = random.getstate()
    chosen = Fixed(FixedOptions(model="m")).choose(exchange(ManualClock()), random)
    assert chosen == Decision("m", "fixed", "named", 1.0)
    assert random.getstate() == before
