"""Reading experiments."""

from pathlib import Path
from typing import Any

import pytest

from llmctl.chaos.load import load_experiment
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from tests.chaos.drills import experiment, written

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "chaos").glob("*.yaml"))
GATEWAY = """
providers: {up: {kind: scripted}, down: {kind: scripted}}
models: {m: {provider: up}, n: {provider: down}}
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_that_each_one_that_ships_is_named_as_its_file(path: Path) -> None:
    assert load_experiment(path, Environment({})).config.name == path.stem


def test_that_all_that_ship_take_ten_minutes_at_most() -> None:
    assert len(SHIPPED) >= 16
    assert sum(load_experiment(path, Environment({})).config.seconds for path in SHIPPED) <= 600


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"load.rout": "x"}, "load.rout: unknown key; did you mean route?"),
        ({"load.rate": "fast"}, "load.rate:"),
        ({"method": [{"action": "refuse", "provider": "aa", "at": 0}]}, "there is no provider 'aa'; did you mean a?"),
        ({"method": [{"action": "kill", "at": 5}]}, "the load is over after 0.6 s; begin before"),
        ({"method": [{"action": "collector", "fate": "lost", "at": 0}]}, "write `collector: true` under `world`"),
        ({"rollback": [{"action": "refuse", "provider": "z"}]}, "rollback[0].provider: there is no provider 'z'"),
        ({"method": []}, "method: needs at least one entry"),
        ({"world.providers": {}}, "world.providers: give one at least"),
    ],
)
def test_that_mistakes_are_told_with_their_line(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = written(tmp_path, changes)
    with pytest.raises(ConfigError) as error:
        load_experiment(path, Environment({}))
    assert said in str(error.value)
    assert str(error.value).startswith(f"{path}:")
    assert int(str(error.value).removeprefix(f"{path}:").partition(":")[0]) >= 1


def test_that_a_file_which_is_not_there_names_one_to_copy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"configs/chaos/provider-down\.yaml is one to copy"):
        load_experiment(tmp_path / "no.yaml", Environment({}))


def test_that_a_configuration_of_ones_own_brings_its_providers(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    changes = {"world": {"config": "gateway.yaml"}, "method": [{"action": "refuse", "provider": "down", "at": 0}]}
    found = experiment(tmp_path, changes)
    assert found.providers == ["up", "down"]


def test_that_a_provider_which_the_configuration_has_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    world = {"config": "gateway.yaml", "providers": {"dow": {}}}
    with pytest.raises(
        ConfigError, match=r"world\.providers\.dow: the gateway has no such provider; did you mean down"
    ):
        experiment(tmp_path, {"world": world, "method": [{"action": "kill", "at": 0}]})
