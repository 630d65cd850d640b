from random import Random

from llmctl.model.record import Decision
from llmctl.routing.fixed import Fixed, FixedOptions
from tests.routing.asking import asked, healthy


def test_it_always_takes_its_model() -> None:
    chosen = Fixed(FixedOptions(model="m"), {}).choose(["m"], asked(), healthy("m"), Random(1))
    assert chosen == Decision("m", "fixed", "named", 1.0)
