"""Whether an experiment could be run."""

from pathlib import Path

import pytest

from llmctl.chaos.checked import checked
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from tests.chaos.drills import written
from tests.chaos.test_load import SHIPPED

NOBODY = Environment({})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_that_each_one_that_ships_could_be(path: Path) -> None:
    assert checked(path, NOBODY).config.name == path.stem


def test_that_the_gateways_mistakes_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, {"world.gateway.routes.chain.kind": "fixd"})
    with pytest.raises(ConfigError, match=r"short\.yaml: world\.gateway: routes\.chain"):
        checked(path, NOBODY)


def test_that_a_route_which_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"load\.route: the gateway has no model or route 'nobody'"):
        checked(written(tmp_path, {"load.route": "nobody"}), NOBODY)
